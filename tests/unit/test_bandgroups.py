"""Bands that belong together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rfseg.bands.groups import BandGroup, BandGroups
from rfseg.bands import Band
from rfseg.cli.table import _cells
from rfseg.contract import ClassKind, SignalClass

CLASSES = (
    SignalClass(label="Noise", kind=ClassKind.BACKGROUND),
    SignalClass(label="LTE", kind=ClassKind.CARRIER),
    SignalClass(label="NR", kind=ClassKind.CARRIER),
    SignalClass(label="Radar", kind=ClassKind.PULSED),
)


def _band(low: float, high: float, *, start: int = 0, count: int = 100, label: str = "LTE", **more: float) -> Band:
    return Band(
        label=label,
        class_id=[c.label for c in CLASSES].index(label),
        confidence=more.pop("confidence", 0.9),
        freq_lower_edge=low,
        freq_upper_edge=high,
        freq_reference="rf",
        sample_start=start,
        sample_count=count,
        **more,
    )


def _groups(*frames: list[Band], max_gap: int | None = None) -> list[BandGroup]:
    groups = BandGroups(CLASSES, max_gap=max_gap)
    for index, bands in enumerate(frames):
        groups.add(bands, frame_index=index)
    return groups.groups()


def test_a_carrier_through_all_frames_is_one_group() -> None:
    (group,) = _groups([_band(1.0, 3.0)], [_band(1.2, 3.2, start=100)], [_band(1.1, 3.1, start=300)])
    assert (group.sample_start, group.sample_stop, group.frames, group.bands) == (0, 400, 3, 3)
    assert group.freq_lower_edge == pytest.approx(1.1)


@pytest.mark.parametrize("other", [_band(5.0, 6.0), _band(1.0, 3.0, label="NR"), _band(1.0, 10.0)])
def test_another_place_label_or_width_is_another_group(other: Band) -> None:
    assert len(_groups([_band(1.0, 3.0)], [other])) == 2


def test_doubtful_bands_are_a_group_of_their_own_that_names_the_guess() -> None:
    doubtful = replace(_band(1.0, 3.0), label="Unknown", guess="LTE", confidence=0.6)
    sure, doubt = sorted(_groups([_band(1.0, 3.0)], [doubtful], [doubtful]), key=lambda g: g.bands)
    assert (sure.label, sure.guess, doubt.label, doubt.guess) == ("LTE", None, "Unknown", "LTE")
    assert _cells(doubt, 1e6)[0] == "Unknown (LTE?)" and _cells(sure, 1e6)[0] == "LTE"


def test_bands_of_one_frame_count_as_one_frame() -> None:
    (group,) = _groups([_band(1.0, 2.0), _band(1.0, 2.0, start=200)])
    assert (group.frames, group.bands) == (1, 2)


def test_means_are_weighted_with_area_and_powers_are_averaged_in_watts() -> None:
    (group,) = _groups(
        [_band(1.0, 2.0, count=300, confidence=1.0, power_dbfs=0.0)],
        [_band(1.0, 2.0, start=300, count=100, confidence=0.6, power_dbfs=-200.0)],
    )
    assert group.confidence == pytest.approx(0.9)
    assert group.power_dbfs == pytest.approx(-1.249, abs=1e-3)  # 10 log10(3/4)
    assert group.snr_db is None


def test_a_pause_longer_than_the_gap_begins_a_new_group() -> None:
    bands = [_band(1.0, 2.0), _band(1.0, 2.0, start=150), _band(1.0, 2.0, start=301)]
    assert [g.sample_start for g in _groups(bands, max_gap=50)] == [0, 301]


def test_nothing_joins_a_closed_group() -> None:
    groups = BandGroups(CLASSES)
    groups.add([_band(1.0, 2.0)], frame_index=0)
    groups.close()
    groups.add([_band(1.0, 2.0, start=100)], frame_index=1)
    assert len(groups.groups()) == 2


def test_the_nearest_group_takes_the_band() -> None:
    first, second = _groups([_band(0.0, 7.0), _band(4.0, 10.0)], [_band(2.0, 9.0, start=100)])
    assert (first.bands, second.bands) == (1, 2)


def test_the_splinters_of_a_pulse_are_one_group() -> None:
    splinters = [_band(*edges, label="Radar") for edges in [(10.0, 14.0), (9.0, 9.5), (14.5, 15.5)]]
    (group,) = _groups(splinters)
    assert group.freq_lower_edge == pytest.approx(10.73, abs=0.01)  # the widest counts most


def test_two_radars_are_two_groups() -> None:
    assert len(_groups([_band(10.0, 12.0, label="Radar"), _band(13.0, 15.0, label="Radar")])) == 2
