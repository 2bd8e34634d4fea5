"""NR downlink carriers keep the standard: what stands where, when, with which sequence and power."""

import json
from dataclasses import asdict

import numpy as np
import py3gpp
import pytest
import torch

from rfseg.errors import SceneError
from rfseg.synth.nr import CHANNELS_MHZ, NrCell, draw_nr, nr_signals, nr_subcarriers
from rfseg.synth.nr_control import element_order
from rfseg.synth.nr_data import dmrs_symbols
from rfseg.synth.nr_timing import SlotSpan, downlink_symbols, sendable_blocks, ssb_first_symbols
from rfseg.synth.sequences import gold_qpsk, nr_pss, nr_sss


def _cell(**changes) -> NrCell:
    facts = dict(
        blocks=51, spacing=30e3, cell_id=503, load="idle", ssb_subcarrier=100, ssb_case="B", ssb_blocks=(0, 1),
        ssb_gains_db=(0.0, 0.0), coreset=(0, 48, 1), dmrs_additional=0,
    )  # fmt: skip
    return NrCell(**{**facts, **changes})


def _data(**changes) -> NrCell:
    """A carrier that only sends data."""
    return _cell(**{"load": "full", "ssb_subcarrier": None, **changes})


def _signals(cell, first_half_ms=0, half_ms=40, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return nr_signals(cell, first_half_ms, half_ms, rng=np.random.default_rng(seed), generator=generator)


def _rows(signal, port) -> torch.Tensor:
    """Elements of a port in all symbols."""
    grid = torch.zeros(signal.symbol_count, signal.subcarriers.numel(), dtype=torch.complex64)
    for part in signal.grids:
        if part.port == port:
            rows = torch.arange(signal.symbol_count) if part.symbols is None else part.symbols
            grid[rows] += part.elements
    return grid


def _quiet(signal) -> torch.Tensor:
    """Rows of port 0 in which nothing is sent."""
    return ~(_rows(signal, 0).abs() > 0).any(1)


def _busy_slot(rows: torch.Tensor) -> int:
    """A slot whose fourth and last symbol carry data."""
    on = (rows.abs() > 0).any(1).reshape(-1, 14)
    return int(torch.nonzero(on[:, 3] & on[:, 13])[0])


def test_channels_have_the_resource_blocks_of_the_standard():
    # TS 38.101-1 table 5.3.2-1; a carrier leaves guard bands: less than its channel
    assert (CHANNELS_MHZ[15e3][35], CHANNELS_MHZ[30e3][70], CHANNELS_MHZ[60e3][100]) == (188, 189, 135)
    for spacing, channels in CHANNELS_MHZ.items():
        for mhz, blocks in channels.items():
            assert 0.74 < 12 * blocks * spacing / (mhz * 1e6) < 0.99


def test_subcarriers_surround_the_centre_without_a_gap():
    assert nr_subcarriers(11).tolist() == list(range(-66, 66))


@pytest.mark.parametrize(
    ("case", "count", "first"),
    [  # TS 38.213 clause 4.1
        ("A", 4, (2, 8, 16, 22)),
        ("A", 8, (2, 8, 16, 22, 30, 36, 44, 50)),
        ("B", 4, (4, 8, 16, 20)),
        ("B", 8, (4, 8, 16, 20, 32, 36, 44, 48)),
        ("C", 8, (2, 8, 16, 22, 30, 36, 44, 50)),
    ],
)
def test_blocks_begin_at_the_symbols_of_their_case(case, count, first):
    assert ssb_first_symbols(case, count) == first
    size = dict(spacing=15e3, blocks=52) if case == "A" else {}
    cell = _cell(**size, ssb_case=case, ssb_count=count, ssb_blocks=(count - 1,), ssb_gains_db=(0.0,))
    assert _signals(cell)[0].grids[-1].symbols.tolist() == [first[-1] + n for n in range(4)]


def test_a_block_carries_the_sequences_of_its_cell_as_an_independent_library_makes_them():
    cell = _cell(pss_boost_db=3.0)
    block = _rows(_signals(cell)[0], 2)[8:12, 100:340].numpy()  # the second beam
    assert np.allclose(block[0, 56:183] / 10 ** (3 / 20), py3gpp.nrPSS(503 % 3), atol=1e-5)
    assert np.allclose(block[2, 56:183], py3gpp.nrSSS(503), atol=1e-5)
    assert np.allclose(block.ravel()[np.asarray(py3gpp.nrPBCHDMRSIndices(503))], py3gpp.nrPBCHDMRS(503, 1), atol=1e-5)
    used = np.abs(block) > 0
    assert [int(row.sum()) for row in used] == [127, 240, 48 + 127 + 48, 240]  # TS 38.211 table 7.4.3.1-1


def test_an_idle_carrier_sends_its_blocks_and_nothing_else():
    signal = _signals(_cell(), seed=3)[0]
    assert sorted({port.port for port in signal.grids} - {0}) == [1, 2]
    assert [port.symbols.tolist() for port in signal.grids if port.port] == [[4, 5, 6, 7], [8, 9, 10, 11]]  # 20 ms: once
    assert _quiet(signal).float().mean() > 0.9


def test_each_beam_has_its_gain():
    signal = _signals(_cell(ssb_gains_db=(-6.0, 3.0)))[0]
    powers = [float(_rows(signal, 1 + beam)[6 + 4 * beam, 156:283].abs().square().mean()) for beam in range(2)]
    assert np.allclose(10 * np.log10(powers), [-6.0, 3.0], atol=1e-4)


@pytest.mark.parametrize(("period_ms", "offset_ms"), [(5, 0), (10, 5), (20, 10), (40, 25), (160, 155)])
def test_blocks_come_at_their_period(period_ms, offset_ms):
    cell = _cell(ssb_period_ms=period_ms, ssb_offset_ms=offset_ms, ssb_blocks=(0,), ssb_gains_db=(0.0,))
    starts = [port.symbols[::4].tolist() for port in _signals(cell, half_ms=640)[0].grids if port.port == 1]
    assert starts == [[28 * at + 4 for at in range(offset_ms, 320, period_ms)]]


def test_a_block_that_the_span_cuts_keeps_its_rows_inside():
    cell = _cell(ssb_case="C", ssb_blocks=(2,), ssb_gains_db=(0.0,))  # symbols 16 to 19 of the half frame
    whole = _rows(_signals(cell)[0], 1)
    cell_15 = _cell(blocks=52, spacing=15e3, ssb_case="A", ssb_blocks=(0,), ssb_gains_db=(0.0,), ssb_count=4)
    late = [port for port in _signals(cell_15, first_half_ms=1, half_ms=3)[0].grids if port.port == 1]
    assert not late  # symbols 2 to 5 are over after 0.5 ms
    assert torch.nonzero(whole.abs().sum(1)).flatten().tolist() == [16, 17, 18, 19]
    third = _cell(blocks=52, spacing=15e3, ssb_case="A", ssb_blocks=(2,), ssb_gains_db=(0.0,), ssb_count=4)  # 16 to 19
    assert _signals(third, first_half_ms=2, half_ms=1)[0].grids[-1].symbols.tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("spacing", "blocks", "case", "ratio"), [(60e3, 51, "C", 2), (60e3, 51, "A", 4), (30e3, 11, "A", 2), (15e3, 106, "C", 0.5)]
)
def test_blocks_of_another_spacing_are_a_signal_of_their_own_over_an_empty_place(spacing, blocks, case, ratio):
    cell = _data(spacing=spacing, blocks=blocks, ssb_case=case, ssb_subcarrier=17, ssb_blocks=(1,), ssb_gains_db=(0.0,),
                 coreset=(0, 6, 1))  # fmt: skip
    carrier, sync = _signals(cell)
    assert sync.spacing == spacing / ratio
    assert sync.subcarriers[0] * sync.spacing == -6 * blocks * spacing + 17 * sync.spacing
    assert cell.ssb_center == float(sync.subcarriers[120]) * sync.spacing
    first = ssb_first_symbols(case, 8)[1]
    low, high = int(17 / ratio // 12 * 12), -int(-(17 + 240) / ratio // 12 * 12)
    under = _rows(carrier, 0)[int(first * ratio) : int((first + 4) * ratio), low:high]
    assert under.numel() and not under.abs().any()
    assert all(port.port == 0 for port in carrier.grids)


def test_no_beam_is_sent_into_the_uplink():
    # D D D S U of 30 kHz: slot 3 has 10 downlink symbols, slot 4 none; case C begins at 2 and 8
    assert sendable_blocks("C", 8, 30e3, "DDDSU", 10, (0,)) == [0, 1, 2, 3, 4, 5, 6]
    assert sendable_blocks("C", 8, 30e3, "DSUUU", 10, (0,)) == [0, 1, 2]
    assert sendable_blocks("A", 4, 15e3, None, 10, (0, 1)) == [0, 1, 2, 3]
    with pytest.raises(SceneError, match=r"ssb_blocks=\(7,\) fall into the uplink of tdd='DDDSU' with 10 special symbols"):
        _cell(ssb_case="C", tdd="DDDSU", ssb_blocks=(7,), ssb_gains_db=(0.0,))


@pytest.mark.parametrize("spacing", [15e3, 30e3, 60e3])
def test_a_tdd_carrier_keeps_to_its_downlink_symbols(spacing):
    blocks = 51 if spacing != 15e3 else 52
    cell = _data(spacing=spacing, blocks=blocks, tdd="DDSUU", special_symbols=6, csi_ports=2, csi_period=5)
    signal = _signals(cell, half_ms=20)[0]
    on = (_rows(signal, 0).abs() > 0).any(1).reshape(-1, 14)
    kinds = np.arange(on.shape[0]) % 5
    assert not on[kinds > 2].any() and not on[kinds == 2][:, 6:].any()
    assert on[kinds < 2].any() and on[kinds == 2][:, :6].any()


def test_slots_count_from_system_frame_0():
    span = SlotSpan(spacing=15e3, first_half_ms=3, half_ms=2)
    assert (span.first_symbol, span.symbol_count, span.slots.tolist()) == (21, 14, [1, 2])
    assert downlink_symbols(np.arange(5, 10), "DDDSU", 10).tolist() == [14, 14, 14, 10, 0]


@pytest.mark.parametrize(
    ("end", "additional", "length", "expected"),
    [  # TS 38.211 tables 7.4.1.1.2-3 and -4, mapping type A, first position 2
        (14, 0, 1, (2,)), (14, 1, 1, (2, 11)), (14, 2, 1, (2, 7, 11)), (14, 3, 1, (2, 5, 8, 11)), (12, 1, 1, (2, 9)),
        (12, 3, 1, (2, 5, 8, 11)), (10, 2, 1, (2, 6, 9)), (8, 3, 1, (2, 7)), (7, 3, 1, (2,)), (14, 1, 2, (2, 3, 10, 11)),
        (12, 1, 2, (2, 3, 8, 9)), (9, 1, 2, (2, 3)),
    ],
)  # fmt: skip
def test_demodulation_references_stand_at_the_symbols_of_the_table(end, additional, length, expected):
    assert dmrs_symbols(1, end, is_mini=False, position=2, additional=additional, length=length) == expected


@pytest.mark.parametrize(("kind", "groups", "group"), [(1, 1, 0), (1, 2, 0), (1, 2, 1), (2, 1, 0), (2, 2, 1), (2, 3, 2)])
def test_demodulation_references_have_their_comb_sequence_and_boost(kind, groups, group):
    cell = _data(dmrs_type=kind, dmrs_groups=groups, dmrs_group=group, mini_slot_share=0.0)
    rows = _rows(_signals(cell, first_half_ms=20, seed=2)[0], 0)  # frame 1: sequences repeat with the frame
    slot = _busy_slot(rows)
    row, data = rows[14 * slot + 2].reshape(51, 12), rows[14 * slot + 3].reshape(51, 12)
    column = torch.arange(12)
    of_group = column % 2 if kind == 1 else column // 2 % 3
    start = (2**17 * (14 * (slot % 20) + 2 + 1) * (2 * 503 + 1) + 2 * 503) % 2**31
    sequence = torch.from_numpy(gold_qpsk(start, 51 * (6 if kind == 1 else 4))).reshape(51, -1)
    block = int(torch.nonzero(data.abs().sum(1))[0])
    gain = row[block][of_group == group] / sequence[block]
    assert torch.allclose(gain, gain.real.mean().expand_as(gain) + 0j, atol=1e-5)
    assert float(gain.real.mean()) > 0
    for empty in range(groups):
        assert empty == group or not row[:, of_group == empty].abs().any()
    assert (row[block][of_group >= groups].abs() > 0).all()  # data beside the references


def test_references_are_boosted_by_what_the_empty_combs_save():
    for groups, expected in ((1, 1.0), (2, 2.0)):
        cell = _data(dmrs_groups=groups, blocks=273, coreset=(0, 6, 1), qam_bits=2)
        rows = _rows(_signals(cell, seed=2)[0], 0).reshape(-1, 14, 273, 12)
        pairs = rows[:, 2, :, 0::2].abs().square().mean(-1), rows[:, 4].abs().square().mean(-1)
        ratio = pairs[0] / pairs[1]
        assert float(ratio[pairs[1] > 0].median()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_data_are_points_of_square_constellations_of_unit_mean_power(bits):
    cell = _data(qam_bits=bits, blocks=273, coreset=(0, 6, 1))  # groups of 16 blocks: TS 38.214 table 5.1.2.2.1-1
    rows = _rows(_signals(cell, seed=4)[0], 0).reshape(-1, 14, 273, 12)[:, 4:7, :272].unflatten(2, (17, 16))
    top = 0
    for slot in rows[rows.abs().amin((1, 2, 3, 4)) > 0]:
        for group in slot.transpose(0, 1).flatten(1):
            levels = group.real.abs()
            steps = levels / levels.min()  # odd numbers: TS 38.211 clause 5.1
            assert torch.allclose(steps, 2 * torch.floor(steps / 2) + 1, atol=1e-3)
            order = float(steps.max())
            power = levels.min() ** 2 * ((order + 1) ** 2 - 1) * 2 / 3  # of the whole constellation
            assert 0.3 < float(power) < 3.0  # users differ by a few dB
            top = max(top, round(order))
    assert top == 2 ** (bits // 2) - 1


def test_mini_slots_divide_a_slot_and_begin_with_their_references():
    cell = _data(mini_slot_share=1.0, first_data_symbol=2, coreset=(0, 6, 1))
    rows = _rows(_signals(cell, seed=5)[0], 0).reshape(-1, 14, 51, 12)
    at_start = rows[:, 2]
    used = at_start.abs().sum(-1) > 0
    assert used.any() and not at_start[used][:, 1::2].abs().any()  # comb of type 1, first symbol of the transmission
    patterns = {tuple((slot.abs()[..., 1].sum(1) == 0).tolist()) for slot in rows if slot[2:].abs().any()}
    assert len(patterns) > 2  # lengths 2, 4 and 7 in several orders


def test_control_elements_are_interleaved_as_the_standard_says():
    # 48 blocks, 1 symbol: 8 bundles of 6 blocks; R = 2, C = 4, shift 3: f = (4 r + c + 3) mod 8 for x = 2 c + r
    order = element_order(48, 1, interleaved=True, shift=3)[::6]
    expected = {(4 * (x % 2) + x // 2 + 3) % 8: x for x in range(8)}
    assert order.tolist() == [expected[bundle] for bundle in range(8)]


def test_control_messages_have_their_references_and_stay_in_their_resource_set():
    cell = _cell(ssb_subcarrier=None, coreset=(6, 24, 2), control_share=1.0)
    rows = _rows(_signals(cell, seed=1)[0], 0).reshape(-1, 14, 51, 12)
    sent = rows[:, :2].abs().sum((0, 1, 3)) > 0
    assert sent[6:30].any() and not sent[:6].any() and not sent[30:].any()
    slot = int(torch.nonzero(rows[:, 1].abs().sum((1, 2)) > 0)[0])
    start = (2**17 * (14 * slot + 1 + 1) * (2 * 503 + 1) + 2 * 503) % 2**31
    sequence = torch.from_numpy(gold_qpsk(start, 3 * 51)).reshape(51, 3)
    used = rows[slot, 1].abs().sum(1) > 0
    assert torch.allclose(rows[slot, 1][used][:, [1, 5, 9]], sequence[used], atol=1e-6)


def test_system_information_comes_every_20_ms_near_its_block():
    cell = _cell(ssb_subcarrier=12 * 14 + 3, ssb_case="C", coreset0=11, search_space0=2, sib1_blocks=(4, 10), ssb_blocks=(0, 3),
                 dmrs_position=2)  # fmt: skip
    assert cell.coreset0_place == (0, 48, 1)  # TS 38.213 table 13-4 row 11: 48 blocks, 1 symbol, offset 14
    signal = _signals(cell, half_ms=80, seed=3)[0]
    rows = _rows(signal, 0).reshape(-1, 14, 51, 12)
    # table 13-11 row 2: O = 2 ms, M = 1: slots 4 and 7 of every second frame
    for slot in (4, 7, 44, 47):
        assert (rows[slot, 4, 4:14].abs() > 0).all() and (rows[slot, 0, :48].abs().sum(1) > 0).any()
        start = (2**17 * (14 * (slot % 20) + 2 + 1) * (2 * 503 + 1) + 2 * 503) % 2**31
        sequence = torch.from_numpy(gold_qpsk(start, 6 * 48))[6 * 4 : 6 * 14]  # counted from the resource set's first block
        assert torch.allclose(rows[slot, 2, 4:14].flatten()[::2], 2**0.5 * sequence, atol=1e-5)
    assert not torch.equal(rows[4, 4, 4:14], rows[44, 4, 4:14])


def test_tracking_references_come_in_two_slots_of_two_symbols():
    cell = _cell(ssb_subcarrier=None, trs_period_ms=10, trs_offset=3, trs_symbol=5, trs_subcarrier=2, trs_blocks=(5, 40))
    rows = _rows(_signals(cell, seed=3)[0], 0).reshape(-1, 14, 51, 12)
    for slot in (3, 4, 23, 24):
        for symbol in (5, 9):
            start = (2**10 * (14 * (slot % 20) + symbol + 1) * (2 * 503 + 1) + 503) % 2**31
            sequence = torch.from_numpy(gold_qpsk(start, 3 * 45)).reshape(45, 3)[5:]
            assert torch.allclose(rows[slot, symbol, 5:45, 2::4], sequence, atol=1e-6)
    assert not (rows[[2, 5]][:, [5, 9]].abs() > 0).all()


@pytest.mark.parametrize("ports", [1, 2, 4, 8])
def test_channel_state_references_have_a_port_each_and_pairs_share_elements(ports):
    cell = _data(csi_ports=ports, csi_symbol=13, csi_subcarrier=4, csi_period=8, csi_offset=5, mini_slot_share=0.0)
    signal = _signals(cell, seed=3)[0]
    own = [_rows(signal, port).reshape(-1, 14, 51, 12)[5, 13] for port in [0, *range(16, 15 + ports)]]
    start = (2**10 * (14 * 5 + 13 + 1) * (2 * 503 + 1) + 503) % 2**31
    if ports == 1:
        assert torch.allclose(own[0][:, 4], torch.from_numpy(gold_qpsk(start, 51)), atol=1e-6)
        return
    sequence = torch.from_numpy(gold_qpsk(start, 102)).reshape(51, 2)
    for port, elements in enumerate(own):
        sign = torch.tensor([1.0, -1.0 if port % 2 else 1.0])
        column = 4 + port // 2 * 2
        assert torch.allclose(elements[:, column : column + 2], sequence * sign, atol=1e-6)
    assert not own[0][:, 6 : 4 + ports].abs().any()  # data keep away from the other ports
    assert all(len(port.symbols) == 5 for port in signal.grids if port.port)  # slots 5, 13, 21, 29, 37


def test_loads_differ_as_their_names_say():
    used = []
    for load in ("idle", "light", "medium", "full"):
        shares = [float((_signals(_data(load=load), seed=seed)[0].power() > 0).float().mean()) for seed in range(8)]
        used.append(np.mean(shares))
    assert used == sorted(used)
    assert used[0] < 0.2 and used[3] > 0.6  # control regions are never full, and some transmissions are short


def test_the_same_seed_gives_the_same_carrier_and_time_matters():
    cell = draw_nr(51, 30e3, np.random.default_rng(4))
    first, again, later = (_signals(cell, first_half_ms=at) for at in (0, 0, 20))
    assert all(torch.equal(a.elements, b.elements) for a, b in zip(first[0].grids, again[0].grids, strict=True))
    assert any(a.elements.shape != b.elements.shape or not torch.equal(a.elements, b.elements)
               for a, b in zip(first[0].grids, later[0].grids, strict=False))  # fmt: skip


def test_any_drawn_carrier_can_be_sent_and_written_down(rng, generator):
    seen = set()
    for spacing, channels in CHANNELS_MHZ.items():
        for blocks in channels.values():
            for _ in range(6):
                cell = draw_nr(blocks, spacing, rng)
                record = json.loads(json.dumps(asdict(cell)))
                assert NrCell(**{k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}) == cell
                seen.add((cell.ssb_case, cell.ssb_count) if cell.ssb_subcarrier is not None else None)
                if blocks < 60:
                    for signal in nr_signals(cell, int(rng.integers(4000)), 3, rng=rng, generator=generator):
                        assert signal.symbol_count == 3 * 7 * round(signal.spacing / 15e3)
                        for port in signal.grids:
                            assert port.symbols is None or (0 <= port.symbols.min() and port.symbols.max() < signal.symbol_count)
                            assert torch.isfinite(torch.view_as_real(port.elements)).all()
    assert seen == {None, *((case, count) for case in "ABC" for count in (4, 8))}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (dict(spacing=120e3), "spacing=120000.0 Hz is no NR spacing below 6 GHz; choose 15e3, 30e3 or 60e3"),
        (dict(blocks=50), "blocks=50 is no NR channel of 30000 Hz spacing; choose one of"),
        (dict(load="mad"), "load='mad' is unknown; choose one of"),
        (dict(tdd="DXU"), "tdd='DXU', special_symbols=10: expected letters D, S, U and 1 to 14 symbols"),
        (dict(cell_id=1008), "cell_id=1008 is outside 0 to 1007"),
        (dict(ssb_case="D"), "ssb_case='D', ssb_count=8: expected A, B or C, and 4 or 8"),
        (dict(ssb_subcarrier=373), "ssb_subcarrier=373: blocks of 240 subcarriers of 30000 Hz fit at 0 to 372 of a carrier of 51"),
        (dict(blocks=11, coreset=(0, 6, 1), ssb_subcarrier=0), "leave them out"),
        (dict(ssb_blocks=(3, 1)), r"ssb_blocks=\(3, 1\): expected ascending indices below 8"),
        (dict(ssb_gains_db=(0.0,)), "ssb_gains_db has 1 gains for 2 blocks; give one for each"),
        (dict(ssb_period_ms=15), "ssb_period_ms=15, ssb_offset_ms=0: expected a period of"),
        (dict(coreset0=15), "coreset0=15 does not fit around ssb_subcarrier=100; use None"),
        (dict(coreset=(0, 50, 1)), r"coreset=\(0, 50, 1\) does not fit 51 resource blocks"),
        (dict(dmrs_groups=3), "dmrs_type=1, dmrs_groups=3, dmrs_group=0: expected type 1 or 2, 1 to 2 groups"),
        (dict(csi_ports=3), "csi_ports=3 is not supported; choose 0, 1, 2, 4 or 8"),
        (dict(csi_ports=8, csi_subcarrier=6), "csi_subcarrier=6 leaves no room for 8 ports in 12 subcarriers"),
    ],
)
def test_impossible_carriers_are_refused(changes, text):
    with pytest.raises(SceneError, match=text):
        _cell(**changes)


def test_a_carrier_of_no_known_size_is_not_drawn(rng):
    with pytest.raises(SceneError, match="blocks=272 at spacing=30000.0 Hz is no NR channel; choose a row of"):
        draw_nr(272, 30e3, rng)


@pytest.mark.parametrize("sequence", [nr_pss(1), nr_sss(335)])
def test_synchronisation_sequences_have_unit_power(sequence):
    assert torch.allclose(sequence.abs(), torch.ones(127))


def test_primary_sequences_correlate_with_themselves_only():
    first, second = nr_pss(0), nr_pss(1)
    assert (first * first).sum().real == 127
    assert abs((first * second).sum().real) == 1  # m-sequences of 127: off-peak correlation -1
    # first bits of x(i+7) = x(i+4) + x(i) from 0110111: TS 38.211 clause 7.4.2.2.1
    assert (first[:10].real == torch.tensor([1, -1, -1, 1, -1, -1, -1, -1, 1, 1])).all()


def test_secondary_sequences_of_two_cells_differ():
    assert not torch.equal(nr_sss(12), nr_sss(15))


def test_a_pattern_without_two_downlink_slots_in_a_row_has_no_tracking_reference():
    for seed in range(20):
        cell = draw_nr(51, 30e3, np.random.default_rng(seed), tdd_choices=("DSUUU",))
        assert cell.tdd == "DSUUU" and cell.trs_period_ms is None
