"""The record of a radar: what it sends, when and how strongly, in plain numbers that JSON can hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import SceneError
from .codes import CODES, code_phases

__all__ = ["FMCW", "MODULATIONS", "Echo", "Pulse", "PulseTrain"]

FMCW = ("sawtooth", "triangle")  # sweeps without pauses
_CHIRPS = ("lfm", "tangent", "taper", *FMCW)
MODULATIONS = ("none", *_CHIRPS, *CODES)


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """One pulse of the group that a radar repeats.

    Parameters
    ----------
    width : float
        Between the half-amplitude points, s.
    modulation : str
        One of `MODULATIONS`: ``none``; ``lfm``; the non-linear chirps ``tangent`` and ``taper``; FMCW
        ``sawtooth`` and ``triangle``; or a phase code.
    chirp : float
        Hz swept, negative downwards; 0 unless it is a chirp.  A ``triangle`` goes there and back in ``width``.
    bend : float
        Of a non-linear chirp.  ``tangent``: half the angle swept, rad; ``taper``: the share of the
        cosine in the spectrum ``1 + bend * cos``; both 0 to below their limit (pi / 2 and 1), where 0 is linear.
    chips : int
        Length of the phase code, 0 for none.
    code_index : int
        Which code of this length: a Zadoff-Chu root, a Barker variant.
    delay, offset, gain_db : float
        Start after that of the group, s; frequency re the radar's centre, Hz; amplitude re the radar's.
    rise : float
        Duration of the raised-cosine edges, s.

    Raises
    ------
    SceneError
        If the modulation is unknown, a width or rise cannot be, or chirp and code contradict the modulation.
    """

    width: float
    modulation: str = "none"
    chirp: float = 0.0
    bend: float = 0.0
    chips: int = 0
    code_index: int = 1
    delay: float = 0.0
    offset: float = 0.0
    gain_db: float = 0.0
    rise: float = 50e-9

    def __post_init__(self) -> None:
        if self.modulation not in MODULATIONS:
            raise SceneError(f"modulation={self.modulation!r} is unknown; choose one of {', '.join(MODULATIONS)}")
        if not 0 < self.width < 1:
            raise SceneError(f"width={self.width!r} s is no pulse width; give seconds between 0 and 1")
        if not 0 <= self.rise <= self.width:
            raise SceneError(f"rise={self.rise!r} s does not fit a pulse of {self.width!r} s; give 0 up to its width")
        if self.delay < 0:
            raise SceneError(f"delay={self.delay!r} s is before the group begins; give 0 or more")
        if (self.modulation in _CHIRPS) != (self.chirp != 0):
            raise SceneError(f"chirp={self.chirp!r} Hz contradicts modulation={self.modulation!r}; only chirps sweep, and all do")
        limit = {"tangent": math.pi / 2, "taper": 1.0}.get(self.modulation)
        if self.bend and limit is None or not 0 <= self.bend < (limit or 1.0):
            raise SceneError(
                f"bend={self.bend!r} does not suit modulation={self.modulation!r};"
                " give 0 to pi / 2 for tangent, 0 to 1 for taper, 0 otherwise"
            )
        if self.modulation in CODES:
            code_phases(self.modulation, self.chips, self.code_index)  # refuses lengths that do not exist
        elif self.chips:
            raise SceneError(f"chips={self.chips!r} without a phase code (modulation={self.modulation!r}); give 0")

    @property
    def is_fmcw(self) -> bool:
        """Whether the sweeps follow each other without a pause."""
        return self.modulation in FMCW


@dataclass(frozen=True, kw_only=True)
class Echo:
    """A copy of every pulse: delay in s, amplitude re the direct path, phase in rad."""

    delay: float
    gain_db: float
    phase: float


@dataclass(frozen=True, kw_only=True)
class PulseTrain:
    """One radar, recorded fully: the same record gives the same pulses at the same times.

    Parameters
    ----------
    family : str
        Key of `FAMILIES`, or a name of one's own.
    center : float
        Hz re the centre of the band.
    pulses : tuple of Pulse
        The group that is repeated, usually one pulse.
    intervals : tuple of float
        s between group starts, repeated in turn; staggers, dwells and jitter are written out.
    first : float
        Start of the first group, s re the first sample of the scene; may be negative.
    snr_db : float
        SNR of the strongest bin of the max channel at the beam's peak (best aligned segment), over noise of
        unit variance per sample.
    ntia_bin : int or None
        1 to 5 for the waveforms of NTIA TM-18-527.
    burst : int or None
        Groups per burst; None: endless.
    burst_interval : float or None
        s between burst starts; None: a single burst.
    burst_gains_db : tuple of float
        Of successive bursts, in turn: an electronic beam that also looks elsewhere.
    hops : tuple of float
        Hz re ``center`` of successive dwells, in turn.
    hop_pulses : int
        Groups per hop.
    scan_peak, scan_width : float or None
        When the rotating beam points here, s, and its 3 dB time on target, s; None: no rotation.
    sidelobe_db : float
        Sidelobes of the rotating antenna re its beam.
    coherent : bool
        Whether the phase runs on from pulse to pulse; a magnetron starts anywhere.
    echoes, tail : tuple of Echo
        Discrete copies, and the paths of a tail that decays exponentially.

    Raises
    ------
    SceneError
        If a tuple is empty, an interval is too short for the group, burst or hop do not fit, only one of the
        two scan times is given, or an FMCW radar has echoes, several pulses or pauses.
    """

    family: str
    center: float
    pulses: tuple[Pulse, ...]
    intervals: tuple[float, ...]
    first: float
    snr_db: float
    ntia_bin: int | None = None
    burst: int | None = None
    burst_interval: float | None = None
    burst_gains_db: tuple[float, ...] = (0.0,)
    hops: tuple[float, ...] = (0.0,)
    hop_pulses: int = 1
    scan_peak: float | None = None
    scan_width: float | None = None
    sidelobe_db: float = -30.0
    coherent: bool = True
    echoes: tuple[Echo, ...] = ()
    tail: tuple[Echo, ...] = ()

    def __post_init__(self) -> None:
        for name in ("pulses", "intervals", "hops", "burst_gains_db"):
            if not getattr(self, name):
                raise SceneError(f"{name} of a radar is empty; give at least one")
        if min(self.intervals) < self.group_length * (1 - 1e-9):
            raise SceneError(
                f"interval of {min(self.intervals)!r} s is shorter than its group of pulses ({self.group_length!r} s);"
                " pulses of one radar do not overlap"
            )
        for name in ("burst", "hop_pulses"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise SceneError(f"{name}={getattr(self, name)!r} must be at least 1")
        if self.burst_interval is not None and (self.burst is None or self.burst_interval < self.burst_length):
            raise SceneError(
                f"burst_interval={self.burst_interval!r} s does not hold a burst of {self.burst!r} groups; lengthen it"
            )
        if (self.scan_peak is None) != (self.scan_width is None) or (self.scan_width is not None and self.scan_width <= 0):
            raise SceneError(
                f"scan_peak={self.scan_peak!r} and scan_width={self.scan_width!r} contradict each other;"
                " give a time and a positive width, or None twice"
            )
        is_one_sweep = len(self.pulses) == 1 and max(self.intervals) <= self.group_length * (1 + 1e-9)
        if self.is_fmcw and not (is_one_sweep and not self.echoes and not self.tail):
            raise SceneError(
                f"family={self.family!r}: FMCW is one sweep after the other, without echoes;"
                " give one pulse and its width as the interval"
            )

    @property
    def modulation(self) -> str:
        """Of the longest pulse of the group."""
        return self._longest.modulation

    @property
    def width(self) -> float:
        """Of the longest pulse of the group, s."""
        return self._longest.width

    @property
    def chirp(self) -> float:
        """Of the longest pulse of the group, Hz."""
        return self._longest.chirp

    @property
    def _longest(self) -> Pulse:
        return max(self.pulses, key=lambda pulse: pulse.width)

    @property
    def is_fmcw(self) -> bool:
        """Whether it sweeps without pauses."""
        return any(pulse.is_fmcw for pulse in self.pulses)

    @property
    def group_length(self) -> float:
        """From the start of the first to the end of the last pulse of a group, s."""
        return max(pulse.delay + pulse.width for pulse in self.pulses)

    @property
    def burst_length(self) -> float:
        """From the start of the first to the end of the last group of a burst, s; inf without bursts."""
        if self.burst is None:
            return math.inf
        rounds, rest = divmod(self.burst - 1, len(self.intervals))
        return rounds * sum(self.intervals) + sum(self.intervals[:rest]) + self.group_length
