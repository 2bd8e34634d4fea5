"""Bands of successive frames that belong together: one line of a table, one box of a picture.

A group is a summary, not a track: it says where a label was seen and what it measured on the mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Sequence

from ..contract import ClassKind, SignalClass
from .band import Band

__all__ = ["BandGroup", "BandGroups"]

_LEVELS = ("power_dbfs", "power_dbm", "snr_db")
_MIN_OVERLAP = 0.5  # of two carriers in one group: their common width over the width that both cover


@dataclass(kw_only=True)
class BandGroup:
    """Bands of one label at one place in the spectrum; means are weighted with length times bandwidth.

    Parameters
    ----------
    label, class_id, freq_reference, guess
        As of every band in the group.
    sample_start, sample_stop : int
        First sample of the first band, and the one after the last of the last.
    frames, bands : int
        Frames that show the group, and bands in it.
    """

    label: str
    class_id: int
    freq_reference: str
    sample_start: int
    sample_stop: int
    guess: str | None = None
    frames: int = 0
    bands: int = 0
    _newest_frame: int | None = None
    _sums: dict[str, list[float]] = field(default_factory=dict, repr=False)  # name: sum of weight * value, of weight

    @property
    def freq_lower_edge(self) -> float:
        """Mean lower edge, Hz."""
        return self._mean("freq_lower_edge")

    @property
    def freq_upper_edge(self) -> float:
        """Mean upper edge, Hz."""
        return self._mean("freq_upper_edge")

    @property
    def confidence(self) -> float:
        """Mean confidence, 0 to 1."""
        return self._mean("confidence")

    @property
    def power_dbfs(self) -> float | None:
        """Mean power, dBFS (the mean is of watts), where it was measured."""
        return _to_db(self._mean("power_dbfs")) if "power_dbfs" in self._sums else None

    @property
    def power_dbm(self) -> float | None:
        """Mean power, dBm (the mean is of watts), where the receiver is calibrated."""
        return _to_db(self._mean("power_dbm")) if "power_dbm" in self._sums else None

    @property
    def snr_db(self) -> float | None:
        """Mean signal-to-noise ratio, dB (the mean is of ratios), where it was measured."""
        return _to_db(self._mean("snr_db")) if "snr_db" in self._sums else None

    def overlap(self, band: Band) -> float:
        """Common width of group and band over the width that both cover, 0 to 1."""
        low, high = self.freq_lower_edge, self.freq_upper_edge
        common = min(high, band.freq_upper_edge) - max(low, band.freq_lower_edge)
        return max(0.0, common) / (max(high, band.freq_upper_edge) - min(low, band.freq_lower_edge))

    def nearness(self, band: Band) -> float:
        """1 less the distance of the centres over the wider bandwidth; the splinters of a pulse have 0 to 1."""
        low, high = self.freq_lower_edge, self.freq_upper_edge
        distance = abs(band.freq_lower_edge + band.freq_upper_edge - low - high) / 2
        return 1.0 - distance / max(high - low, band.bandwidth)

    def add(self, band: Band, *, frame_index: int) -> None:
        """Count a band in."""
        self.sample_stop = max(self.sample_stop, band.sample_start + band.sample_count)
        self.bands += 1
        self.frames += frame_index != self._newest_frame
        self._newest_frame = frame_index
        weight = band.sample_count * band.bandwidth
        for name in ("freq_lower_edge", "freq_upper_edge", "confidence", *_LEVELS):
            value = getattr(band, name)
            if value is not None:
                sums = self._sums.setdefault(name, [0.0, 0.0])
                sums[0] += weight * (10.0 ** (value / 10.0) if name in _LEVELS else value)
                sums[1] += weight

    def _mean(self, name: str) -> float:
        total, weight = self._sums[name]
        return total / weight


class BandGroups:
    """Sorts bands into groups as they come.

    Carriers must overlap by half; of pulses, which a mask shows in splinters, the centres must be near.

    Parameters
    ----------
    classes : sequence of SignalClass
        Of the model that the bands are from.
    max_gap : int or None
        Samples after which a silent group is closed and a new one begins; None for never.
    """

    def __init__(self, classes: Sequence[SignalClass], *, max_gap: int | None = None) -> None:
        self._pulsed = {index for index, c in enumerate(classes) if c.kind is ClassKind.PULSED}
        self._max_gap = max_gap
        self._groups: list[BandGroup] = []
        self._open: list[BandGroup] = []

    def add(self, bands: list[Band], *, frame_index: int) -> None:
        """Sort the bands of a frame in."""
        for band in bands:
            if self._max_gap is not None:
                self._open = [g for g in self._open if g.sample_stop + self._max_gap >= band.sample_start]
            self._group_of(band).add(band, frame_index=frame_index)

    def close(self) -> None:
        """End all groups: what follows, such as after a retune, belongs to new ones."""
        self._open = []

    def forget(self, sample: int) -> None:
        """Drop the groups that ended before a sample."""
        self._groups = [g for g in self._groups if g.sample_stop > sample]
        self._open = [g for g in self._open if g.sample_stop > sample]

    def groups(self) -> list[BandGroup]:
        """All groups, in the order of their first samples, then of their lower edges."""
        return sorted(self._groups, key=lambda g: (g.sample_start, g.freq_lower_edge))

    def _group_of(self, band: Band) -> BandGroup:
        same = [g for g in self._open if _kin(g) == _kin(band)]
        is_pulsed = band.class_id in self._pulsed
        rate, least = (BandGroup.nearness, 0.0) if is_pulsed else (BandGroup.overlap, _MIN_OVERLAP)
        best = max(same, key=lambda group: rate(group, band), default=None)
        if best is None or rate(best, band) < least:
            best = BandGroup(
                label=band.label,
                class_id=band.class_id,
                freq_reference=band.freq_reference,
                guess=band.guess,
                sample_start=band.sample_start,
                sample_stop=band.sample_start,
            )
            self._groups.append(best)
            self._open.append(best)
        return best


def _kin(item: Band | BandGroup) -> tuple[str, int, str]:
    """What bands of one group have in common."""
    return item.label, item.class_id, item.freq_reference


def _to_db(ratio: float) -> float:
    return 10.0 * math.log10(ratio)
