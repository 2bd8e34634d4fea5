"""LTE downlink grids against TS 36.211: positions, sequences, timing, power."""

import dataclasses
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

import rfseg.synth.lte_data
from rfseg.errors import SceneError
from rfseg.synth.lte import CHANNELS_MHZ, LteCell, draw_lte, lte_signals, lte_subcarriers
from rfseg.synth.lte_control import phich_groups
from rfseg.synth.lte_frame import SPECIAL_CONFIGURATIONS, TDD_CONFIGURATIONS
from rfseg.synth.ofdm import OfdmSignal
from rfseg.synth.sequences import lte_pss, lte_sss

_receiver = runpy.run_path(str(Path(__file__).with_name("lte_receiver.py")))
pseudo_random, soft_bits = _receiver["_pseudo_random"], _receiver["_soft_bits"]

FORMAT_WORDS = {1: "011" * 11, 2: "101" * 11, 3: "110" * 11}  # TS 36.212 table 5.3.4-1, the first 32 of these 33


def _cell(**changes) -> LteCell:
    return LteCell(**{**dict(blocks=25, cell_id=7, ports=2, crs_boost_db=0.0, load="idle", control_fill=0.0), **changes})


def _signal(cell: LteCell, first_half_ms: int = 0, half_ms: int = 20) -> OfdmSignal:
    """The same for the same arguments."""
    rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
    return lte_signals(cell, first_half_ms, half_ms, rng=rng, generator=generator)[0]


def _grids(cell: LteCell, first_half_ms: int = 0, half_ms: int = 20) -> np.ndarray:
    """Whole subframes of all ports, ``(ports, subframes, 14, K)``."""
    signal = _signal(cell, first_half_ms, half_ms)
    out = np.zeros((cell.ports, signal.symbol_count, 12 * cell.blocks), np.complex64)
    for grid in signal.grids:
        out[grid.port, slice(None) if grid.symbols is None else grid.symbols] += grid.elements.numpy()
    return out.reshape(cell.ports, -1, 14, 12 * cell.blocks)


@pytest.fixture
def no_data(monkeypatch):
    monkeypatch.setattr(rfseg.synth.lte_data, "allocation", lambda slots, groups, load, rng: torch.zeros(slots, groups))


@pytest.fixture
def all_data(monkeypatch):
    monkeypatch.setattr(rfseg.synth.lte_data, "allocation", lambda slots, groups, load, rng: torch.ones(slots, groups))


def _combs(cell_id: int, ports: int) -> dict[tuple[int, int], int]:
    """First subcarrier by port and symbol of a subframe, written out from TS 36.211 figure 6.10.1.2-1."""
    first = {(0, 0): 0, (0, 4): 3, (0, 7): 0, (0, 11): 3, (1, 0): 3, (1, 4): 0, (1, 7): 3, (1, 11): 0}
    first |= {(2, 1): 0, (2, 8): 3, (3, 1): 3, (3, 8): 0}
    return {place: (value + cell_id) % 6 for place, value in first.items() if place[0] < ports}


@pytest.mark.parametrize("blocks", CHANNELS_MHZ.values())
@pytest.mark.parametrize("ports", [1, 2, 4])
def test_reference_signals_of_every_port_are_the_true_ones_at_their_places(ports, blocks, all_data):
    cell = _cell(blocks=blocks, ports=ports, cell_id=383, crs_boost_db=3.0, control_fill=0.5)
    grids = _grids(cell)
    for (port, symbol), first in _combs(383, ports).items():
        for subframe in (0, 3, 9):
            slot = 2 * subframe + symbol // 7
            start = 1024 * (7 * (slot + 1) + symbol % 7 + 1) * (2 * 383 + 1) + 2 * 383 + 1
            bits = 1 - 2 * pseudo_random(start, 440)[2 * (110 - blocks) : 2 * (110 + blocks)]
            expected = 10 ** (3 / 20) * (bits[0::2] + 1j * bits[1::2]) / 2**0.5
            assert np.allclose(grids[port, subframe, symbol, first::6], expected, atol=1e-5)
            others = [p for p in range(ports) if p != port]
            assert not grids[others, subframe, symbol, first::6].any()


