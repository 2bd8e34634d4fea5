"""Which bands and pulses of a scene's record a detector is held to, and which do not count either way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np

from ..bands import BandRules
from ..contract import ClassKind, SignalClass
from ..datasets.classes import IGNORED
from ..geometry import Geometry

__all__ = ["TrueBand", "TruePulse", "band_pixels", "read_bands", "read_pulses"]

_HIDDEN_SHARE = 0.5  # of a band's box; where more is unknown or another carrier's, the band does not count
_SHOWN_SHARE = 0.5  # of the rows on which a carrier is seen; at an edge that is shown it is seen on as many
_CHANNEL_MHZ = re.compile(r"([\d.]+) MHz")
_NTIA = re.compile(r"ntia-(\d+)")


@dataclass(frozen=True, kw_only=True)
class TrueBand:
    """A carrier of the record.

    Parameters
    ----------
    class_id : int
    low, high : float
        Occupied edges in bins, see :meth:`rfseg.geometry.Geometry.freq_edge`, cut at the ends of the band.
    row_start, row_stop : int
        From the first to the last row on which the mask shows it; all rows if it shows none.
    snr_db : float
        In its band.
    channel : str
        Its channel bandwidth as the record states it, such as ``20 MHz``; ``?`` if it states none.
    is_judged : bool
        Whether missing it is an error.
    shows_low, shows_high : bool
        Whether the mask shows it next to the edge, so that the edge can be measured.
    """

    class_id: int
    low: float
    high: float
    row_start: int
    row_stop: int
    snr_db: float
    channel: str = "?"
    is_judged: bool = True
    shows_low: bool = True
    shows_high: bool = True


@dataclass(frozen=True, kw_only=True)
class TruePulse:
    """A pulse of the record; half-open ranges of rows and bins that its energy can reach."""

    class_id: int
    row_start: int
    row_stop: int
    bin_start: int
    bin_stop: int
    snr_db: float
    family: str
    is_judged: bool = True

    @property
    def ntia_bin(self) -> str:
        """``1`` to ``5`` for NTIA's waveforms, ``other`` for the rest."""
        found = _NTIA.fullmatch(self.family)
        return found[1] if found else "other"


def band_pixels(band: TrueBand, bins: int) -> slice:
    """The bins whose centres lie between the edges."""
    return slice(max(0, round(band.low)), min(bins, round(band.high)))


def read_bands(
    metadata: Mapping[str, Any], truth: np.ndarray, geometry: Geometry, classes: Sequence[SignalClass]
) -> list[TrueBand]:
    """The carriers of an item's record.

    A carrier counts if at least half of its box (its edges; the rows from the first to the last on which the mask shows it)
    is neither unknown nor another carrier's, and no band rule forbids to report it.

    Parameters
    ----------
    metadata : mapping
        Of an item, with ``emitters``.
    truth : uint8 ``(T, F)``
        Class ids in the order of ``classes``.
    """
    ids = {c.label: i for i, c in enumerate(classes) if c.kind is ClassKind.CARRIER}
    emitters = [e for e in metadata.get("emitters", ()) if e["label"] in ids]
    return [_read_band(emitter, ids, truth, geometry) for emitter in emitters]


def _read_band(emitter: Mapping[str, Any], ids: Mapping[str, int], truth: np.ndarray, geometry: Geometry) -> TrueBand:
    class_id = ids[emitter["label"]]
    low, high = (
        float(np.clip(geometry.freq_edge(emitter[f"freq_{side}_edge"]), 0.0, geometry.bins)) for side in ("lower", "upper")
    )
    channel = _CHANNEL_MHZ.match(emitter.get("comment", ""))
    facts = {
        "class_id": class_id,
        "low": low,
        "high": high,
        "snr_db": float(emitter["snr_db"]),
        "channel": f"{channel[1]} MHz" if channel else "?",
    }
    box = truth[:, max(0, round(low)) : round(high)]  # (T, f)
    own = box == class_id
    rows = np.flatnonzero(own.any(axis=1))
    if not rows.size:
        return TrueBand(row_start=0, row_stop=len(truth), is_judged=False, **facts)
    row_start, row_stop = int(rows[0]), int(rows[-1]) + 1
    box, own = box[row_start:row_stop], own[row_start:row_stop]
    others = [i for i in ids.values() if i != class_id]
    hidden = (box == IGNORED) | np.isin(box, others)
    rules = BandRules()
    is_reportable = (high - low) * geometry.bin_width >= rules.min_bandwidth
    is_reportable &= (row_stop - row_start) * geometry.row_duration >= rules.min_duration
    shown = own.sum(axis=0) >= _SHOWN_SHARE * own.any(axis=1).sum()  # (f,)
    return TrueBand(
        row_start=row_start,
        row_stop=row_stop,
        is_judged=bool(is_reportable and hidden.mean() <= _HIDDEN_SHARE),
        shows_low=bool(shown[:2].any() and low > 0.5),
        shows_high=bool(shown[-2:].any() and high < geometry.bins - 0.5),
        **facts,
    )


def read_pulses(
    metadata: Mapping[str, Any], truth: np.ndarray, geometry: Geometry, classes: Sequence[SignalClass]
) -> list[TruePulse]:
    """The pulses of an item's record.

    A pulse counts if the mask has a pixel of its class on its rows and between its edges: a pulse that is too weak there, or
    that a carrier hides, is unknown or something else's and does not.  Pulses that share their rows share their pixels.
    """
    ids = {c.label: i for i, c in enumerate(classes) if c.kind is ClassKind.PULSED}
    pulses = []
    for emitter in metadata.get("emitters", ()):
        if emitter["label"] not in ids:
            continue
        first, count = emitter["sample_start"], emitter["sample_count"]
        row_start = max(0, (first - geometry.overhang) // geometry.row_samples)  # a segment reaches into the next row
        row_stop = min(geometry.rows, max(row_start + 1, -(-(first + count) // geometry.row_samples)))
        low, high = (geometry.freq_edge(emitter[f"freq_{side}_edge"]) for side in ("lower", "upper"))
        bin_start = int(np.clip(np.floor(low), 0, geometry.bins - 1))
        bin_stop = int(np.clip(np.ceil(high), bin_start + 1, geometry.bins))
        class_id = ids[emitter["label"]]
        pulses.append(
            TruePulse(
                class_id=class_id,
                row_start=row_start,
                row_stop=row_stop,
                bin_start=bin_start,
                bin_stop=bin_stop,
                snr_db=float(emitter["snr_db"]),
                family=emitter.get("comment") or "?",
                is_judged=bool((truth[row_start:row_stop, bin_start:bin_stop] == class_id).any()),
            )
        )
    return pulses
