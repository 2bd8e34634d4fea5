"""TOML as frozen dataclasses: unknown keys, missing keys and values of another type are refused by name."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Mapping, Union, get_args, get_origin, get_type_hints

from ..errors import SceneError

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

__all__ = ["check_keys", "convert", "from_table", "read_toml"]

_TYPES = {float: (int, float), int: (int,), str: (str,), bool: (bool,)}  # what TOML may have for each


def read_toml(text: str, source: str) -> dict[str, Any]:
    """The table that a text holds.

    Raises
    ------
    SceneError
        If it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SceneError(f"{source} is no TOML: {error}") from error


def check_keys(table: Mapping[str, Any], known: set[str], where: str = "") -> None:
    """Raise :class:`SceneError` at the first key that is not known."""
    for key in table:
        if key not in known:
            raise SceneError(f"unknown key {where}{key}; known: {', '.join(sorted(known))}")


def from_table(cls: type, table: Mapping[str, Any], where: str = "") -> Any:
    """A dataclass from a TOML table, arrays as tuples.

    Parameters
    ----------
    where : str
        Keys that lead to the table, each with a full stop behind it, for the texts of errors.

    Raises
    ------
    SceneError
        If a key is unknown or missing, or a value is of another type than the field or refused by the class.
    """
    check_keys(table, {f.name for f in fields(cls)}, where)
    hints = get_type_hints(cls)
    values = {key: convert(hints[key], value, f"{where}{key}") for key, value in table.items()}
    try:
        return cls(**values)
    except TypeError as error:  # a key without default is missing
        raise SceneError(f"{where.rstrip('.') or 'recipe'}: {error}") from error


def convert(hint: Any, value: Any, where: str) -> Any:
    """A TOML value as the type that a field asks for.

    Raises
    ------
    SceneError
        If it is of another type or not finite.
    """
    if get_origin(hint) in (Union, UnionType):
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)  # TOML has no null
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise SceneError(f"{where}={value!r} must be a table")
        return from_table(hint, value, f"{where}.")
    if get_origin(hint) is tuple:
        return _convert_array(get_args(hint), value, where)
    if issubclass(hint, Enum):
        known = [member.value for member in hint]
        if value not in known:
            raise SceneError(f"{where}={value!r} is unknown; choose from {', '.join(known)}")
        return hint(value)
    if not isinstance(value, _TYPES[hint]) or (isinstance(value, bool) and hint is not bool):
        raise SceneError(f"{where}={value!r} must be of type {hint.__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise SceneError(f"{where}={value!r} must be finite")
    return hint(value)


def _convert_array(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    """An array of any number of values of one type, or of one value of each type."""
    if not isinstance(value, list):
        raise SceneError(f"{where}={value!r} must be an array")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise SceneError(f"{where}={value!r} must be an array of {len(kinds)} values")
    return tuple(convert(kind, part, where) for kind, part in zip(kinds, value, strict=True))