@pytest.mark.parametrize("ports", [1, 2, 4])
def test_an_idle_subframe_has_reference_signals_and_nothing_else_after_its_first_symbol(ports, no_data):
    used = _grids(_cell(ports=ports))[:, 2, 1:] != 0
    expected = np.zeros_like(used)
    for (port, symbol), first in _combs(7, ports).items():
        if symbol:
            expected[port, symbol - 1, first::6] = True
    assert (used == expected).all()


def test_sparse_ports_hold_only_the_symbols_on_which_they_send(no_data):
    signal = _signal(_cell(ports=4))
    second, third = signal.grids[1].symbols, signal.grids[2].symbols
    in_subframe = {0, 4, 7, 11} | {8, 9, 10}  # reference signals; broadcast channel in subframe 0
    assert set((second % 14).tolist()) == in_subframe and len(second) == 4 * 10 + 3
    assert set((third % 14).tolist()) == {0, 1, 7, 8, 9, 10} and len(third) == 3 * 10 + 3


def test_fdd_synchronisation_occupies_62_subcarriers_around_dc_every_5_ms(all_data):
    cell = _cell(load="full")
    grid = _grids(cell)[0]
    for subframe, half in ((0, 0), (5, 1)):
        assert np.allclose(grid[subframe, 6, 119:181], lte_pss(cell.cell_id % 3))
        assert np.allclose(grid[subframe, 5, 119:181], lte_sss(cell.cell_id, half))
        guard = [*range(114, 119), *range(181, 186)]
        assert not grid[subframe, 5:7][:, guard].any()
        assert grid[subframe, 5:7, :114].all() and grid[subframe, 5:7, 186:].all()
    assert 0 not in lte_subcarriers(25)


@pytest.mark.parametrize("tdd", range(7))
def test_tdd_synchronisation_stands_in_subframes_0_1_5_6(tdd):
    cell = _cell(tdd=tdd, special=0)
    grid = _grids(cell)[0]
    for half in (0, 1):
        assert np.allclose(grid[5 * half + 1, 2, 119:181], lte_pss(1))
        assert np.allclose(grid[5 * half, 13, 119:181], lte_sss(7, half))


@pytest.mark.parametrize("special", range(11))
@pytest.mark.parametrize("tdd", range(7))
def test_tdd_sends_nothing_in_uplink_and_guard(tdd, special, all_data):
    cell = _cell(blocks=6, ports=4, tdd=tdd, special=special, load="full", control_fill=0.5, mbsfn=())
    on = (_grids(cell) != 0).any((0, 3))  # (10, 14)
    for subframe, kind in enumerate(TDD_CONFIGURATIONS[tdd]):
        count = {"D": 14, "U": 0, "S": SPECIAL_CONFIGURATIONS[special]}[kind]
        assert on[subframe, :count].all() and not on[subframe, count:].any()


def test_a_short_special_subframe_carries_no_data(all_data):
    grid = _grids(_cell(tdd=1, special=5))[0]
    assert not grid[1, 1:3, :100].any() and _grids(_cell(tdd=1, special=1))[0][1, 3:9, :100].any()


def test_the_broadcast_channel_leaves_four_ports_references_free_and_has_unit_power(no_data):
    grids = _grids(_cell(blocks=100, ports=2, cell_id=9), half_ms=40)
    centre = grids[:, :, 7:11, 564:636]
    power = (np.abs(centre) ** 2).sum(0)
    for subframe in (0, 10):
        assert not power[subframe, 1, 9 % 3 :: 3].any()  # ports 2 and 3 of a cell that has two
        assert np.allclose(np.delete(power[subframe, 1], np.arange(0, 72, 3)), 1, atol=1e-5)
        assert np.allclose(power[subframe, 2:], 1, atol=1e-5)
    assert not np.allclose(centre[:, 0, 2:], centre[:, 10, 2:])  # another quarter of the 40 ms
    assert not power[1, 1:].any()


def test_references_synchronisation_and_broadcast_share_their_power_over_data(all_data):
    power = (np.abs(_grids(_cell(crs_boost_db=6.0, load="full", cell_id=9))) ** 2).sum(0)[0]
    assert np.allclose(10 * np.log10(power[[4, 5, 6, 9], [0, 130, 130, 130]]), 6.0, atol=1e-4)
    assert 10 * np.log10(power[12].mean()) == pytest.approx(0.0, abs=0.5)


