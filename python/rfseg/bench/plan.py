"""What is measured, and for how long."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import OptionError
from ..inference import DEFAULT_MODEL

__all__ = ["SECTIONS", "Plan", "quick"]

SECTIONS = ("spectrogram", "inference", "lossless", "live", "process")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run of ``rfseg bench``.

    Parameters
    ----------
    model : str
        Name or file; of the chain, and in the section ``inference`` the only one unless ``all_models``.
    samp_rate : float
        Hz; of the chain.
    frame_duration : float
        s; of the chain.
    repeats : int
        Rounds in which everything that is compared is measured once.
    window : float
        s of one measurement of throughput.
    seconds : float
        s of one live run.
    runs : int
        Inferences for one line of the table.
    has_radar : bool
        Whether the chain's scene has radar pulses: some hundred bands a frame.
    grows : bool
        Whether rate, duration and channels are varied around ``samp_rate`` and ``frame_duration``.
    bins, item_types : tuples
        Of the section ``spectrogram``.
    batches, threads : tuples of int
        Of the section ``inference``; a chain runs with the first of ``threads``.
    """

    model: str = DEFAULT_MODEL
    all_models: bool = True
    samp_rate: float = 61.44e6
    frame_duration: float = 20e-3
    repeats: int = 5
    window: float = 0.5
    seconds: float = 20.0
    runs: int = 100
    has_radar: bool = True
    grows: bool = True
    bins: tuple[int, ...] = (256, 512, 1024, 2048, 4096)
    item_types: tuple[str, ...] = ("complex64", "int16", "int8")
    batches: tuple[int, ...] = (1, 2, 4)
    threads: tuple[int, ...] = (1, 2)
    inference_bins: tuple[int, ...] = (64, 128, 256, 512)

    def __post_init__(self) -> None:
        for name in ("samp_rate", "frame_duration", "repeats", "window", "seconds", "runs"):
            if not getattr(self, name) > 0:
                raise OptionError(f"{name}={getattr(self, name)!r} must be above 0")
        for name in ("bins", "item_types", "batches", "threads", "inference_bins"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if not getattr(self, name):
                raise OptionError(f"{name} is empty; give at least one value")

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def quick(plan: Plan) -> Plan:
    """The same in about a minute: fewer lines, shorter runs; good for a look, not for a record."""
    return replace(
        plan, repeats=3, window=0.15, seconds=2.0, runs=15, grows=False, bins=(256, 4096), batches=(1,), inference_bins=(256,)
    )
