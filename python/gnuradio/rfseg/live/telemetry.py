# SPDX-License-Identifier: GPL-3.0-or-later
"""What the chain and the recorder say of themselves on their ``status`` ports, kept and told on."""

from __future__ import annotations

from typing import Any, Callable

import pmt
from rfseg.errors import BandError
from rfseg.framequeue import LogPace

from ..messages import event_from_pmt
from ..rfseg_python import keys

__all__ = ["Telemetry"]

_SAME_FREQ = 1e-3  # Hz; closer centres are one


class Telemetry:
    """Counters and the newest problem.

    Parameters
    ----------
    center_freq : float or None
        RF centre at the start, Hz.
    on_note : callable
        Told in a line what a user should know.
    """

    def __init__(self, center_freq: float | None, on_note: Callable[[str], None]) -> None:
        self._center_freq, self._note = center_freq, on_note
        self._gap_pace = LogPace()
        # Fields of a LiveStatus.
        self.counters: dict[str, Any] = {
            "overflows": 0, "gaps": 0, "lost_samples": 0, "retunes": 0, "queue_depth": 0, "inference_ms": 0.0, "problem": ""
        }  # fmt: skip
        self.failure = ""  # why the chain cannot go on

    def hear_chain(self, message: pmt.pmt_base) -> None:
        """Take a ``status`` message of RF Segmenter."""
        event, said = self._read(message)
        if event == keys.PROGRESS:
            self.counters.update(queue_depth=said[keys.QUEUE_DEPTH], inference_ms=said[keys.INFERENCE_MS])
        elif event == keys.OVERFLOW:
            self.counters["overflows"] = said[keys.OVERFLOWS]
        elif event == keys.RETUNE:
            before, self._center_freq = self._center_freq, said[keys.CENTER_FREQ]
            self.counters["retunes"] += before is None or abs(self._center_freq - before) > _SAME_FREQ
        elif event == keys.GAP:
            self.counters.update(gaps=said[keys.GAPS], lost_samples=said[keys.TOTAL])
            if self._gap_pace.is_due():
                self._note(f"gap at sample {said[keys.SAMPLE]}: {said[keys.LOST_SAMPLES]} samples lost")
        elif event == keys.MODEL:
            self._note(f"model {said[keys.MODEL]} is in use")
        elif event in (keys.MODEL_REFUSED, keys.UNSUPPORTED_RATE, keys.FAILED):
            self._note_problem(f"{event}: {said[keys.REASON]}")
            if event == keys.FAILED:
                self.failure = str(said[keys.REASON])

    def hear_recorder(self, message: pmt.pmt_base) -> None:
        """Take a ``status`` message of SigMF Recorder; whatever happens to it, sensing goes on."""
        event, said = self._read(message)
        if event in ("finished", "recovered", "deleted"):
            self._note(f"recording {event}: {said['path']}")
        elif keys.REASON in said:
            self._note_problem(f"recording {event}: {said[keys.REASON]}")

    def forget_problem(self, begins: str) -> None:
        """The newest problem is none any more, if its text begins so."""
        if self.counters["problem"].startswith(begins):
            self.counters["problem"] = ""

    def _note_problem(self, text: str) -> None:
        self.counters["problem"] = text
        self._note(text)

    def _read(self, message: pmt.pmt_base) -> tuple[str, dict[str, Any]]:
        try:
            return event_from_pmt(message)[1:]
        except BandError as error:
            self._note(f"a status message is left out: {error}")
            return "", {}