def test_data_stay_out_of_the_broadcast_channel(all_data):
    grid = _grids(_cell(ports=1, cell_id=9, load="full"))[0]
    comb = np.arange(114, 186, 3)
    assert not grid[0, 8, comb].any() and not grid[0, 7, comb[0::2]].any()  # of ports that the cell has not
    assert grid[1, 8, comb].all() and grid[0, 8, :114].all()


@pytest.mark.parametrize("frame", [0, 3, 1023])
def test_the_broadcast_channel_repeats_after_all_frame_numbers(frame):
    one, other = (_grids(_cell(), 20 * start, 2)[:, 0, 7:11, 114:186] for start in (frame, frame + 1024))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("ports", [1, 2, 4])
@pytest.mark.parametrize("blocks", [6, 15, 50])
def test_the_format_indicator_tells_where_the_data_begin(blocks, ports, all_data):
    cell = _cell(blocks=blocks, ports=ports, cell_id=167, load="full")
    grids = _grids(cell)
    gains = np.array([1.0, -0.7j, 0.5 + 0.5j, -0.9])[:ports]
    heard = np.tensordot(gains, grids, 1)  # (10, 14, K)
    first = 6 * (167 % (2 * blocks))
    columns = []
    for quadruplet in range(4):
        group = (first + quadruplet * blocks // 2 * 6) % (12 * blocks)
        columns += [k for k in range(group, group + 6) if k % 3 != 167 % 3]
    seen = set()
    for subframe in range(10):
        received = np.resize(heard[subframe, 0, columns], 240)  # as many as the broadcast channel has, for its demodulator
        bits = (soft_bits(received, np.repeat(gains[:, None], 240, 1), ports)[:32] < 0).astype(int)
        bits ^= pseudo_random((subframe + 1) * (2 * 167 + 1) * 512 + 167, 32)
        indicator = next(value for value, word in FORMAT_WORDS.items() if "".join(map(str, bits)) == word[:32])
        data = [grids[0, subframe, symbol, :12].any() for symbol in range(14)]
        free = [symbol for symbol in range(2, 14) if data[symbol]]
        begin = indicator + (blocks <= 10)
        assert free[0] == max(begin, 2)
        seen.add(indicator)
    assert len(seen) > 1


def test_a_fixed_format_indicator_holds_where_it_may(all_data):
    grids = _grids(_cell(tdd=2, special=7, format_indicator=3, load="full"))
    begins = [next(s for s in range(2, 14) if grids[0, subframe, s, :12].any()) for subframe in (0, 1, 3, 6)]
    assert begins == [3, 2, 3, 2]  # two symbols at most in subframes 1 and 6: TS 36.211 table 6.7-1


@pytest.mark.parametrize("ports", [1, 2, 4])
def test_acknowledgements_despread_to_whole_numbers_in_their_groups(ports, no_data):
    cell = _cell(blocks=50, ports=ports, cell_id=200, phich_resource=2)
    grids = _grids(cell)
    gains = np.array([1.0, -0.7j, 0.5 + 0.5j, -0.9])[:ports]
    heard = np.tensordot(gains, grids[:, :, 0], 1)
    quadruplets = [[k for k in range(6 * group, 6 * group + 6) if k % 3 != 200 % 3] for group in range(100)]
    indicator = {(200 % 100 + q * 50 // 2) % 100 for q in range(4)}
    free = [columns for group, columns in enumerate(quadruplets) if group not in indicator]
    walsh = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    groups, used = 7, 0  # ceil(50 / 8)
    for subframe in range(10):
        sign = 1 - 2 * pseudo_random((subframe + 1) * (2 * 200 + 1) * 512 + 200, 12)
        for group in range(groups):
            said = []
            for part in range(3):
                columns = free[(200 + group + part * 96 // 3) % 96]
                y = heard[subframe, columns]
                if ports == 1:
                    d = y / gains[0]
                else:
                    a, b = (0, 1) if ports == 2 else (0, 2) if (part + group) % 2 == 0 else (1, 3)
                    scale = (abs(gains[a]) ** 2 + abs(gains[b]) ** 2) / 2**0.5
                    d = np.empty(4, complex)
                    d[0::2] = (gains[a].conj() * y[0::2] + gains[b] * y[1::2].conj()) / scale
                    d[1::2] = (gains[a].conj() * y[1::2] - gains[b] * y[0::2].conj()) / scale
                said.append(walsh @ (d * sign[4 * part : 4 * part + 4]) * np.exp(-0.25j * np.pi) / 4)
            assert np.allclose(said[0], said[1], atol=1e-5) and np.allclose(said[0], said[2], atol=1e-5)
            values = np.concatenate([said[0].real, said[0].imag])
            count = np.round(1 / (np.abs(values)[np.abs(values) > 1e-3].min() ** 2)) if np.abs(values).max() > 1e-3 else 1
            levels = values * count**0.5
            assert np.allclose(levels, np.round(levels), atol=1e-3) and np.abs(levels).max() < 1.001
            assert np.abs(np.round(levels)).sum() in (0, count)
            used += np.abs(levels).max() > 0.5
    assert used > 10


def test_the_first_symbol_has_no_more_than_indicator_acknowledgements_and_references(no_data):
    for tdd in (None, *range(7)):
        cell = _cell(tdd=tdd, special=4, phich_resource=1)
        used = (_grids(cell)[0][:, 0] != 0).sum(1)
        groups = phich_groups(25, 1, tdd)
        air = np.array([kind != "U" for kind in TDD_CONFIGURATIONS[tdd]]) if tdd is not None else np.ones(10, bool)
        assert (used <= air * (16 + 12 * groups + 50)).all()
        assert (used >= air * (16 + 50)).all()


def test_acknowledgement_groups_are_those_of_the_standard():
    assert phich_groups(100, 0, None).tolist() == [3] * 10  # ceil(100 / 8 / 6)
    assert phich_groups(100, 2, 0).tolist() == [26, 13, 0, 0, 0, 26, 13, 0, 0, 0]
    acknowledged = {  # configuration: subframes with a factor of 1, TS 36.211 table 6.9-1
        1: {1, 4, 6, 9}, 2: {3, 8}, 3: {0, 8, 9}, 4: {8, 9}, 5: {8}, 6: {0, 1, 5, 6, 9},
    }  # fmt: skip
    for tdd, subframes in acknowledged.items():
        assert phich_groups(50, 2, tdd).tolist() == [7 * (subframe in subframes) for subframe in range(10)]


def test_the_control_region_fills_whole_groups_with_unit_power(no_data):
    grid = _grids(_cell(control_fill=0.5, cell_id=6, format_indicator=3, phich_resource=0))[0]
    for symbol in (1, 2):
        power = np.abs(grid[2, symbol].reshape(-1, 4)) ** 2
        assert np.allclose(power, power[:, :1]) and set(np.round(power[:, 0], 4).tolist()) == {0.0, 1.0}
        assert 0.3 < power.mean() < 0.7
    assert not grid[2, 3].any()


def test_groups_of_a_symbol_with_references_of_four_ports_are_six_wide(no_data):
    grid = _grids(_cell(ports=4, control_fill=0.5, cell_id=6, format_indicator=2))[0, 2, 1]
    data = np.abs(grid.reshape(-1, 6)[:, [1, 2, 4, 5]])  # identity 6: references on subcarriers 0 and 3
    assert np.allclose(data, data[:, :1], atol=1e-5) and 0.3 < (data[:, 0] > 0).mean() < 0.7


def test_the_first_symbol_of_a_one_port_cell_stays_free_for_a_second(no_data):
    grid = _grids(_cell(ports=1, control_fill=1.0, cell_id=6))[0]
    assert not grid[:, 0, 3::6].any() and (grid[:, 0] != 0).mean() > 0.5


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("ports", [2, 4])
def test_mbsfn_subframes_have_reference_signals_in_the_control_region_only(ports, filled, all_data):
    cell = _cell(ports=ports, mbsfn=(1, 7), mbsfn_filled=filled, load="full", control_fill=0.5, format_indicator=1)
    grids = _grids(cell)
    for subframe in (1, 7):
        data = grids[0, subframe, 2:]
        assert data.all() if filled else not data.any()
        assert not grids[1:, subframe, 2:].any()
        assert grids[1, subframe, 0].any()
    if ports == 4:  # two symbols at least
        assert grids[2, 1, 1].any() and grids[3, 7, 1].any()
    assert not grids[0, 2].all() and grids[1, 2, 4].any()


def test_system_information_is_sent_in_subframe_5_of_even_frames(no_data):
    grid = _grids(_cell(system_information=(3, 6)), 20, 40)[0]  # from frame 1 on
    used = (grid[:, 12] != 0).any(1)
    assert used.tolist() == [n == 15 for n in range(20)]
    assert np.flatnonzero(grid[15, 12]).tolist() == list(range(36, 108))


@pytest.mark.parametrize("blocks", CHANNELS_MHZ.values())
def test_data_have_unit_power_and_three_constellations(blocks, all_data):
    grid = _grids(_cell(blocks=blocks, ports=1, load="full"), 0, 40)[0][[n for n in range(20) if n % 5]][:, [5, 9, 12]]
    levels = np.unique(np.round(np.abs(grid.real), 4))
    expected = [i * (1 / 2**0.5) for i in (1,)] + [i / 10**0.5 for i in (1, 3)] + [i / 42**0.5 for i in (1, 3, 5, 7)]
    assert np.allclose(levels, sorted(expected), atol=1e-4)
    assert (np.abs(grid) ** 2).mean() == pytest.approx(1.0, abs=0.05)
    assert abs(grid.mean()) < 0.05


def test_any_piece_of_time_has_its_symbols_of_the_frame(no_data):
    cell = _cell(ports=4, tdd=1)
    whole = _grids(cell, 0, 20).reshape(4, 140, -1)
    for first, count in ((1, 1), (3, 8), (19, 1), (10, 10), (4, 2)):  # the last is uplink
        signal = _signal(cell, first, count)
        assert signal.symbol_count == 7 * count and signal.grids[0].elements.shape == (7 * count, 300)
        for grid in signal.grids[1:]:
            assert grid.symbols.numel() == 0 or (grid.symbols.min() >= 0 and grid.symbols.max() < 7 * count)
            rows = grid.symbols.numpy() + 7 * first
            same = rows % 14 != 0  # acknowledgements are drawn anew
            assert np.array_equal(grid.elements.numpy()[same], whole[grid.port][rows[same]])


def test_the_same_seeds_give_the_same_signal():
    cell = draw_lte(50, np.random.default_rng(3))
    one, other = _signal(cell, 5, 13), _signal(cell, 5, 13)
    assert all(torch.equal(a.elements, b.elements) for a, b in zip(one.grids, other.grids, strict=True))


@pytest.mark.parametrize("blocks", CHANNELS_MHZ.values())
def test_drawn_cells_are_valid_varied_records(blocks, rng):
    cells = [draw_lte(blocks, rng) for _ in range(300)]
    assert all(json.loads(json.dumps(dataclasses.asdict(cell))) for cell in cells)
    assert {cell.ports for cell in cells} == {1, 2, 4}
    assert {cell.tdd for cell in cells} == {None, *range(7)}
    assert {cell.special for cell in cells} == set(range(11))
    assert {cell.load for cell in cells} == {"idle", "light", "medium", "full"}
    assert any(cell.mbsfn for cell in cells) and any(cell.mbsfn_filled for cell in cells)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (dict(blocks=20), r"LTE blocks=20 does not exist; choose from \(6, 15, 25, 50, 75, 100\)"),
        (dict(cell_id=504), r"LTE cell_id=504 does not exist; choose from range\(0, 504\)"),
        (dict(ports=3), r"LTE ports=3 does not exist; choose from \(1, 2, 4\)"),
        (dict(load="heavy"), "LTE load='heavy' does not exist"),
        (dict(tdd=7), "LTE tdd=7 does not exist"),
        (dict(special=11), "LTE special=11 does not exist"),
        (dict(format_indicator=0), "LTE format_indicator=0 does not exist"),
        (dict(phich_resource=4), "LTE phich_resource=4 does not exist"),
        (dict(system_information=(20, 6)), r"system_information=\(20, 6\) leaves the 25 blocks of the carrier"),
        (dict(mbsfn=(0,)), r"mbsfn=\(0,\) with tdd=None: only subframes \[1, 2, 3, 6, 7, 8\] may be MBSFN subframes"),
        (dict(mbsfn=(3,), tdd=0), r"mbsfn=\(3,\) with tdd=0: only subframes \[\] may be MBSFN subframes"),
        (
            dict(blocks=6, phich_resource=3, tdd=0),
            "phich_resource=3 needs more than the 8 groups of 6 blocks in TDD configuration 0",
        ),
    ],
)
def test_cells_that_cannot_be_are_refused(changes, text):
    with pytest.raises(SceneError, match=text):
        _cell(**changes)
