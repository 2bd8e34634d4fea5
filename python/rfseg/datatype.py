"""How complex samples are stored: SigMF's datatypes and what GNU Radio, UHD and SoapySDR call them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from .errors import RecordingError

__all__ = ["DATATYPE_ALIASES", "Datatype"]

DATATYPE_ALIASES = {
    "complex64": "cf32_le",
    "complex128": "cf64_le",
    "fc32": "cf32_le",
    "fc64": "cf64_le",
    "int32": "ci32_le",
    "int16": "ci16_le",
    "int8": "ci8",
    "uint16": "cu16_le",
    "uint8": "cu8",
    "sc32": "ci32_le",
    "sc16": "ci16_le",
    "sc8": "ci8",
    "cs32": "ci32_le",
    "cs16": "ci16_le",
    "cs8": "ci8",
}
_PATTERN = re.compile(r"(?P<form>[cr])(?P<kind>f32|f64|[iu](?:32|16|8))(?:_(?P<order>le|be))?")


@dataclass(frozen=True, kw_only=True)
class Datatype:
    """How one complex sample is stored: SigMF's ``core:datatype``.

    Parameters
    ----------
    name : str
        SigMF's name, such as ``ci16_le``.
    component : numpy.dtype
        Of I and of Q.

    Examples
    --------
    >>> Datatype.from_name("sc16").name
    'ci16_le'
    >>> Datatype.from_name("cu8").to_complex64(np.array([0, 128, 192, 128], np.uint8))
    array([-1. +0.j,  0.5+0.j], dtype=complex64)
    """

    name: str
    component: np.dtype

    @property
    def sample_bytes(self) -> int:
        """Bytes of one complex sample."""
        return 2 * self.component.itemsize

    @classmethod
    def from_name(cls, name: str, *, source: str = "the recording") -> Datatype:
        """Datatype of a SigMF name or of one of :data:`DATATYPE_ALIASES`; no byte order means little.

        Raises
        ------
        RecordingError
            If the name is unknown, or stands for real samples.
        """
        match = _PATTERN.fullmatch(DATATYPE_ALIASES.get(name, name)) if isinstance(name, str) else None
        if match is None:
            raise RecordingError(
                f"datatype {name!r} of {source} is unknown; expected cf32, cf64, ci32, ci16, cu32 or cu16 with _le or"
                f" _be, ci8, cu8, or one of {', '.join(DATATYPE_ALIASES)}"
            )
        if match["form"] == "r":
            raise RecordingError(
                f"datatype {name!r} of {source} holds real samples, expected complex ones (c...); convert it to complex"
                " baseband first: mix it down by a quarter of its rate, low-pass, keep every second sample"
            )
        kind, size = match["kind"][0], int(match["kind"][1:]) // 8
        order = "" if size == 1 else f"_{match['order'] or 'le'}"
        return cls(name=f"c{match['kind']}{order}", component=np.dtype(f"{'>' if order == '_be' else '<'}{kind}{size}"))

    def to_complex64(self, components: np.ndarray) -> np.ndarray:
        """Samples of interleaved I and Q: complex64 ``(n,)``, full scale 1, unsigned types centred."""
        kind, bits = self.component.kind, 8 * self.component.itemsize
        if kind == "f":
            with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite, and counted as such
                return components.astype(np.float32).view(np.complex64)
        scaled = components.astype(np.float64 if bits == 32 else np.float32)
        if kind == "u":
            scaled -= 2.0 ** (bits - 1)
        scaled *= 2.0 ** (1 - bits)
        return scaled.astype(np.float32, copy=False).view(np.complex64)
