"""What all other emitters have in common: where, how wide, how strong, how often."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import SceneError

__all__ = ["NARROWEST_HZ", "OtherEmitter"]

# An emitter narrower than this has its power counted over this width: about one bin of a spectrogram
NARROWEST_HZ = 200e3


@dataclass(frozen=True, kw_only=True)
class OtherEmitter:
    """One emitter as drawn; a subclass of each family adds what the family needs.

    Every field is a number, a string or a tuple of them, so ``dataclasses.asdict`` is the record that a
    scene keeps: it says everything but the payload and the times at which bursts happen to fall.

    Parameters
    ----------
    kind : str
        A key of ``OTHER_KINDS``.
    center, width : float
        Centre re that of the scene and occupied bandwidth, Hz.
    snr_db : float
        Power density over ``density_width`` while on air, re that of the noise, dB.
    duty : float
        Share of time on air that is aimed at; 1 is always.
    echo_us, echo_db, echo_turn : float
        One echo on the way: delay, level re the direct path, phase in turns.  A delay of 0: no echo.

    Raises
    ------
    SceneError
        If the width is not positive or the duty is outside (0, 1].
    """

    kind: str
    center: float
    width: float
    snr_db: float
    duty: float = 1.0
    echo_us: float = 0.0
    echo_db: float = 0.0
    echo_turn: float = 0.0

    def __post_init__(self) -> None:
        if not self.width > 0:
            raise SceneError(f"width={self.width!r} Hz of emitter {self.kind!r} is not positive; give its occupied bandwidth")
        if not 0 < self.duty <= 1:
            raise SceneError(f"duty={self.duty!r} of emitter {self.kind!r} is outside (0, 1]; 1 is always on air")

    @property
    def edges(self) -> tuple[float, float]:
        """Lowest and highest frequency that the emitter ever uses, Hz re the scene's centre."""
        return self.center - self.width / 2, self.center + self.width / 2

    @property
    def density_width(self) -> float:
        """Bandwidth that the power is counted over, Hz."""
        return max(self.width, NARROWEST_HZ)
