"""From dBFS to dBm: what a receiver's full scale is at its input, constant or by frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np

from ..errors import BandError

__all__ = ["PowerCalibration"]


@dataclass(frozen=True)
class PowerCalibration:
    """The power at the receiver's input that shows 0 dBFS.

    Parameters
    ----------
    points : tuple of (float, float)
        Frequency, Hz, and power there, dBm, by ascending frequency; straight lines between them, the outer values beyond.
        One point alone holds everywhere, and its frequency does not matter.

    Raises
    ------
    BandError
        If there is none, a value is not finite or the frequencies do not ascend.

    Examples
    --------
    >>> PowerCalibration.read(-31.5).full_scale_dbm(2.4e9)
    -31.5
    >>> PowerCalibration(((1e9, -30.0), (2e9, -34.0))).full_scale_dbm(1.5e9)
    -32.0
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise BandError("calibration has no points; give a number of dB, or pairs of frequency (Hz) and dBm at 0 dBFS")
        for freq, dbm in self.points:
            if not math.isfinite(freq) or not math.isfinite(dbm):
                raise BandError(f"calibration: {dbm!r} dBm at {freq!r} Hz; both must be finite numbers")
        for (freq, _), (following, _) in zip(self.points, self.points[1:]):
            if following <= freq:
                raise BandError(f"calibration: {following:g} Hz follows {freq:g} Hz; sort the points by frequency, each once")

    @property
    def is_constant(self) -> bool:
        """Whether it is the same at all frequencies."""
        return len(self.points) == 1

    def full_scale_dbm(self, freq: float | np.ndarray) -> float | np.ndarray:
        """Power that shows 0 dBFS at a frequency, or at each of some, dBm."""
        freqs, levels = zip(*self.points)
        found = np.interp(freq, freqs, levels)
        return found if np.ndim(found) else float(found)

    def power_dbm(
        self, power_dbfs: float | np.ndarray, lower: float | np.ndarray, upper: float | np.ndarray, freq_reference: str
    ) -> float | np.ndarray | None:
        """Power of a band with these edges, or of each of some, dBm, by the calibration at its centre.

        None where the calibration depends on the frequency and the band's is not known (``baseband``).
        """
        if not self.is_constant and freq_reference != "rf":
            return None
        return power_dbfs + self.full_scale_dbm(0.5 * (lower + upper))

    @classmethod
    def read(cls, value: float | str | Path | Sequence[tuple[float, float]] | PowerCalibration) -> PowerCalibration:
        """A number of dBm at 0 dBFS, a table of (Hz, dBm), or a CSV file with such a line per frequency.

        A text that is a number counts as one.  In a file, empty lines and what follows ``#`` are skipped.

        Raises
        ------
        BandError
            If a file cannot be read or a line holds anything else.
        """
        if isinstance(value, PowerCalibration):
            return value
        if isinstance(value, (int, float)):
            return cls(((0.0, float(value)),))
        if not isinstance(value, (str, Path)):
            return cls(tuple((float(freq), float(dbm)) for freq, dbm in value))
        try:
            return cls(((0.0, float(str(value))),))
        except ValueError as error:
            if isinstance(error, BandError):  # a number, but none that can be
                raise
            return cls(_read_table(Path(value)))


def _read_table(path: Path) -> tuple[tuple[float, float], ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BandError(
            f"calibration={str(path)!r} is neither a number of dB nor a file that can be read ({error});"
            " give the dBm at 0 dBFS, or a CSV file of Hz,dBm"
        ) from error
    points = []
    for number, line in enumerate(lines, start=1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        try:
            freq, dbm = (float(part) for part in text.split(","))
        except ValueError as error:
            raise BandError(f"{path}, line {number}: {text!r} is not a frequency in Hz, a comma and a power in dBm") from error
        points.append((freq, dbm))
    return tuple(points)
