"""Uplinks of LTE and NR: true sequences at true places, and nothing anywhere else."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from rfseg.errors import SceneError
from rfseg.synth.low_papr import base_sequence, low_papr, precodable, zadoff_chu
from rfseg.synth.lte_frame import TDD_CONFIGURATIONS
from rfseg.synth.lte_uplink import LteUplink, draw_lte_uplink, lte_uplink_signals
from rfseg.synth.nr_uplink import NrUplink, draw_nr_uplink, nr_uplink_signals
from rfseg.synth.ofdm import Numerology, OfdmSignal, modulate
from rfseg.synth.sequences import lte_pss, nr_pss
from rfseg.synth.uplink import UPLINK_LOADS, Payload, draw_grants, fill

_ROUNDING = 2e-4  # float32 transforms of elements of amplitude 1
_UPPTS = (1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 6)  # TS 36.211 table 4.2-1

_IDLE_LTE = LteUplink(
    blocks=50, cell_id=77, load="idle", gains_db=(0.0, 0.0), report_period_ms=5, acknowledge_share=0.0, control_resources=1
)
_IDLE_NR = NrUplink(
    blocks=52, spacing=15e3, cell_id=501, load="idle", gains_db=(0.0, 0.0), precoded=(True,), control_share=0.0, control_period=5
)


def dense(signal: OfdmSignal, port: int | None = None) -> torch.Tensor:
    """Elements of one port or of all, complex64 (S, K)."""
    out = torch.zeros(signal.symbol_count, signal.subcarriers.numel(), dtype=torch.complex64)
    for grid in signal.grids:
        if port is None or grid.port == port:
            out.index_add_(0, grid.symbols, grid.elements)
    return out


def samples(signal: OfdmSignal, rate: float = 7.68e6) -> torch.Tensor:
    numerology = Numerology(grid_rate=rate, spacing=signal.spacing)
    return modulate(dense(signal), signal.subcarriers, numerology, half_shift=signal.half_shift)


def make(cell, first=0, half_ms=40, seed=1) -> OfdmSignal:
    maker = lte_uplink_signals if isinstance(cell, LteUplink) else nr_uplink_signals
    (signal,) = maker(
        cell, first, half_ms, rng=np.random.default_rng(seed), generator=torch.Generator().manual_seed(seed)
    )
    return signal


def slow_gold(start: int, length: int) -> np.ndarray:
    """TS 36.211 clause 7.2 as written there."""
    x1, x2 = [1] + 30 * [0], [(start >> n) & 1 for n in range(31)]
    for n in range(1600 + length):
        x1.append((x1[n + 3] + x1[n]) % 2)
        x2.append((x2[n + 3] + x2[n + 2] + x2[n + 1] + x2[n]) % 2)
    return np.array([(a + b) % 2 for a, b in zip(x1, x2, strict=True)])[1600 : 1600 + length]


def spread_db(waves: np.ndarray) -> float:
    """Mean ratio of peak to average power of each row's waveform, four times oversampled."""
    wave = np.fft.ifft(waves, 4 * waves.shape[1], axis=1)
    power = np.abs(wave) ** 2
    return float(np.mean(10 * np.log10(power.max(1) / power.mean(1))))


# Sequences


@pytest.mark.parametrize(("standard", "lengths"), [("lte", (12, 24, 36, 72, 1200)), ("nr", (6, 12, 18, 24, 30, 36, 1620))])
def test_sequences_have_constant_amplitude_and_orthogonal_shifts(standard, lengths):
    for length in lengths:
        for group in (0, 13, 29):
            base = low_papr(standard, group, 0, length)
            assert np.abs(base) == pytest.approx(np.ones(length), abs=1e-6)
            shifted = low_papr(standard, group, 0, length, turns=5 / 6)
            assert abs(np.vdot(base, shifted)) < 1e-3 * length


def test_long_sequences_are_zadoff_chu_with_zero_autocorrelation():
    for length, prime in ((36, 31), (72, 71), (1200, 1193)):
        for number in (0, 1):
            base = base_sequence("lte", 17, number, length)
            assert base[prime:] == pytest.approx(base[: length - prime])  # extended cyclically
            correlation = np.fft.ifft(np.abs(np.fft.fft(base[:prime])) ** 2)
            assert abs(correlation[0]) == pytest.approx(prime, rel=1e-4)
            assert np.abs(correlation[1:]).max() < 1e-3 * prime
    assert not np.allclose(base_sequence("nr", 17, 0, 72), base_sequence("nr", 17, 1, 72))


