"""Settings of what a receiver receives from: a radio, a ZeroMQ stream or a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..errors import OptionError

__all__ = [
    "SOURCES",
    "FileSettings",
    "RadioSettings",
    "SoapySettings",
    "SourceSettings",
    "UhdSettings",
    "ZeromqSettings",
]

_ITEM_TYPES = ("complex64", "int16", "int8")
_PACES = ("clock", "none")
_SOCKETS = ("sub", "pull", "req")
_RADIO_STALL = 5.0  # s without a sample after which a radio is taken for lost
_FILE_STALL = 60.0  # s; in lossless mode a file waits for inference
_RADIO_BUFFER = 50e-3  # s; what a busy machine may be away for
_FILE_BUFFER = 20e-3  # s; read in pieces of some size


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """What all sources have.

    Parameters
    ----------
    kind : str
        Key of :data:`SOURCES`.
    settling : float
        Time after a retune in which samples are not good, s.
    buffer : float
        Samples that may wait behind the source, s; 0 for GNU Radio's choice.
    stall_timeout : float
        A source that gives no sample for so long has failed, s; 0: it may.
    """

    can_wait: ClassVar[bool] = False  # whether a lossless chain may hold it up
    is_paced: ClassVar[bool] = True

    kind: str
    settling: float = 0.0
    buffer: float = 0.0
    stall_timeout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("settling", "buffer", "stall_timeout"):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionError(f"{name}={getattr(self, name)!r} must be a time in s, 0 or more")


@dataclass(frozen=True, kw_only=True)
class _StreamSettings(SourceSettings):
    """What radios and ZeroMQ have.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second, Hz.
    item_type : str
        ``complex64``, ``int16`` or ``int8``.
    """

    samp_rate: float
    item_type: str = "complex64"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.samp_rate < math.inf:
            raise OptionError(f"samp_rate={self.samp_rate!r} must be a rate above 0, in Hz")
        if self.item_type not in _ITEM_TYPES:
            raise OptionError(f"item_type={self.item_type!r} is unknown, expected one of {', '.join(_ITEM_TYPES)}")


@dataclass(frozen=True, kw_only=True)
class RadioSettings(_StreamSettings):
    """What both drivers of radios have.

    Parameters
    ----------
    center_freq : float
        RF centre, Hz.
    device : str
        Which radio, as the driver's arguments say it: ``driver=lime,serial=...`` or ``addr=192.168.10.2``.
    stream_args : str
        Arguments of the stream.
    antenna : str or None
    gain : float, "auto", table of floats, or None
        dB: of the whole; of the stages by name; ``auto`` where the radio can; None for the driver's.
    bandwidth : float or None
        Of the analog filter, Hz.
    clock_source, time_source : str or None
        ``internal``, ``external``, ``gpsdo`` ...
    set_time : bool
        Whether the radio's clock is set to this machine's before the start.
    """

    center_freq: float
    device: str = ""
    stream_args: str = ""
    antenna: str | None = None
    gain: float | str | dict[str, float] | None = None
    bandwidth: float | None = None
    clock_source: str | None = None
    time_source: str | None = None
    set_time: bool = True
    buffer: float = _RADIO_BUFFER
    stall_timeout: float = _RADIO_STALL

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.center_freq):
            raise OptionError(f"center_freq={self.center_freq!r} must be a frequency in Hz")
        if isinstance(self.gain, str) and self.gain != "auto":
            raise OptionError(f"gain={self.gain!r} is neither a number of dB, a table of them nor 'auto'")
        if self.bandwidth is not None and not 0 < self.bandwidth < math.inf:
            raise OptionError(f"bandwidth={self.bandwidth!r} must be above 0, in Hz")


@dataclass(frozen=True, kw_only=True)
class SoapySettings(RadioSettings):
    """A radio by SoapySDR."""

    kind: str = "soapy"


@dataclass(frozen=True, kw_only=True)
class UhdSettings(RadioSettings):
    """A USRP by UHD; ``channel`` and ``subdev`` choose its input."""

    kind: str = "uhd"
    channel: int = 0
    subdev: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channel < 0:
            raise OptionError(f"channel={self.channel} must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class ZeromqSettings(_StreamSettings):
    """IQ by ZeroMQ, as gr-zeromq's sinks send it.

    Parameters
    ----------
    address : str
        What to connect to, such as ``tcp://192.168.1.5:5555``.
    socket : str
        ``sub`` (to a PUB sink), ``pull`` (to a PUSH sink) or ``req`` (to a REP sink).
    pass_tags : bool
        Whether the sender's messages carry tags; both ends must agree.
    center_freq : float or None
        RF centre that the sender is tuned to, Hz.
    """

    kind: str = "zeromq"
    address: str
    socket: str = "sub"
    pass_tags: bool = False
    center_freq: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if "://" not in self.address:
            raise OptionError(f"address={self.address!r} names no transport; write such as tcp://127.0.0.1:5555")
        if self.socket not in _SOCKETS:
            raise OptionError(f"socket={self.socket!r} is unknown, expected one of {', '.join(_SOCKETS)}")

    @property
    def can_wait(self) -> bool:
        """All but a publisher wait for their receiver."""
        return self.socket != "sub"


@dataclass(frozen=True, kw_only=True)
class FileSettings(SourceSettings):
    """A recording.

    Parameters
    ----------
    path : str
        SigMF, or raw IQ with rate and datatype.
    pace : str
        ``clock``: as fast as a radio would give it; ``none``: as fast as inference goes, in lossless mode.
    repeat : bool
        Whether it begins anew at its end.
    samp_rate, datatype, center_freq
        What the file does not say itself.
    """

    can_wait: ClassVar[bool] = True

    kind: str = "file"
    path: str
    pace: str = "clock"
    repeat: bool = False
    samp_rate: float | None = None
    datatype: str | None = None
    center_freq: float | None = None
    buffer: float = _FILE_BUFFER
    stall_timeout: float = _FILE_STALL

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pace not in _PACES:
            raise OptionError(f"pace={self.pace!r} is unknown, expected one of {', '.join(_PACES)}")

    @property
    def is_paced(self) -> bool:
        """Whether it keeps the pace of a clock."""
        return self.pace == "clock"


SOURCES: dict[str, type[SourceSettings]] = {
    "soapy": SoapySettings,
    "uhd": UhdSettings,
    "zeromq": ZeromqSettings,
    "file": FileSettings,
}
