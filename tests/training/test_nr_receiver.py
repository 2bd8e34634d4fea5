"""Receivers that nobody here wrote decode the broadcast channel of every NR carrier."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rfseg.synth.nr import CHANNELS_MHZ, NrCell
from rfseg.synth.nr_timing import SSB_CASES, ssb_first_symbols

_receiver = runpy.run_path(str(Path(__file__).with_name("nr_receiver.py")))
search, samples_around_blocks = _receiver["search"], _receiver["samples_around_blocks"]

# Case, candidates and carrier: all cases with 4 and 8 candidates; every channel that has room
CASES = [("A", 4), ("A", 8), ("B", 4), ("B", 8), ("C", 4), ("C", 8)]
OWN_CASES = {15e3: CASES[:2], 30e3: CASES[2:], 60e3: CASES[2:]}


def _carriers():
    for spacing, channels in CHANNELS_MHZ.items():
        for place, (mhz, blocks) in enumerate(channels.items()):
            own = OWN_CASES[spacing] if 12 * blocks * spacing >= 240 * 30e3 or spacing == 15e3 else CASES[:2]
            case, count = own[place % len(own)]
            yield pytest.param(spacing, blocks, case, count, id=f"{spacing / 1e3:g}kHz-{mhz}MHz-{case}{count}")


def _cell(spacing, blocks, case, count, **changes) -> NrCell:
    room = round(12 * blocks * spacing / SSB_CASES[case][0]) - 240
    facts = dict(
        blocks=blocks, spacing=spacing, cell_id=(1007, 0, 334)[blocks % 3], load="full", coreset=(0, 6, 1),
        ssb_subcarrier=room * 2 // 3, ssb_case=case, ssb_count=count, ssb_blocks=(1, count - 1), ssb_gains_db=(-3.0, 2.0),
        ssb_period_ms=10, ssb_offset_ms=5, pss_boost_db=3.0, dmrs_position=3,
    )  # fmt: skip
    return NrCell(**{**facts, **changes})


@pytest.mark.parametrize(("spacing", "blocks", "case", "count"), list(_carriers()))
def test_the_broadcast_channel_of_a_busy_carrier_decodes(spacing, blocks, case, count):
    cell = _cell(spacing, blocks, case, count)
    frame = 5 * blocks % 1024
    found = search(samples_around_blocks(cell, 20 * frame + 10, 10, seed=frame), count)
    assert found is not None
    assert (found.cell_id, found.frame, found.half) == (cell.cell_id, frame, 1)
    assert found.index - (4 if count == 4 else 0) in cell.ssb_blocks  # with 4 candidates the references tell the half, too
    assert found.payload[7] == int(SSB_CASES[case][0] == 30e3)  # subCarrierSpacingCommon
    assert found.payload[12] == 1  # dmrs-TypeA-Position: symbol 3


@pytest.mark.parametrize("spacing", [15e3, 30e3, 60e3])
def test_the_frame_number_advances_and_turns_over_after_1024(spacing):
    case = "A" if spacing == 15e3 else "C"
    cell = _cell(spacing, {15e3: 52, 30e3: 51, 60e3: 51}[spacing], case, 8, load="light")
    frames = [0, 1, 2, 3, 7, 8, 15, 16, 1023, 1024]
    assert [search(samples_around_blocks(cell, 20 * n + 10, 10, seed=n), 8).frame for n in frames] == [n % 1024 for n in frames]


@pytest.mark.parametrize(("case", "count"), CASES)
def test_every_candidate_block_decodes_as_itself_at_its_time(case, count):
    spacing = SSB_CASES[case][0]
    blocks = {15e3: 25, 30e3: 24}[spacing]
    for index in range(count):
        cell = _cell(spacing, blocks, case, count, ssb_blocks=(index,), ssb_gains_db=(0.0,), ssb_offset_ms=0, load="idle")
        first = ssb_first_symbols(case, count)[index] // 7 // round(spacing / 15e3)  # half millisecond of the block
        samples = samples_around_blocks(cell, 20 * 515 + first, 2, seed=index)
        found = search(samples, count)
        assert (found.cell_id, found.frame, found.half, found.index) == (cell.cell_id, 515, 0, index)


def test_the_master_information_block_tells_where_system_information_is():
    cell = _cell(30e3, 51, "C", 8, ssb_subcarrier=12 * 14 + 5, coreset0=11, search_space0=2, sib1_blocks=(0, 6))
    payload = search(samples_around_blocks(cell, 10, 10, seed=1), 8).payload
    bits = "".join(str(int(bit)) for bit in payload)
    assert int(bits[8:12], 2) == 10  # k_SSB: 5 subcarriers of 30 kHz are 10 of 15 kHz
    assert int(bits[13:17], 2) == 11
    assert int(bits[17:21], 2) == 2


def test_noise_and_carriers_without_blocks_do_not_decode(rng):
    noise = rng.normal(size=(2, 76800))
    assert search(noise[0] + 1j * noise[1], 8) is None
    cell = _cell(30e3, 51, "C", 8)
    silent = replace(cell, ssb_period_ms=20, ssb_offset_ms=15)  # its blocks come in the other half frames
    assert search(samples_around_blocks(silent, 20, 10, seed=1), 8) is None


def test_a_mirrored_block_does_not_decode():
    cell = _cell(15e3, 25, "A", 8, load="idle")
    samples = samples_around_blocks(cell, 10, 10, seed=1)
    assert search(samples, 8) is not None
    assert search(np.conj(samples), 8) is None