def test_short_sequences_are_those_of_the_tables():
    row = np.array([-1, 1, 3, -3, 3, 3, 1, 1, 3, 1, -3, 3])  # TS 36.211 table 5.5.1.2-1, u = 0
    assert base_sequence("lte", 0, 0, 12) == pytest.approx(np.exp(0.25j * np.pi * row))
    row = np.array([1, 1, -3, 1, -1, -1])  # TS 38.211 table 5.2.2.2-1, u = 29
    assert base_sequence("nr", 29, 0, 6) == pytest.approx(np.exp(0.25j * np.pi * row))
    for standard, length, most_db in (("nr", 12, 2.9), ("nr", 18, 2.9), ("nr", 24, 2.9), ("lte", 12, 4.2), ("lte", 24, 4.4)):
        for group in range(30):  # a wrong phase anywhere in the tables shows
            assert spread_db(base_sequence(standard, group, 0, length)[None]) < most_db


def test_a_length_without_a_sequence_is_refused():
    with pytest.raises(SceneError, match="length=18: lte has no such base sequence; choose a positive multiple of 12"):
        base_sequence("lte", 0, 0, 18)
    with pytest.raises(SceneError, match="length=0: nr"):
        base_sequence("nr", 0, 0, 0)


def test_widths_for_precoding_have_no_factor_above_five():
    assert precodable(16).tolist() == [1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16]


def test_precoded_symbols_peak_less_than_plain_ones(generator):
    rows = np.arange(100)
    plain, precoded = (
        fill([Payload(port=0, rows=rows, columns=slice(0, 300), precoded=way)], generator)[0].values.numpy() for way in (False, True)
    )
    assert np.mean(np.abs(precoded) ** 2) == pytest.approx(1, rel=1e-4)
    assert spread_db(precoded) < spread_db(plain) - 1.5


# Schedules


@pytest.mark.parametrize("load", UPLINK_LOADS)
def test_grants_are_contiguous_and_share_no_block(load, rng):
    usable = np.tile([True, False, True, True], 100)
    precoded = [True, False, True, True]
    taken = np.zeros((usable.size, 50), int)
    for grant in draw_grants(usable, (2, 48), load, precoded, rng):
        taken[grant.intervals, grant.start : grant.start + grant.width] += 1
        assert not precoded[grant.user] or grant.width in precodable(50)
    assert taken.max() <= 1
    assert not taken[~usable].any()
    assert not taken[:, :2].any() and not taken[:, 48:].any()
    share = taken[usable, 2:48].mean()
    assert {"idle": share < 0.01, "light": share < 0.15, "full": share > 0.8}.get(load, 0.05 < share < 1.0)


@pytest.mark.parametrize(
    "draw", [lambda rng: draw_lte_uplink(25, rng), lambda rng: draw_nr_uplink(24, 30e3, rng), lambda rng: draw_nr_uplink(11, 60e3, rng)]
)
def test_random_cells_are_plain_records_and_share_no_element(draw):
    seen = set()
    for seed in range(25):
        cell = draw(np.random.default_rng(seed))
        assert json.loads(json.dumps(asdict(cell)))["cell_id"] == cell.cell_id
        seen.add(cell.load)
        if isinstance(cell, LteUplink):  # else users may share a control block by their codes
            cell = replace(cell, control_resources=6, srs_config=7)
            cell = replace(cell, gains_db=cell.gains_db[-6:])
        signal = make(cell, first=seed, half_ms=21, seed=seed)
        assert sum((dense(signal, grid.port) != 0).int() for grid in signal.grids).max() <= 1 if signal.grids else True
        assert signal.subcarriers.tolist() == list(range(-6 * cell.blocks, 6 * cell.blocks))
    assert len(seen) >= 4


def test_the_same_seed_gives_the_same_signal():
    for cell in (draw_lte_uplink(50, np.random.default_rng(3)), draw_nr_uplink(52, 15e3, np.random.default_rng(3))):
        cell = replace(cell, load="medium", tdd=None)
        first, again, other = (dense(make(cell, 7, 20, seed)) for seed in (5, 5, 6))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def test_every_user_has_its_own_power_and_port():
    gains = (0.0, -9.0, 12.0, 0.0)
    for idle in (_IDLE_LTE, replace(_IDLE_NR, precoded=(True, True, True), control=((1, 14, 1), (1, 14, 1)))):
        signal = make(replace(idle, load="full", gains_db=gains))
        assert [grid.port for grid in signal.grids] == [0, 1, 2]
        for grid in signal.grids:
            power = grid.elements.abs().square()
            assert 10 * np.log10(power[power > 0].mean().item()) == pytest.approx(gains[grid.port], abs=0.5)  # boosted references


