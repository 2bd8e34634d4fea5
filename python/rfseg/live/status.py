"""How a receiver is doing: one value, as a line of text and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Mapping

__all__ = ["LiveStatus", "status_line", "status_to_json", "totals_line"]

_NOTABLE_LAG = 0.1  # s


@dataclass(frozen=True, kw_only=True)
class LiveStatus:
    """State and totals of a run at one moment.

    Parameters
    ----------
    uptime : float
        Since the start, s.
    source : str
        What is received from.
    samples : int
        Samples in.
    samp_rate : float
        Nominal, Hz.
    rate_in : float
        Measured since the status before, samples/s.
    center_freq : float or None
        RF centre, Hz, if known.
    gain : float, str or None
        dB, or ``auto``, if the source has one.
    model : str
    frames, inferred, dropped, skipped, failed : int
        Frames so far; inferred ones have bands, dropped ones were given up by a full queue, skipped ones left out by
        ``infer_every``.
    bands, tracks, late : int
        Bands so far, tracks confirmed, bands that came after their samples had left.
    latency : float or None
        By how much the newest sample was ahead of the newest inferred frame when its bands were told, s.
    queue_depth : int
        Frames that wait for inference.
    inference_ms : float
        Of the newest frame, ms.
    overflows, gaps, lost_samples, retunes : int
        As the source told them.
    min_confidence : float
    feeds : tuple of dict
        For each feed ``destination``, ``submitted``, ``sent``, ``dropped``, ``refused``, ``waiting``.
    recording : dict or None
        ``recordings`` finished, samples ``written``, ``dropped`` and ``refused``, and whether it has ``stopped`` because
        there is no room; None where nothing is to be recorded.
    lag : float
        By how much a file is behind its clock because the chain was held up, s.
    problem : str
        The newest thing that went wrong, such as a model that was refused; empty for nothing.
    """

    uptime: float
    source: str
    samples: int
    samp_rate: float
    rate_in: float
    center_freq: float | None = None
    gain: float | str | None = None
    model: str
    frames: int = 0
    inferred: int = 0
    dropped: int = 0
    skipped: int = 0
    failed: int = 0
    bands: int = 0
    tracks: int = 0
    late: int = 0
    latency: float | None = None
    queue_depth: int = 0
    inference_ms: float = 0.0
    overflows: int = 0
    gaps: int = 0
    lost_samples: int = 0
    retunes: int = 0
    min_confidence: float = 0.0
    feeds: tuple[dict, ...] = field(default=())
    recording: dict | None = None
    lag: float = 0.0
    problem: str = ""


def status_line(status: LiveStatus) -> str:
    """One line for a terminal.

    Examples
    --------
    >>> print(status_line(LiveStatus(uptime=12.0, source="file a", samples=10, samp_rate=20e6, rate_in=19.9e6, model="m",
    ...     frames=600, inferred=598, dropped=2, bands=1200, latency=0.031, inference_ms=9.8)))
    12 s: 19.90 MS/s, 600 frames (598 inferred, 2 dropped, 0 late bands), 1200 bands, latency 31 ms, inference 9.8 ms, queue 0, 0 overflows
    """
    parts = [
        f"{status.rate_in / 1e6:.2f} MS/s",
        f"{status.frames} frames ({status.inferred} inferred, {_skipped(status)}{status.dropped} dropped, {status.late} late bands)",
        f"{status.bands} bands",
        "latency -" if status.latency is None else f"latency {1e3 * status.latency:.0f} ms",
        f"inference {status.inference_ms:.1f} ms",
        f"queue {status.queue_depth}",
        f"{status.overflows} overflows",
    ]
    if status.failed:
        parts.append(f"{status.failed} frames failed")
    if status.gaps:
        parts.append(f"{status.gaps} gaps ({status.lost_samples} samples)")
    if status.lag >= _NOTABLE_LAG:
        parts.append(f"{status.lag:.1f} s behind")
    if status.recording is not None:
        parts.append(_recorded(status.recording))
    lost = sum(feed["dropped"] + feed["refused"] for feed in status.feeds)
    if lost:
        parts.append(f"{lost} messages lost")
    return f"{status.uptime:.0f} s: " + ", ".join(parts)


def _lost(counts: Mapping[str, Any], what: str) -> str:
    lost = counts["dropped"] + counts["refused"]
    return f" ({lost} {what} lost)" if lost else ""


def _recorded(recording: Mapping[str, Any]) -> str:
    """Recordings; samples that the disk was too slow for, and those that came while it had stopped."""
    missing = [f"{recording[key]} samples {word}" for key, word in (("dropped", "lost"), ("refused", "left out")) if recording[key]]
    return (
        f"{recording['recordings']} recordings{' (' + ', '.join(missing) + ')' if missing else ''}"
        f"{', recording has stopped' if recording['stopped'] else ''}"
    )


def totals_line(status: LiveStatus, reason: str) -> str:
    """What is said at the end."""
    feeds = "".join(f"; {feed['sent']} messages to {feed['destination']}{_lost(feed, 'messages')}" for feed in status.feeds)
    recorded = "" if status.recording is None else f"; {_recorded(status.recording)}"
    return (
        f"{reason} after {status.uptime:.1f} s: {status.samples} samples, {status.frames} frames ({status.inferred} inferred,"
        f" {_skipped(status)}{status.dropped} dropped, {status.failed} failed), {status.bands} bands, {status.tracks} tracks,"
        f" {status.overflows} overflows{feeds}{recorded}"
    )


def _skipped(status: LiveStatus) -> str:
    return f"{status.skipped} skipped, " if status.skipped else ""


def status_to_json(status: LiveStatus, **more: str | int) -> str:
    """One JSON object; what is not known is absent."""
    table = {name: value for name, value in asdict(status).items() if value is not None}
    return json.dumps({**more, **table}, allow_nan=False)
