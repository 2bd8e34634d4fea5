"""Settings from tables: a dataclass from a mapping of its fields, as TOML and JSON give it."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Mapping, Union, get_args, get_origin, get_type_hints

from ..errors import OptionError, RfsegError

__all__ = ["read_table", "without_none"]

_NAMES = {float: "number", int: "integer", str: "text", bool: "true or false", tuple: "list", dict: "table"}


def read_table(kind: type, table: Any, where: str) -> Any:
    """An object of a dataclass from a table of its fields; fields that are dataclasses are tables in it.

    Parameters
    ----------
    kind : type
    table : mapping
    where : str
        What messages call the table; empty for the whole.

    Raises
    ------
    OptionError
        If a key is unknown or missing, or a value has the wrong type or is refused by the class.
    """
    prefix = f"[{where}] " if where else ""
    if not isinstance(table, Mapping):
        raise OptionError(f"{where}={table!r} is no table; write [{where}]")
    known = {entry.name: entry for entry in fields(kind)}
    unknown = [name for name in table if name not in known]
    if unknown:
        raise OptionError(f"{prefix}{unknown[0]} is unknown; known: {', '.join(known)}")
    required = [n for n, e in known.items() if e.default is MISSING and e.default_factory is MISSING]
    missing = [name for name in required if name not in table]
    if missing:
        raise OptionError(f"{prefix}{missing[0]} is missing; it has no default, so give it in the file or by its option")
    hints = get_type_hints(kind)
    values = {
        name: _convert(value, hints[name], f"{where}.{name}" if where else name, prefix) for name, value in table.items()
    }
    try:
        return kind(**values)
    except RfsegError as error:
        raise OptionError(f"{prefix}{error}") from None


def _convert(value: Any, hint: Any, where: str, prefix: str) -> Any:
    """A value as the type of its field wants it."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        if is_dataclass(option):
            return value if isinstance(value, option) else read_table(option, value, where)
        origin, inner = get_origin(option), get_args(option)
        if origin is tuple and isinstance(value, (list, tuple)):
            return tuple(_convert(entry, inner[0], where, prefix) for entry in value)
        if origin is dict and isinstance(value, Mapping):
            return {str(name): _convert(entry, inner[1], where, prefix) for name, entry in value.items()}
        if option is Any or (option is type(None) and value is None):
            return value
        if option is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if origin is None and option is not float and type(value) is option:
            return value
    wanted = " or ".join(_NAMES[get_origin(option) or option] for option in options if option is not type(None))
    raise OptionError(f"{prefix}{where.rpartition('.')[2]}={value!r} is no {wanted}")


def without_none(value: Any) -> Any:
    """A value without the entries of its tables that are None."""
    if isinstance(value, dict):
        return {name: without_none(entry) for name, entry in value.items() if entry is not None}
    return [without_none(entry) for entry in value] if isinstance(value, (list, tuple)) else value