def test_an_uplink_carries_no_synchronisation_signal():
    for cell, signals in (
        (replace(draw_lte_uplink(25, np.random.default_rng(2)), load="full", tdd=None), [lte_pss(k).numpy() for k in range(3)]),
        (replace(draw_nr_uplink(25, 15e3, np.random.default_rng(2)), load="full", tdd=None), [nr_pss(k).numpy() for k in range(3)]),
    ):
        grid = dense(make(cell)).numpy()
        for known in signals:
            windows = np.lib.stride_tricks.sliding_window_view(grid, known.size, axis=1)[:, ::3]
            match = np.abs(windows @ known.conj()) / (np.linalg.norm(windows, axis=-1) * known.size**0.5 + 1e-6)
            assert match.max() < 0.75  # 1 for the signal itself


# LTE


def test_lte_uplink_lies_half_a_subcarrier_high():
    cell = replace(_IDLE_LTE, load="full", blocks=25)
    signal = make(cell, half_ms=2)
    numerology = Numerology(grid_rate=7.68e6, spacing=15e3)
    size, prefix = numerology.fft_size, numerology.prefixes[0]
    body = samples(signal)[prefix : prefix + size].numpy()
    for shift_hz, error in ((7.5e3, _ROUNDING), (0.0, None)):
        lowered = body * np.exp(-2j * np.pi * shift_hz * np.arange(size) / 7.68e6)
        found = np.fft.fft(lowered, norm="ortho")[signal.subcarriers.numpy() % size]
        worst = np.abs(found - dense(signal)[0].numpy()).max()
        assert worst < error if error else worst > 0.3


