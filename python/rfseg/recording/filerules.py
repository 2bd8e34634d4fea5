"""How recordings are kept on disk."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Mapping

from ..errors import RecordingError
from ..framequeue import choose
from .files import Sync

__all__ = ["FileRules", "OnFull"]

_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")


class OnFull(str, Enum):
    """What happens when the quota or the disk is full."""

    STOP = "stop"  # recording
    DELETE_OLDEST = "delete_oldest"  # recording of the same folder and prefix


@dataclass(frozen=True, kw_only=True)
class FileRules:
    """How recordings are kept on disk.

    Parameters
    ----------
    prefix : str
        Begins the names; recordings of the same folder and prefix share the quota.
    rotate_bytes : int
        Largest data file, bytes; 0 for any size.
    rotate_seconds : float
        Longest recording, s of signal; 0 for any.
    quota_bytes : int
        What all recordings may take, data and metadata, bytes; 0 for what the disk has.
    on_full : OnFull or str
        ``stop`` or ``delete_oldest``.
    sync : Sync or str
        When data are forced onto the disk: at each ``flush``, when a ``file`` is finished, ``never``.
    flush_interval : float
        Time between two updates of the metadata of a recording in progress, s.
    info : mapping
        More keys of SigMF's global object.

    Raises
    ------
    RecordingError, OptionError
        If a value makes no sense.
    """

    prefix: str = "rfseg"
    rotate_bytes: int = 0
    rotate_seconds: float = 0.0
    quota_bytes: int = 0
    on_full: OnFull | str = OnFull.STOP
    sync: Sync | str = Sync.FILE
    flush_interval: float = 1.0
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "on_full", choose(OnFull, self.on_full, "on_full"))
        object.__setattr__(self, "sync", choose(Sync, self.sync, "sync"))
        if not _PREFIX.fullmatch(self.prefix):
            raise RecordingError(f"prefix={self.prefix!r} must be letters, digits and _.+-, and begin with a letter")
        for name in ("rotate_bytes", "rotate_seconds", "quota_bytes"):
            if not 0 <= getattr(self, name) < math.inf:
                raise RecordingError(f"{name}={getattr(self, name)!r} must be 0 or more")
        if not 0 < self.flush_interval < math.inf:
            raise RecordingError(f"flush_interval={self.flush_interval!r} must be a time above 0, in s")
        if self.on_full is OnFull.DELETE_OLDEST and 0 < self.quota_bytes < 2 * self.rotate_bytes:
            raise RecordingError(
                f"quota_bytes={self.quota_bytes} is less than two files of rotate_bytes={self.rotate_bytes}: nothing"
                " could be deleted; raise the one or lower the other"
            )

    def file_samples(self, samp_rate: float, sample_bytes: int) -> int:
        """Samples of the longest recording."""
        limits = [1 << 62]
        if self.rotate_bytes:
            limits.append(int(self.rotate_bytes // sample_bytes))
        if self.rotate_seconds:
            limits.append(round(self.rotate_seconds * samp_rate))
        return max(1, min(limits))
