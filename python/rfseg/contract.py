"""The contract: what a model file promises, carried inside the file.

A model is one ONNX file.  Its ``metadata_props`` hold one entry, :data:`METADATA_KEY`, with a JSON
object; nothing else is needed to run the model, and a file without it is refused.

Input of the graph: spectrogram rows, float32 dBFS, ``(N, C, T, F)``.  Scaling, network, softmax and
argmax are inside.  Outputs: ``mask`` and ``confidence``, uint8 ``(N, T, F)``.  Models of the family ``published``, which
were trained on pictures, have a second input, ``limits``: the dB values between which the scaling stretches.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from .errors import BackendUnavailableError, ContractError, GeometryError
from .geometry import ROWS, Geometry, Reduction, make_geometry
from .golden import Golden, golden_limits, golden_rows, make_golden
from .published_geometry import PICTURE_SIZES, PictureRule, make_picture_geometry
from .rates import as_typed, rate_remedy

__all__ = [
    "CONTRACT_VERSION",
    "METADATA_KEY",
    "NOT_INFERRED",
    "ClassKind",
    "Contract",
    "Golden",
    "SignalClass",
    "golden_limits",
    "golden_rows",
    "make_golden",
    "write_contract",
]

METADATA_KEY = "rfseg_contract"
CONTRACT_VERSION = 1
NOT_INFERRED = 255  # mask value of a pixel that no network has judged
_FAMILIES = ("rfseg", "published")
_PUBLISHED_SLACK = 0.01  # by which the duration of a published frame may differ: papers round it
_PRECISIONS = ("fp32", "fp16", "int8")


class ClassKind(str, Enum):
    """What a class looks like, so that bands can be drawn around it without knowing its name."""

    BACKGROUND = "background"  # where nothing is; exactly one class has this kind
    CARRIER = "carrier"  # occupies its band for long; what covers it for some rows does not cut it
    PULSED = "pulsed"  # comes in pulses; its edges are taken from power, never from pixels


@dataclass(frozen=True, kw_only=True)
class SignalClass:
    """One class of the mask: its SigMF label (at most 20 characters) and its kind."""

    label: str
    kind: ClassKind

    def __post_init__(self) -> None:
        if not 0 < len(self.label) <= 20:
            raise ContractError(f"class label {self.label!r} must have 1 to 20 characters, as SigMF wants")
        try:
            object.__setattr__(self, "kind", ClassKind(self.kind))
        except ValueError:
            kinds = ", ".join(k.value for k in ClassKind)
            raise ContractError(f"class {self.label!r} has kind {self.kind!r}, expected one of {kinds}") from None


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What a model file promises.

    Parameters
    ----------
    name : str
        Name of the model; it appears in messages and annotations.
    classes : tuple of SignalClass
        In the order of the ids in the mask; the first is the background.
    samp_rate_range : (float, float)
        Rates the model was trained for, Hz.
    frame_duration_range : (float, float)
        Frame durations the model was trained for, s.
    default_frame_duration : float
        Used where the user names none, s.
    licence : str
        SPDX expression for the weights.
    golden : Golden
    family : str
        Geometry rule: ``rfseg`` (see :mod:`rfseg.geometry`) or ``published`` (:mod:`rfseg.published_geometry`).
    window, time_direction : str
        ``hann`` (periodic) and ``forward`` in the family ``rfseg``; ``hann-symmetric`` and, where the network inside
        was trained on the newest row first, ``reverse`` in ``published``.  Input and outputs have the earliest first always.
    rows : int
        Rows in a frame; in the family ``published`` also its bins.
    reductions : tuple of Reduction
        Channels of the input, in order.
    input_name, mask_name, confidence_name : str
        Names of the graph's input and outputs.
    training : dict
        Commit, recipe, data seed, duration: where the weights are from.
    metrics : dict
        What the model reached, and on what.
    precision : str
        Of the weights in the file: ``fp32``, ``fp16`` (stored so, computed in fp32) or ``int8`` (computed so).
    calibration : dict
        What temperature, integer scales and ``reject_below`` were fitted on, and what came of it.
    reject_below : dict
        By label: bands of that class whose confidence is below it are reported as unknown; no entry, never.
    published : PictureRule or None
        What only models of the family ``published`` have.
    """

    name: str
    classes: tuple[SignalClass, ...]
    samp_rate_range: tuple[float, float]
    frame_duration_range: tuple[float, float]
    default_frame_duration: float
    licence: str
    golden: Golden
    family: str = "rfseg"
    window: str = "hann"
    time_direction: str = "forward"
    rows: int = ROWS
    reductions: tuple[Reduction, ...] = (Reduction.MEAN, Reduction.MAX)
    input_name: str = "rows"
    mask_name: str = "mask"
    confidence_name: str = "confidence"
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    precision: str = "fp32"
    calibration: dict[str, Any] = field(default_factory=dict)
    reject_below: dict[str, float] = field(default_factory=dict)
    published: PictureRule | None = None

    def __post_init__(self) -> None:
        for name in ("classes", "reductions", "samp_rate_range", "frame_duration_range"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "reductions", tuple(_reduction(r) for r in self.reductions))
        if not self.name:
            raise ContractError("the contract has no name; give the model one")
        if self.family not in _FAMILIES:
            raise ContractError(f"geometry family {self.family!r} is unknown; this version runs {', '.join(_FAMILIES)}")
        self._check_family()
        kinds = [c.kind for c in self.classes]
        if len(kinds) < 2 or kinds[0] is not ClassKind.BACKGROUND or kinds.count(ClassKind.BACKGROUND) != 1:
            raise ContractError("classes must be a background first and at least one class that is none after it")
        if len({c.label for c in self.classes}) != len(kinds) or len(kinds) > NOT_INFERRED:
            raise ContractError(f"the labels {[c.label for c in self.classes]} must differ and number at most 255")
        self._check_ranges()
        self._check_calibration()

    def _check_family(self) -> None:
        expected: dict[str, tuple[Any, ...]] = {"window": ("hann",), "time_direction": ("forward",), "rows": (ROWS,)}
        if self.family == "published":
            expected = {"window": ("hann-symmetric",), "time_direction": ("reverse", "forward")}
            expected["reductions"] = ((Reduction.FIRST,),)
        for name, values in expected.items():
            if getattr(self, name) not in values:
                raise ContractError(
                    f"{name}={getattr(self, name)!r} does not belong to family {self.family!r}, expected"
                    f" {' or '.join(map(repr, values))}"
                )
        if self.family == "published" and self.rows not in PICTURE_SIZES:
            raise ContractError(f"rows={self.rows!r} is no size of a picture, expected {', '.join(map(str, PICTURE_SIZES))}")
        if (self.published is not None) != (self.family == "published"):
            has, wants = ("lacks", "has it") if self.published is None else ("has", "has none")
            raise ContractError(f"the contract {has} the field 'published', but family {self.family!r} {wants}")
        if self.published is not None and sorted(self.published.class_order or self.labels) != sorted(self.labels):
            raise ContractError(
                f"class_order={list(self.published.class_order)} must hold the labels {list(self.labels)}, each once"
            )

    def _check_calibration(self) -> None:
        if self.precision not in _PRECISIONS:
            raise ContractError(f"precision={self.precision!r} is unknown, expected one of {', '.join(_PRECISIONS)}")
        for name in ("calibration", "reject_below"):
            if not isinstance(getattr(self, name), dict):
                raise ContractError(f"{name} is a {type(getattr(self, name)).__name__}, expected an object")
        signals = self.labels[1:]
        for label, value in self.reject_below.items():
            if label not in signals or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise ContractError(
                    f"reject_below={{{label!r}: {value!r}}} must give one of the labels {', '.join(signals)} a confidence"
                    " of 0 to 1"
                )

    def _check_ranges(self) -> None:
        for name in ("samp_rate_range", "frame_duration_range"):
            values = getattr(self, name)
            if len(values) != 2 or not all(math.isfinite(v) for v in values) or not 0 < values[0] <= values[1]:
                raise ContractError(f"{name}={values!r} must be two positive numbers, the lower first")
        low, high = self.frame_duration_range
        if not low <= self.default_frame_duration <= high:
            raise ContractError(
                f"default_frame_duration={self.default_frame_duration:g} s lies outside {low:g} to {high:g} s"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels by class id."""
        return tuple(c.label for c in self.classes)

    def make_geometry(self, samp_rate: float, *, frame_duration: float | None = None) -> Geometry:
        """Geometry in which this model sees a stream or a recording of ``samp_rate`` Hz.

        Raises
        ------
        GeometryError
            If the rate or the frame duration (s) is outside the model's range; the message says
            which rates fit and how to resample.
        """
        low, high = self.samp_rate_range
        if not low <= samp_rate <= high:
            fits = f"not the {as_typed(low)} Hz" if low == high else f"outside the {as_typed(low)} to {as_typed(high)} Hz"
            raise GeometryError(
                f"samp_rate={samp_rate:g} Hz is {fits} of model {self.name!r}; {rate_remedy(samp_rate, low, high)}"
            )
        duration = self.default_frame_duration if frame_duration is None else frame_duration
        shortest, longest = self.frame_duration_range
        slack = 0.0 if self.published is None else _PUBLISHED_SLACK
        if not shortest * (1 - slack) <= duration <= longest * (1 + slack):
            raise GeometryError(
                f"frame_duration={duration:g} s is outside the {shortest:g} to {longest:g} s of model"
                f" {self.name!r}; choose one inside, {self.default_frame_duration:g} by default"
            )
        if self.published is not None:
            return make_picture_geometry(self.rows, samp_rate, frame_duration=duration)
        return replace(make_geometry(samp_rate, frame_duration=duration), reductions=self.reductions)

    def to_metadata(self) -> dict[str, str]:
        """The ONNX metadata entry that carries this contract."""
        fields = {"version": CONTRACT_VERSION, **asdict(self)}
        if self.published is None:
            del fields["published"]  # so that releases without the family can read the file
        return {METADATA_KEY: json.dumps(fields, sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str], *, source: str = "the model") -> Contract:
        """Inverse of :meth:`to_metadata`; ``source`` names the file in messages.

        Raises
        ------
        ContractError
            If there is no contract, it is of another version, or a field is missing, unknown or wrong.
        """
        if METADATA_KEY not in metadata:
            raise ContractError(
                f"{source} carries no contract (metadata entry {METADATA_KEY!r}), so its rates, scaling and classes"
                " are unknown; use a model exported by rfseg"
            )
        try:
            fields = json.loads(metadata[METADATA_KEY])
            if not isinstance(fields, dict):
                raise ContractError(f"holds a {type(fields).__name__}, expected a JSON object")
            version = fields.pop("version", None)
            if version != CONTRACT_VERSION:
                raise ContractError(f"has version {version!r}, this rfseg reads {CONTRACT_VERSION}; use a matching release")
            return cls(
                **{
                    **fields,
                    "classes": tuple(SignalClass(**c) for c in fields["classes"]),
                    "golden": Golden(**fields["golden"]),
                    **({"published": PictureRule(**fields["published"])} if fields.get("published") else {}),
                }
            )
        except (ContractError, KeyError, TypeError, ValueError) as error:
            reason = f"lacks the field {error}" if isinstance(error, KeyError) else str(error)
            raise ContractError(f"the contract of {source} is not valid: {reason}") from error


def write_contract(path: Path, contract: Contract) -> None:
    """Write the contract into an ONNX file, in place of any that it carries.

    Raises
    ------
    BackendUnavailableError
        If the ``onnx`` package is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise BackendUnavailableError(
            "writing a contract needs the onnx package: pip install 'rfseg[train]'"
        ) from error
    model = onnx.load(str(path))
    others = {p.key: p.value for p in model.metadata_props if p.key != METADATA_KEY}
    onnx.helper.set_model_props(model, {**others, **contract.to_metadata()})
    onnx.save(model, str(path))


def _reduction(value: Any) -> Reduction:
    try:
        return Reduction(value)
    except ValueError:
        names = ", ".join(r.value for r in Reduction)
        raise ContractError(f"reduction {value!r} is unknown, expected one of {names}") from None
