# SPDX-License-Identifier: GPL-3.0-or-later
"""Radios by SoapySDR and UHD: which there are, and one of them as a source."""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from typing import Any, Callable

import pmt
from rfseg.errors import BackendUnavailableError, OptionError, SourceError
from rfseg.live.sources import RadioSettings, UhdSettings

__all__ = ["SoapyRadio", "UhdRadio", "find_radios", "list_soapy", "list_uhd"]

_FORMATS = {"complex64": "fc32", "int16": "sc16", "int8": "sc8"}
_RATE_TOLERANCE = 1e-6  # share; a radio's clock is no better


class SoapyRadio:
    """A radio by SoapySDR, with what a command may set."""

    name = "SoapySDR"
    silence_hint, error_hint = "", ""
    gain: float | str | dict[str, float] | None = None

    def __init__(self, settings: RadioSettings) -> None:
        try:
            from gnuradio import soapy
        except ImportError as error:
            raise BackendUnavailableError("the source 'soapy' needs gr-soapy: apt-get install gnuradio") from error
        self.settings = settings
        make = lambda: soapy.source(  # noqa: E731
            settings.device, _FORMATS[settings.item_type], 1, "", settings.stream_args, [""], [""]
        )
        self.block = _open(make, self, list_soapy)
        source = self.block
        _apply(self, "samp_rate", settings.samp_rate, lambda rate: source.set_sample_rate(0, rate))
        self.samp_rate = _rate(self, source.get_sample_rate(0))
        if settings.clock_source is not None:
            _apply(self, "clock_source", settings.clock_source, source.set_clock_source)
        if settings.time_source is not None:
            _apply(self, "time_source", settings.time_source, source.set_time_source)
        if settings.antenna is not None:
            _apply(self, "antenna", settings.antenna, lambda name: source.set_antenna(0, name))
        if settings.bandwidth is not None:
            _apply(self, "bandwidth", settings.bandwidth, lambda width: source.set_bandwidth(0, width))
        self.tune(settings.center_freq)
        if settings.gain is not None:
            self.set_gain(settings.gain)
        if settings.set_time and source.has_hardware_time(""):
            source.set_hardware_time(time.time_ns(), "")

    def has_died(self) -> bool:
        """Silence tells it, too."""
        return False

    def list_found(self) -> list[str]:
        """The radios that there are."""
        return list_soapy()

    def check_tuning(self, center_freq: float) -> None:
        """Refuse what is out of range, Hz."""
        ranges = [(entry.minimum(), entry.maximum()) for entry in self.block.get_frequency_range(0)]
        _check_range("center_freq", center_freq, ranges, "Hz")

    def tune(self, center_freq: float) -> None:
        """Set the RF centre, Hz."""
        self.check_tuning(center_freq)
        _apply(self, "center_freq", center_freq, lambda freq: self.block.set_frequency(0, freq))
        self.center_freq = center_freq

    def set_gain(self, gain: float | str | dict[str, float]) -> None:
        """Set the gain, dB: of the whole, of its stages, or ``auto``."""
        if self.block.has_gain_mode(0):
            _apply(self, "gain", gain, lambda value: self.block.set_gain_mode(0, value == "auto"))
        elif gain == "auto":
            raise OptionError("gain='auto': the radio has no automatic gain; give dB")
        for stage, value in gain.items() if isinstance(gain, dict) else ():
            _apply(self, f"gain of {stage}", value, lambda level: self.block.set_gain(0, stage, level))
        if isinstance(gain, (int, float)):
            limits = self.block.get_gain_range(0)
            _check_range("gain", gain, [(limits.minimum(), limits.maximum())], "dB")
            _apply(self, "gain", float(gain), lambda value: self.block.set_gain(0, value))
        self.gain = gain


