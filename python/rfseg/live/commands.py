"""Commands to a receiver that runs: tables of what to change, the same by every way in.

``{"center_freq": 3.6e9, "gain": 30}`` changes two settings, ``{"resume": true}`` records again after a stop for want of room,
``{"stop": true}`` ends the run, ``{}`` only asks how it is.
``freq`` is another name of ``center_freq``, as GNU Radio's blocks call it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from typing import Any, Mapping

from ..errors import OptionError

__all__ = ["NAMES", "ORDERS", "UNCHANGED", "LiveCommand", "command_from_json"]

ORDERS = ("resume", "stop")  # what is done, not set


class _Unchanged:
    """The value of what a command does not name."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED = _Unchanged()


@dataclass(frozen=True, kw_only=True)
class LiveCommand:
    """What to change; :data:`UNCHANGED` for the rest.

    Parameters
    ----------
    center_freq : float
        RF centre, Hz.
    gain : float or str
        dB, or ``auto``.
    min_confidence : float
        Bands below it are dropped, 0 to 1.
    reject : float or None
        Bands below it are labelled Unknown, 0 to 1; None: what the model says.
    model : str
        Name or file.
    resume : bool
        Record again, after recording has stopped because there was no room.
    stop : bool
        End the run.

    Raises
    ------
    OptionError
        If a value makes no sense.
    """

    center_freq: Any = UNCHANGED
    gain: Any = UNCHANGED
    min_confidence: Any = UNCHANGED
    reject: Any = UNCHANGED
    model: Any = UNCHANGED
    resume: bool = False
    stop: bool = False

    def __post_init__(self) -> None:
        _check("center_freq", self.center_freq, _is_number(self.center_freq), "a frequency in Hz")
        _check("gain", self.gain, _is_number(self.gain) or self.gain == "auto", "a number of dB or 'auto'")
        _check("min_confidence", self.min_confidence, _is_share(self.min_confidence), "a number from 0 to 1")
        reject = self.reject
        _check("reject", reject, reject is None or _is_share(reject), "a number from 0 to 1, or none for the model's")
        _check("model", self.model, isinstance(self.model, str) and self.model != "", "the name or file of a model")
        for name in ORDERS:
            _check(name, getattr(self, name), isinstance(getattr(self, name), bool), "true or false")

    @classmethod
    def from_table(cls, table: Any) -> LiveCommand:
        """A command from a table.

        Raises
        ------
        OptionError
            If it is none, a name is unknown or a value makes no sense.

        Examples
        --------
        >>> LiveCommand.from_table({"freq": 3.6e9}).center_freq
        3600000000.0
        """
        if not isinstance(table, Mapping):
            raise OptionError(f"command {table!r} is no table; send such as {{'gain': 30}}")
        named = {"center_freq" if name == "freq" else name: value for name, value in table.items()}
        unknown = [name for name in named if name not in NAMES]
        if unknown:
            raise OptionError(f"command {unknown[0]!r} is unknown; known: {', '.join(NAMES)}")
        return cls(**named)


NAMES = tuple(entry.name for entry in fields(LiveCommand))


def command_from_json(text: bytes | str) -> LiveCommand:
    """A command from JSON.

    Raises
    ------
    OptionError
        If it is none.
    """
    try:
        table = json.loads(text)
    except ValueError as error:
        raise OptionError(f"the command is no JSON: {error}") from None
    return LiveCommand.from_table(table)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _check(name: str, value: Any, is_good: bool, expected: str) -> None:
    if value is not UNCHANGED and not is_good:
        raise OptionError(f"{name}={value!r} must be {expected}")
