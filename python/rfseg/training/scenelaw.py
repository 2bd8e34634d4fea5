"""Laws of scenes back from the plain values that a checkpoint or a set holds."""

from __future__ import annotations

import math
from typing import Any, Mapping

from ..errors import SceneError
from ..synth.protocol_recipe import PROTOCOLS, ProtocolRecipe
from ..synth.recipe import Recipe
from ..synth.tables import from_table

__all__ = ["scenes_from_record"]


def scenes_from_record(record: Recipe | ProtocolRecipe | Mapping[str, Any]) -> Recipe | ProtocolRecipe:
    """Inverse of ``to_record`` of both kinds; a law passes as it is.

    Raises
    ------
    SceneError
        If a key is unknown or a value wrong.
    """
    if isinstance(record, (Recipe, ProtocolRecipe)):
        return record
    if "protocol" not in record:
        return from_table(Recipe, _without_none(record), "scenes.")
    if record["protocol"] not in PROTOCOLS:
        raise SceneError(f"scenes.protocol={record['protocol']!r} is unknown; choose from {', '.join(PROTOCOLS)}")
    values = {key: value for key, value in record.items() if key != "flags"}
    flags = {key: _as_tuples(value) for key, value in record["flags"].items() if key != "style"}
    flags["snrs_db"] = tuple(math.inf if level is None else level for level in flags["snrs_db"])
    try:
        return ProtocolRecipe(**values, flags=PROTOCOLS[record["protocol"]].flags(**flags))
    except TypeError as error:
        raise SceneError(f"scenes: {error}") from error


def _without_none(value: Any) -> Any:
    """TOML has no null: a value that is None is left to its default."""
    if isinstance(value, Mapping):
        return {key: _without_none(part) for key, part in value.items() if part is not None}
    return [_without_none(part) for part in value] if isinstance(value, (list, tuple)) else value


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(part) for part in value) if isinstance(value, (list, tuple)) else value