class UhdRadio:
    """A USRP by UHD, with what a command may set."""

    name = "UHD"
    silence_hint, error_hint = "", ""
    gain: float | str | dict[str, float] | None = None

    def __init__(self, settings: UhdSettings) -> None:
        try:
            from gnuradio import uhd
        except ImportError as error:
            raise BackendUnavailableError("the source 'uhd' needs gr-uhd: apt-get install gnuradio") from error
        self.settings = settings
        stream = uhd.stream_args(
            cpu_format=_FORMATS[settings.item_type], args=settings.stream_args, channels=[settings.channel]
        )
        self.block = _open(lambda: uhd.usrp_source(settings.device, stream), self, list_uhd)
        source = self.block
        if settings.subdev is not None:
            _apply(self, "subdev", settings.subdev, source.set_subdev_spec)
        if settings.clock_source is not None:
            _apply(self, "clock_source", settings.clock_source, source.set_clock_source)
        if settings.time_source is not None:
            _apply(self, "time_source", settings.time_source, source.set_time_source)
        _apply(self, "samp_rate", settings.samp_rate, source.set_samp_rate)
        self.samp_rate = _rate(self, source.get_samp_rate())
        if settings.antenna is not None:
            _apply(self, "antenna", settings.antenna, source.set_antenna)
        if settings.bandwidth is not None:
            _apply(self, "bandwidth", settings.bandwidth, source.set_bandwidth)
        self.tune(settings.center_freq)
        if settings.gain is not None:
            self.set_gain(settings.gain)
        if settings.set_time:
            whole, rest = divmod(time.time_ns(), 10**9)
            source.set_time_now(uhd.time_spec(whole, rest * 1e-9))

    def has_died(self) -> bool:
        """Silence tells it, too."""
        return False

    def list_found(self) -> list[str]:
        """The radios that there are."""
        return list_uhd()

    def check_tuning(self, center_freq: float) -> None:
        """Refuse what is out of range, Hz."""
        limits = self.block.get_freq_range()
        _check_range("center_freq", center_freq, [(limits.start(), limits.stop())], "Hz")

    def tune(self, center_freq: float) -> None:
        """Set the RF centre, Hz; a tag says where."""
        self.check_tuning(center_freq)
        _apply(self, "center_freq", center_freq, self.block.set_center_freq)
        self.block.to_basic_block()._post(pmt.intern("command"), pmt.to_pmt({"tag": True}))
        self.center_freq = center_freq

    def set_gain(self, gain: float | str | dict[str, float]) -> None:
        """Set the gain, dB: of the whole, of its stages, or ``auto``."""
        if self.gain == "auto" != gain:
            _apply(self, "gain", gain, lambda _: self.block.set_rx_agc(False, 0))
        if isinstance(gain, dict):
            for stage, value in gain.items():
                _apply(self, f"gain of {stage}", value, lambda level: self.block.set_gain(level, stage, 0))
        elif gain == "auto":
            _apply(self, "gain", gain, lambda _: self.block.set_rx_agc(True, 0))
        else:
            limits = self.block.get_gain_range()
            _check_range("gain", gain, [(limits.start(), limits.stop())], "dB")
            _apply(self, "gain", float(gain), self.block.set_gain)
        self.gain = gain


def find_radios() -> list[dict[str, str]]:
    """``driver`` and ``arguments`` of each radio that SoapySDR or UHD finds."""
    finders = (("soapy", list_soapy), ("uhd", list_uhd))
    return [{"driver": driver, "arguments": text} for driver, find in finders for text in find()]


def list_uhd() -> list[str]:
    """Arguments of the USRPs that UHD finds."""
    try:
        from gnuradio import uhd
    except ImportError:
        return []
    return [device.to_string() for device in uhd.find("")]


class _Kwargs(ctypes.Structure):
    """SoapySDRKwargs of SoapySDR/Types.h."""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("keys", ctypes.POINTER(ctypes.c_char_p)),
        ("values", ctypes.POINTER(ctypes.c_char_p)),
    ]


def list_soapy() -> list[str]:
    """Arguments of the radios that SoapySDR finds.

    gr-soapy cannot list them, and SoapySDR's own Python module is a package apart: this asks its C library.
    """
    name = ctypes.util.find_library("SoapySDR")
    if name is None:
        return []
    library = ctypes.CDLL(name)
    enumerate_devices = library.SoapySDRDevice_enumerateStrArgs
    enumerate_devices.restype = ctypes.POINTER(_Kwargs)
    enumerate_devices.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t)]
    clear = library.SoapySDRKwargsList_clear
    clear.restype, clear.argtypes = None, [ctypes.POINTER(_Kwargs), ctypes.c_size_t]
    count = ctypes.c_size_t()
    found = enumerate_devices(b"", ctypes.byref(count))
    lines = [
        ", ".join(f"{entry.keys[i].decode()}={entry.values[i].decode()}" for i in range(entry.size))
        for entry in (found[i] for i in range(count.value))
    ]
    clear(found, count)
    return lines


def _open(make: Callable[[], Any], radio: Any, list_found: Callable[[], list[str]]) -> Any:
    """The driver's block; what the driver raises, as an error that says what there is."""
    try:
        return make()
    except (RuntimeError, ValueError) as error:
        found = list_found()
        there = f"found: {'; '.join(found)}" if found else "no radio was found; is it connected, powered, its driver installed?"
        reason = str(error).replace("\n", " ")
        raise SourceError(f"{radio.name} cannot open the radio {radio.settings.device!r}: {reason}; {there}") from None


def _apply(radio: Any, name: str, value: Any, apply: Callable[[Any], Any]) -> None:
    """Set one thing; what the driver refuses is an error of the settings."""
    try:
        apply(value)
    except (RuntimeError, ValueError, TypeError, LookupError) as error:
        raise OptionError(f"{name}={value!r} is refused by {radio.name}: {error}") from None


def _check_range(name: str, value: float, ranges: list[tuple[float, float]], unit: str) -> None:
    """Refuse what the radio cannot; a radio that tells no range decides itself."""
    if ranges and not any(low <= value <= high for low, high in ranges):
        spans = ", ".join(f"{low:g} to {high:g}" for low, high in ranges)
        raise OptionError(f"{name}={value:g} {unit} is outside what the radio can: {spans} {unit}")


def _rate(radio: Any, actual: float) -> float:
    """The rate that the radio runs at, Hz; one that differs is refused."""
    wanted = radio.settings.samp_rate
    if abs(actual - wanted) > _RATE_TOLERANCE * wanted:
        raise OptionError(f"samp_rate={wanted:g} Hz: the radio runs at {actual:.10g} Hz instead; set a rate that it has")
    return actual