@pytest.mark.parametrize("hopping", ["group", "sequence", "none"])
def test_lte_data_references_follow_the_standard(hopping):
    cell = replace(
        _IDLE_LTE, load="peak", group_shift=5, group_hopping=hopping == "group", sequence_hopping=hopping == "sequence"
    )
    for slot, row in enumerate(dense(make(cell, first=4))[3::7].numpy(), start=4):
        slot %= 20
        used = np.flatnonzero(row)
        if not used.size:
            continue
        fss = (77 % 30 + 5) % 30
        u = fss
        if hopping == "group":
            u = (fss + slow_gold(77 // 30, 160)[8 * slot : 8 * slot + 8] @ 2 ** np.arange(8)) % 30
        c = slow_gold(77 // 30 * 32 + fss, 1200)
        v = int(c[slot]) if hopping == "sequence" else 0
        shift = (c[56 * slot : 56 * slot + 8] @ 2 ** np.arange(8)) % 12  # user 0: n_DMRS = 0
        prime = next(n for n in range(used.size - 1, 1, -1) if all(n % d for d in range(2, n)))
        mean = prime * (u + 1) / 31
        q = int(mean + 0.5) + v * (-1) ** int(2 * mean)
        n = np.arange(used.size)
        m = n % prime
        expected = np.exp(2j * np.pi * shift / 12 * n - 1j * np.pi * (q * m * (m + 1) % (2 * prime)) / prime)
        assert used.size == used[-1] - used[0] + 1
        assert row[used] == pytest.approx(expected, abs=1e-4)


def test_lte_hopping_mirrors_the_band():
    for hopping, period in (("intra", 1), ("inter", 2)):
        used = dense(make(replace(_IDLE_LTE, load="medium", hopping=hopping), seed=3))[3::7] != 0  # by slot
        pairs = [(a, b) for a, b in zip(used, used[period:], strict=False) if a.any() and b.any()]
        assert not any((a == a.flip(0)).all() for a, _ in pairs)
        mirrored = [bool((a == b.flip(0)).all()) for a, b in pairs[:: 2 * period]]
        assert len(mirrored) > 3
        assert np.mean(mirrored) > 0.6  # the rest are two grants


def test_lte_control_changes_edge_with_the_slot():
    grid = dense(make(_IDLE_LTE, half_ms=20))
    grid[:, 12:-12] = 0  # leaves PUCCH
    used = (grid != 0).reshape(10, 2, 7, 600)
    assert used[0].any() and used[5].any()
    assert used[:, 0, :, :12].sum() == used[:, 1, :, -12:].sum() == 2 * 7 * 12
    assert not used[:, 0, :, 12:].any() and not used[:, 1, :, :-12].any()
    reference = grid.reshape(10, 2, 7, 600)[0, 0, [1, 5], :12].numpy()  # of format 2
    c = slow_gold(77, 7 * 8)
    for symbol, row in zip((1, 5), reference, strict=True):
        shift = c[8 * symbol : 8 * symbol + 8] @ 2 ** np.arange(8) % 12
        assert row == pytest.approx(low_papr("lte", 77 % 30, 0, 12, turns=shift / 12), abs=1e-5)


def test_lte_acknowledgements_keep_clear_of_sounding():
    cell = replace(_IDLE_LTE, report_period_ms=40, acknowledge_share=1.0, srs_period_ms=2, srs_config=2)
    used = dense(make(cell, first=2, half_ms=20)) != 0
    control = used[:, :12].any(1) | used[:, -12:].any(1)
    for subframe in range(1, 10):  # the first one after 1
        rows = control[14 * (subframe - 1) : 14 * subframe]
        assert rows[:13].all()
        assert bool(rows[13]) == (subframe % 2 == 1)


def test_lte_sounding_is_every_second_element_of_the_last_symbol():
    cell = replace(_IDLE_LTE, load="full", srs_period_ms=2, srs_config=2, gains_db=(0.0, 0.0, 0.0))  # 40 of 50 blocks
    signal = make(cell, half_ms=20)
    last = dense(signal)[13::14]
    due = last[::2]
    assert not (due[:, : 12 * 5] != 0).any() and not (due[:, 12 * 45 :] != 0).any()
    sounded = [row[60:540] for row in due if (row != 0).any()]
    assert len(sounded) == 5
    for row in sounded:  # the combs of two users
        assert row.abs().numpy() == pytest.approx(np.ones(480), abs=1e-5)
    own = dense(signal, 0)[13::14][0]
    assert not (own[61:540:2] != 0).any()
    assert own[60:540:2].numpy() == pytest.approx(low_papr("lte", 77 % 30, 0, 240), abs=1e-5)
    assert (last[1::2] != 0).sum() > 4 * 500  # data in between


def test_lte_sounding_walks_over_the_band():
    cell = replace(_IDLE_LTE, srs_period_ms=2, srs_config=0, srs_level=2, srs_hopping=True, report_period_ms=40)
    last = dense(make(cell, first=16, half_ms=16))[13::14] != 0  # 48 blocks are 2 x 24 and 4 x 12
    starts = [int(row.nonzero()[0]) // 144 for row in last if row.any()]
    assert starts == [0, 2, 1, 3]  # from frame 0, 8 ms on


@pytest.mark.parametrize("tdd", range(7))
def test_lte_tdd_sends_in_its_own_subframes_only(tdd):
    for special in (0, 5, 10):
        cell = LteUplink(
            blocks=25, cell_id=1, load="full", gains_db=(0.0, 3.0, 0.0), tdd=tdd, special=special,
            srs_period_ms=1, srs_config=3, prach_period_ms=5, prach_share=1.0, acknowledge_share=1.0,
        )  # fmt: skip
        first = 2 * special + 1  # not at a subframe's start
        used = (dense(make(cell, first=first)) != 0).any(1)
        symbol = np.arange(7 * first, 7 * (first + 40))
        kind = np.array(list(TDD_CONFIGURATIONS[tdd]))[symbol // 14 % 10]
        pilot = (kind == "S") & (symbol % 14 >= 14 - _UPPTS[special])
        assert not used[(kind != "U") & ~pilot].any()
        assert used[kind == "U"].float().mean() > 0.8
        assert used[pilot].any()


@pytest.mark.parametrize(("blocks", "tdd"), [(6, None), (25, None), (50, 1)])
def test_a_receiver_finds_the_lte_preamble(blocks, tdd):
    cell = replace(_IDLE_LTE, blocks=blocks, tdd=tdd, prach_period_ms=10, prach_share=1.0, prach_root=129)
    signal = make(cell, half_ms=20)
    port = cell.users
    alone = replace_grids(signal, port)
    subframe = 1 if tdd is None else 2
    wave = samples(alone, 15.36e6).numpy()[subframe * 15360 :]
    size = 12288  # 0.8 ms at 15.36 MS/s
    body = wave[198 * 8 :][:size]
    lowest = 12 * cell.access_start - 6 * blocks  # re the centre
    bins = 12 * lowest + 6 + 7 + np.arange(839)  # half a subcarrier is six of 1.25 kHz
    found = np.fft.fft(body)[bins % size]
    reference = np.fft.fft(zadoff_chu(129, 839))
    profile = np.abs(np.fft.ifft(found * reference.conj())) ** 2
    assert profile.max() / profile.sum() > 0.8  # a delta but for the symbols' prefixes
    assert -int(profile.argmax()) % 839 % 13 == 0  # at the cyclic shift, of which 64 are used
    assert wave[: 198 * 8 + size].std() > 0 and not np.abs(wave[15000:15360]).max() > 0.2  # and then it ends


def test_lte_control_waits_while_a_preamble_covers_the_band():
    cell = replace(_IDLE_LTE, blocks=6, acknowledge_share=1.0, prach_period_ms=5, prach_share=1.0)
    signal = make(cell, half_ms=20)
    control, preamble = ((dense(signal, port) != 0).any(1).unflatten(0, (10, 14)).any(1) for port in (0, 1))
    assert preamble.tolist() == [subframe in (1, 6) for subframe in range(10)]
    assert torch.equal(control, ~preamble)


def replace_grids(signal: OfdmSignal, port: int) -> OfdmSignal:
    return replace(signal, grids=tuple(grid for grid in signal.grids if grid.port == port))


# NR


def test_nr_references_of_plain_data_are_gold_sequences():
    cell = replace(_IDLE_NR, load="peak", precoded=(False,), first_reference=2, added_references=1)
    grid = dense(make(cell, first=2))
    for slot in range(1, 21):
        rows = grid[14 * (slot - 1) : 14 * slot].numpy()
        for symbol in (2, 11):
            used = np.flatnonzero(rows[symbol])
            if used.size:
                number = slot % 10
                start = (2**17 * (14 * number + symbol + 1) * (2 * 501 + 1) + 2 * 501) % 2**31
                bits = 1 - 2.0 * slow_gold(start, 12 * 52)
                sequence = bits[0::2] + 1j * bits[1::2]  # boosted by 3 dB
                assert (used % 2 == 0).all()
                assert rows[symbol, used] == pytest.approx(sequence[used // 2], abs=1e-4)
    assert (grid != 0).any(1).float().mean() > 0.3


@pytest.mark.parametrize("hopping", ["group", "sequence", "none"])
def test_nr_references_of_precoded_data_are_low_papr(hopping):
    cell = replace(
        _IDLE_NR, load="full", spacing=30e3, blocks=51, added_references=0, first_reference=3,
        group_hopping=hopping == "group", sequence_hopping=hopping == "sequence",
    )  # fmt: skip
    rows = dense(make(cell))[3::14].numpy()
    groups, numbers = slow_gold(501 // 30, 8 * 14 * 20), slow_gold(501, 14 * 20)
    for slot, row in enumerate(rows):
        used = np.flatnonzero(row[12:-12])
        slot %= 20
        u, v = 501 % 30, 0
        if hopping == "group":
            start = 8 * (14 * slot + 3)
            u = (u + groups[start : start + 8] @ 2 ** np.arange(8)) % 30
        if hopping == "sequence":
            v = numbers[14 * slot + 3]
        assert used[1] - used[0] == 2
        assert row[12:-12][used] == pytest.approx(2**0.5 * low_papr("nr", u, v, used.size), abs=1e-4)


def test_nr_reference_symbols_are_those_of_the_table():
    for first, added, expected in ((3, 0, (3,)), (3, 1, (3, 11)), (2, 2, (2, 7, 11)), (2, 3, (2, 5, 8, 11))):
        cell = replace(_IDLE_NR, load="full", first_reference=first, added_references=added)
        counts = (dense(make(cell))[:14, 12:-12] != 0).sum(1)
        assert tuple((counts * 2 == counts.max()).nonzero().flatten().tolist()) == expected


@pytest.mark.parametrize(("form", "length", "width"), [(0, 2, 1), (1, 14, 1), (1, 5, 1), (2, 1, 1), (2, 2, 3), (3, 4, 2), (3, 14, 1)])
def test_nr_control_hops_between_the_edges(form, length, width):
    cell = replace(_IDLE_NR, control=((form, length, width),))
    grid = dense(make(cell, half_ms=2))
    steps = list(range(14 - length, 14) if form in (0, 2) else range(length))
    expected = torch.zeros(14, 52, dtype=torch.bool)  # blocks
    cut = length // 2 or 1  # a single symbol does not hop
    expected[steps[:cut], :width] = True
    expected[steps[cut:], -width:] = True
    assert torch.equal(grid.unflatten(1, (52, 12)).abs().mean(-1) > 0.5, expected)
    still = dense(make(replace(cell, control_hopping=False), half_ms=2))
    expected[:] = False
    expected[steps, :width] = True
    assert torch.equal(still.unflatten(1, (52, 12)).abs().mean(-1) > 0.5, expected)


def test_nr_control_carries_its_own_references():
    c = slow_gold(501, 8 * 14)
    rows = dense(make(replace(_IDLE_NR, control=((1, 14, 1),)), half_ms=2))[:, :12].numpy()
    for symbol in (0, 2, 4, 6):
        shift = c[8 * symbol : 8 * symbol + 8] @ 2 ** np.arange(8) % 12
        assert rows[symbol] == pytest.approx(low_papr("nr", 501 % 30, 0, 12, turns=shift / 12), abs=1e-5)
    row = dense(make(replace(_IDLE_NR, control=((2, 1, 2),), control_hopping=False), half_ms=2))[13, :24].numpy()
    bits = 1 - 2.0 * slow_gold((2**17 * 14 * 1003 + 1002) % 2**31, 16)
    assert row[1::3] == pytest.approx((bits[0::2] + 1j * bits[1::2]) / 2**0.5, abs=1e-5)


@pytest.mark.parametrize("comb", [2, 4])
def test_nr_sounding_is_a_comb_at_the_slots_end(comb):
    cell = replace(
        _IDLE_NR, load="full", gains_db=(0.0, 0.0, 0.0), precoded=(True, True), srs_period=5, srs_symbols=2, srs_offset=3,
        srs_comb=comb, srs_config=13, control=((0, 1, 1),),
    )  # fmt: skip
    signal = make(cell)
    own = dense(signal, 0)[:14]
    sounded = own[10:12, 24:-24]  # 48 of 52 blocks
    assert (sounded[:, ::comb].abs() - 1).abs().max() < 1e-5
    assert not any((sounded[:, k::comb] != 0).any() for k in range(1, comb))
    assert sounded[0, ::comb].numpy() == pytest.approx(low_papr("nr", 501 % 30, 0, 576 // comb), abs=1e-4)
    assert not (dense(signal)[12:14, 24:-24] != 0).any()  # data ends before
    assert (dense(signal)[26:28, 24:-24] != 0).any()  # and does not elsewhere
    other = dense(signal, 1)[:14]
    assert (other[10, 25:-24:comb] != 0).all()
    halves = dense(make(replace(cell, load="idle", srs_hopping=True)), 0)[10:12, 24:-24] != 0
    assert halves.sum() == 576 // comb
    assert (halves[0] & halves[1].roll(288)).sum() == 288 // comb  # each half once


def test_nr_control_comes_before_its_users_sounding():
    cell = replace(_IDLE_NR, srs_period=5, srs_config=13, control_share=1.0, control=((0, 1, 1),), srs_offset=1)
    for offset, sounds in ((1, True), (0, False)):  # format 0 lies on the last symbol
        grid = dense(make(replace(cell, srs_offset=offset), half_ms=4))
        assert bool((grid[:, 24:-24] != 0).any()) == sounds
        assert (grid[13::14, :12] != 0).all()


@pytest.mark.parametrize(("form", "symbols", "spacing"), [("A1", 2, 15e3), ("A2", 4, 15e3), ("A3", 6, 30e3)])
def test_a_receiver_finds_the_nr_preamble(form, symbols, spacing):
    cell = replace(
        _IDLE_NR, blocks=25 if spacing == 15e3 else 24, spacing=spacing, prach_period=10, prach_share=1.0, prach_format=form,
        prach_root=7, control_period=40,
    )  # fmt: skip
    signal = replace_grids(make(cell, half_ms=4), cell.users)
    numerology = Numerology(grid_rate=15.36e6, spacing=spacing)
    size = numerology.fft_size
    first = int(signal.grids[0].symbols[0])
    assert signal.grids[0].symbols.tolist() == list(range(first, first + symbols))
    begin = round(float(numerology.symbol_starts(first + 1)[first]) * 15.36e6)
    extra = numerology.prefixes[0] - numerology.prefixes[1] if first % numerology.symbols == 0 else 0
    wave = samples(signal, 15.36e6).numpy()[begin + extra :]
    prefix = symbols * 144 * size // 2048  # TS 38.211 table 6.3.3.1-2
    whole = wave[: prefix + symbols * size]
    assert whole[:-size] == pytest.approx(whole[size:], abs=1e-4)  # one sequence again and again, prefix included
    found = np.fft.fft(wave[prefix : prefix + size])[(12 * cell.edge - 6 * cell.blocks + 2 + np.arange(139)) % size]
    profile = np.abs(np.fft.ifft(found * np.fft.fft(zadoff_chu(7, 139)).conj())) ** 2
    assert profile.max() / profile.sum() > 0.999


@pytest.mark.parametrize(
    ("spacing", "pattern", "special"), [(15e3, "DDDSU", 4), (30e3, "DDDSU", 2), (30e3, "DDDSUUDDDD", 0), (60e3, "DDSUU", 4)]
)
def test_nr_tdd_fills_its_own_symbols_only(spacing, pattern, special):
    cell = NrUplink(
        blocks=25 if spacing == 15e3 else 24, spacing=spacing, cell_id=3, load="full", gains_db=(0.0, -4.0, 0.0), precoded=(True, False), tdd=pattern,
        special_uplink=special, control=((2, 2, 1),), control_share=1.0, srs_period=5, srs_symbols=1, srs_offset=1, srs_config=2,
        prach_period=10, prach_share=1.0,
    )  # fmt: skip
    used = (dense(make(cell, first=3)) != 0).any(1)
    symbol = torch.arange(used.numel()) + 3 * 7 * round(spacing / 15e3)
    share = torch.tensor([{"D": 0, "S": special, "U": 14}[kind] for kind in pattern])
    allowed = symbol % 14 >= 14 - share[symbol // 14 % len(pattern)]
    assert not used[~allowed].any()
    assert used[allowed].float().mean() > 0.8
    if special:
        assert used[allowed & (share[symbol // 14 % len(pattern)] == special)].any()


def test_nr_data_in_a_special_slot_starts_with_its_reference():
    cell = replace(_IDLE_NR, load="full", spacing=30e3, blocks=51, tdd="DSU", special_uplink=10)
    slots = (dense(make(cell))[:, 12:-12] != 0).sum(1).unflatten(0, (-1, 14))
    special = slots[1::3][slots[1::3].any(1)][0]
    assert special.nonzero().flatten().tolist() == list(range(4, 14))
    assert (special * 2 == special.max()).nonzero().flatten().tolist() == [4, 12]  # mapping type B


# Refusals


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"blocks": 24}, "LTE uplink blocks=24 does not exist"),
        ({"load": "busy"}, "LTE uplink load='busy' does not exist; choose from .'idle'"),
        ({"hopping": "both"}, "LTE uplink hopping='both'"),
        ({"tdd": 7}, "LTE uplink tdd=7"),
        ({"special": 11}, "LTE uplink special=11"),
        ({"srs_period_ms": 5, "srs_config": 0, "control_resources": 4}, "srs_config=0 is 48 blocks wide and meets the PUCCH of 50"),
    ],
)
def test_an_lte_uplink_that_cannot_be_is_refused(change, text):
    with pytest.raises(SceneError, match=text):
        replace(_IDLE_LTE, **change)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"spacing": 120e3}, "spacing=120000.0 Hz is no NR spacing below 6 GHz"),
        ({"blocks": 53}, "blocks=53 is no NR channel of 15000 Hz spacing; choose one of .25, 52"),
        ({"load": "busy"}, "load='busy' is not known; choose one of idle"),
        ({"tdd": "DDX"}, "tdd='DDX', special_uplink=2: expected letters D, S, U"),
        ({"first_reference": 3, "added_references": 3}, "added_references=3 goes with first_reference=2 only"),
        ({"control": ((2, 1, 26),)}, "leaves no block of 52; make it narrower"),
    ],
)
def test_an_nr_uplink_that_cannot_be_is_refused(change, text):
    with pytest.raises(SceneError, match=text):
        replace(_IDLE_NR, **change)
