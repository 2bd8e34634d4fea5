# SPDX-License-Identifier: GPL-3.0-or-later
"""Band Logger: bands to a file of JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import pmt
from gnuradio import gr
from rfseg.bandlines import band_to_json
from rfseg.errors import BandError
from rfseg.framequeue import LogPace

from .messages import BandsMessage
from .rfseg_python import keys

__all__ = ["band_logger"]


class band_logger(gr.basic_block):
    """Writes every band into a file, one JSON object per line, as ``rfseg segment`` does.

    Stream in: none.
    Stream out: none.
    Messages in: ``bands``.
    Messages out: none.
    Tags: none.
    Latency: a line is in the file when the message has been handled.
    Threads: the block's own.

    Parameters
    ----------
    path : str or Path
        File to write; one that exists is replaced when the flowgraph starts.
    """

    def __init__(self, path: str | Path) -> None:
        gr.basic_block.__init__(self, name="band_logger", in_sig=None, out_sig=None)
        self._path = Path(path)
        if not self._path.parent.is_dir():
            raise BandError(f"folder {str(self._path.parent)!r} of path does not exist; create it first")
        self._file: TextIO | None = None
        self._bands = self._bad_messages = 0
        self._bad_message_pace = LogPace()
        self.message_port_register_in(pmt.intern(keys.BANDS))
        self.set_msg_handler(pmt.intern(keys.BANDS), self._on_bands)

    def bands(self) -> int:
        """Bands written so far in this run."""
        return self._bands

    def start(self) -> bool:
        """Open the file."""
        self._bands = self._bad_messages = 0
        self._file = self._path.open("w", encoding="utf-8")
        return True

    def stop(self) -> bool:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        return True

    def _on_bands(self, message: pmt.pmt_base) -> None:
        try:
            bands = BandsMessage.from_pmt(message)
        except BandError as error:
            self._bad_messages += 1
            if self._bad_message_pace.is_due():
                self.logger.warn(f"a message is ignored: {error}; {self._bad_messages} so far")
            return
        if self._file is None:
            return
        for band in bands.bands:
            self._file.write(band_to_json(band, bands.tag.frame) + "\n")
        self._file.flush()
        self._bands += len(bands.bands)
