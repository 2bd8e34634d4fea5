# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources by their settings: each has the block, its rate, and what a command may change."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pmt
from gnuradio import gr
from rfseg.errors import OptionError, SourceError
from rfseg.live.sources import FileSettings, SoapySettings, SourceSettings, UhdSettings, ZeromqSettings
from rfseg.sigmf import open_recording

from ..recording_source import recording_source
from .radios import SoapyRadio, UhdRadio

__all__ = ["LiveSource", "RecordingPlayer", "ZeromqStream", "end_stream", "make_source"]

_THREADS = Path("/proc/self/task")
_LONGEST_NAME = 15  # letters that Linux keeps of a thread's name, which GNU Radio makes of the block's
_REQUEST_LOST = "; if the sender was started anew, start this program anew: a request to one that is gone is never answered"


class LiveSource(Protocol):
    """What the receiver needs of a source; methods raise ``OptionError`` where they refuse."""

    settings: SourceSettings
    name: str
    block: gr.basic_block
    samp_rate: float  # Hz
    center_freq: float | None  # Hz
    gain: float | str | dict[str, float] | None  # dB
    silence_hint: str | None  # what may be the matter where no samples come; None: nothing, it may be silent
    error_hint: str  # what may be the matter where it has died

    def has_died(self) -> bool:
        """Whether an error has ended it without the stream's end."""

    def list_found(self) -> list[str]:
        """What else could be received from."""

    def check_tuning(self, center_freq: float) -> None:
        """Refuse what :meth:`tune` would."""

    def tune(self, center_freq: float) -> None:
        """Set the RF centre, Hz."""

    def set_gain(self, gain: float | str) -> None:
        """Set the gain, dB or ``auto``."""


class _NoRadio:
    """Of a source that is none."""

    gain = silence_hint = None
    error_hint = ""

    def has_died(self) -> bool:
        """It tells by itself."""
        return False

    def list_found(self) -> list[str]:
        """Nothing can be listed."""
        return []

    def set_gain(self, gain: float | str) -> None:
        """Refuse."""
        raise OptionError(f"gain={gain!r}: the source {self.settings.kind!r} has no gain; only radios have")


class ZeromqStream(_NoRadio):
    """IQ by ZeroMQ."""

    name = "ZeroMQ"
    error_hint = "; pass_tags and item_type must be those of the sender's sink"

    def __init__(self, settings: ZeromqSettings, item_size: int) -> None:
        from gnuradio import zeromq

        make = {"sub": zeromq.sub_source, "pull": zeromq.pull_source, "req": zeromq.req_source}[settings.socket]
        self.settings, self.samp_rate, self.center_freq = settings, settings.samp_rate, settings.center_freq
        sink = {"sub": "PUB", "pull": "PUSH", "req": "REP"}[settings.socket]
        self.silence_hint = f" for a {sink} sink at {settings.address}" + _REQUEST_LOST * (settings.socket == "req")
        try:
            self.block = make(item_size, 1, settings.address, pass_tags=settings.pass_tags)
        except RuntimeError as error:
            raise SourceError(f"ZeroMQ cannot connect to {settings.address!r}: {error}; correct the address") from None

    def has_died(self) -> bool:
        """Whether the block's thread is gone: an error in C++ ends it, GNU Radio logs that and the flowgraph runs on."""
        name = f"{self.block.name()}{self.block.unique_id()}"[:_LONGEST_NAME]
        threads = _thread_names()
        return bool(threads) and name not in threads and not self.block.detail().done()

    def check_tuning(self, center_freq: float) -> None:
        """Any will do."""

    def tune(self, center_freq: float) -> None:
        """Take note of where the sender is tuned to, Hz; this end cannot tune it."""
        self.center_freq = center_freq


class RecordingPlayer(_NoRadio):
    """A recording on disk."""

    name = "file"

    def __init__(self, settings: FileSettings) -> None:
        self.recording = open_recording(
            settings.path, samp_rate=settings.samp_rate, datatype=settings.datatype, center_freq=settings.center_freq
        )
        self.settings, self.samp_rate = settings, self.recording.samp_rate
        self.center_freq = self.recording.center_freq
        self.block = recording_source(self.recording, is_paced=settings.is_paced, is_repeated=settings.repeat)

    def check_tuning(self, center_freq: float) -> None:
        """Refuse."""
        raise OptionError(f"center_freq={center_freq:g} Hz: a file cannot be tuned; only radios can")

    tune = check_tuning


def make_source(settings: SourceSettings, item_sizes: dict[str, int]) -> LiveSource:
    """The source that the settings describe, ready to start.

    Raises
    ------
    SourceError
        If the radio is missing; the message says what was found.
    OptionError, RecordingError
        If it refuses a setting, or the file is of no use.
    """
    if isinstance(settings, FileSettings):
        source = RecordingPlayer(settings)
    elif isinstance(settings, ZeromqSettings):
        source = ZeromqStream(settings, item_sizes[settings.item_type])
    else:
        source = {SoapySettings: SoapyRadio, UhdSettings: UhdRadio}[type(settings)](settings)
    wanted = int(settings.buffer * source.samp_rate)
    if wanted:
        source.block.set_min_output_buffer(0, wanted)  # of all ports, GNU Radio would log it
    return source


def _thread_names() -> set[str]:
    """Names of the threads of this process; none where the system does not tell."""
    names = set()
    for file in _THREADS.glob("*/comm"):
        with suppress(OSError):  # it has just ended
            names.add(file.read_text().strip())
    return names


def end_stream(block: gr.basic_block) -> None:
    """End the stream at a block: a recording at once, others as soon as they have nothing to give."""
    if isinstance(block, recording_source):
        block.end()
    else:
        done = pmt.cons(pmt.intern("done"), pmt.from_long(1))  # what GNU Radio's blocks tell each other
        block.to_basic_block()._post(pmt.intern("system"), done)
