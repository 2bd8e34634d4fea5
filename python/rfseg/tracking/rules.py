"""What starts, holds and ends a track."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import BandError

__all__ = ["MOST_FRAMES", "TrackRules"]

MOST_FRAMES = 64  # that a track remembers


@dataclass(frozen=True, kw_only=True)
class TrackRules:
    """What starts, holds and ends a track.

    A frame counts where a model has judged it and the track's place is in view; others neither confirm
    nor end anything.

    Parameters
    ----------
    confirm_hits, confirm_window : int
        A carrier is confirmed by bands in ``confirm_hits`` of ``confirm_window`` successive frames that count;
        a change of its shape by bands in ``confirm_window`` of them without a break.
        A pulsed signal is confirmed by so many pulses, or frames that show it, with no pause beyond ``hold``.
    hold : float
        A carrier that was not seen for longer has ended, s of frames that count.
    pulse_hold : float
        The same for a pulsed signal, s.  An airport radar turns in 4.8 s and is silent in between.
    min_overlap : float
        A band belongs to a carrier whose edges enclose, with the band's, this share of the width that both
        cover; above 0.5, so that two bands of one moment never belong to the same.
    max_absence : float
        A track whose place is out of view, after a retune, for longer has ended, s.
    update_interval : float
        Time between two updates of a track, s.
    drop_unconfirmed : bool
        Whether the bands of tracks that are not yet confirmed are left out, the first ones of each track with them.

    Raises
    ------
    BandError
        If a value is out of its range.
    """

    confirm_hits: int = 2
    confirm_window: int = 3
    hold: float = 0.2
    pulse_hold: float = 6.0
    min_overlap: float = 0.5
    max_absence: float = 60.0
    update_interval: float = 1.0
    drop_unconfirmed: bool = False

    def __post_init__(self) -> None:
        for name in ("hold", "pulse_hold", "max_absence"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BandError(f"{name}={value!r} must be a time in s, 0 or more")
        if not self.update_interval > 0:
            raise BandError(f"update_interval={self.update_interval!r} must be a time in s above 0; inf for no updates")
        if not 1 <= self.confirm_hits <= self.confirm_window:
            raise BandError(
                f"confirm_hits={self.confirm_hits} of confirm_window={self.confirm_window} frames:"
                " expected 1 <= confirm_hits <= confirm_window"
            )
        if self.confirm_window > MOST_FRAMES:
            raise BandError(f"confirm_window={self.confirm_window} must be at most {MOST_FRAMES} frames")
        if not 0.5 <= self.min_overlap < 1:
            raise BandError(f"min_overlap={self.min_overlap!r} must lie in 0.5 (included) to 1 (excluded)")
