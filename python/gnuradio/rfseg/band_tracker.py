# SPDX-License-Identifier: GPL-3.0-or-later
"""Band Tracker: bands in, the same bands with the numbers of their tracks out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Iterable

import pmt
from gnuradio import gr
from rfseg.contract import Contract
from rfseg.errors import BandError
from rfseg.framequeue import LogPace
from rfseg.inference import DEFAULT_MODEL
from rfseg.modelfile import load_contract
from rfseg.pipeline import FrameState
from rfseg.tracking import BandTracker, EventKind, TrackEvent, TrackRules

from .endings import ends_safely
from .message_queues import LeftOver
from .messages import BandsMessage
from .rfseg_python import keys
from .track_messages import track_event_to_pmt

__all__ = ["band_tracker"]


class band_tracker(gr.basic_block):
    """Follows bands from frame to frame: each gets the number of its track, each track an onset and an end.

    Stream in: none.
    Stream out: none.
    Messages in: ``bands``.
    Messages out: ``bands``, each message of the input with the same watermark, its bands with the key ``track``;
    ``tracks``, one per onset, update and end of a track.
    Tags: none; Band Tagger behind this block writes ``band_start`` with ``track``.
    Latency: none for bands; an onset is told when it is confirmed, an end when the hold is over.
    Threads: the block's own.

    Parameters
    ----------
    model : str, Path or Contract
        Name or file of the model that the bands come from; its contract tells carriers from pulsed signals.
    hold : float
        A carrier that was not seen for longer has ended, s.
    pulse_hold : float
        The same for a pulsed signal, s.
    confirm_hits, confirm_window : int
        A carrier is confirmed by bands in so many of so many frames, a pulsed signal by so many pulses.
    min_overlap : float
        A band continues a carrier if they share more than this of the width that both cover, 0.5 to 1.
    max_absence : float
        A track out of view for longer, after a retune, has ended, s.
    update_interval : float
        Time between two updates of a track, s.
    drop_unconfirmed : bool
        Whether bands of tracks that are not yet confirmed are left out.
    """

    def __init__(
        self,
        *,
        model: str | Path | Contract = DEFAULT_MODEL,
        hold: float = TrackRules.hold,
        pulse_hold: float = TrackRules.pulse_hold,
        confirm_hits: int = TrackRules.confirm_hits,
        confirm_window: int = TrackRules.confirm_window,
        min_overlap: float = TrackRules.min_overlap,
        max_absence: float = TrackRules.max_absence,
        update_interval: float = TrackRules.update_interval,
        drop_unconfirmed: bool = TrackRules.drop_unconfirmed,
    ) -> None:
        gr.basic_block.__init__(self, name="band_tracker", in_sig=None, out_sig=None)
        self._classes = (model if isinstance(model, Contract) else load_contract(model)).classes
        self._rules = TrackRules(
            hold=hold,
            pulse_hold=pulse_hold,
            confirm_hits=confirm_hits,
            confirm_window=confirm_window,
            min_overlap=min_overlap,
            max_absence=max_absence,
            update_interval=update_interval,
            drop_unconfirmed=drop_unconfirmed,
        )
        self._left_over = LeftOver(keys.BANDS)
        self._bad_message_pace = LogPace()
        self._reset()
        self.message_port_register_in(pmt.intern(keys.BANDS))
        self.message_port_register_out(pmt.intern(keys.BANDS))
        self.message_port_register_out(pmt.intern(keys.TRACKS))
        self.set_msg_handler(pmt.intern(keys.BANDS), self._on_bands)

    # -- what scripts may ask and set while the flowgraph runs

    def set_hold(self, hold: float) -> None:
        """A carrier that was not seen for longer has ended, s; from the next frame on."""
        self._set_rules(hold=hold)

    def set_pulse_hold(self, pulse_hold: float) -> None:
        """The same for a pulsed signal, s; from the next frame on."""
        self._set_rules(pulse_hold=pulse_hold)

    def set_max_absence(self, max_absence: float) -> None:
        """A track out of view for longer has ended, s; from the next frame on."""
        self._set_rules(max_absence=max_absence)

    def set_update_interval(self, update_interval: float) -> None:
        """Time between two updates of a track, s; from the next frame on."""
        self._set_rules(update_interval=update_interval)

    def set_drop_unconfirmed(self, drop_unconfirmed: bool) -> None:
        """Whether bands of tracks that are not yet confirmed are left out; from the next frame on."""
        self._set_rules(drop_unconfirmed=drop_unconfirmed)

    def set_rules(self, rules: TrackRules) -> None:
        """All rules at once; from the next frame on."""
        self._rules = self._tracker.rules = rules

    def rules(self) -> TrackRules:
        """The rules in use."""
        return self._rules

    def open_tracks(self) -> int:
        """Tracks that are confirmed and have not ended."""
        return self._tracker.open_tracks

    def onsets(self) -> int:
        """Tracks confirmed so far in this run."""
        return self._onsets

    def bad_messages(self) -> int:
        """Messages that made no sense in this run."""
        return self._bad_messages

    # -- what the scheduler calls

    def start(self) -> bool:
        """Begin a run; what the run before left in the queue speaks of other samples."""
        self._left_over.forget(self)
        self._reset()
        return True

    @ends_safely
    def stop(self) -> bool:
        """Where the stream ended without a frame marked ``last``, say so to those who hold samples; end all tracks."""
        if self._newest is not None and not self._newest.tag.frame.last:
            self._publish(self._newest.ending(), ())  # first, so that no sample waits, whatever becomes of the tracks
            self._tell(self._tracker.finish())
        return True

    def _on_bands(self, message: pmt.pmt_base) -> None:
        bands = None
        try:
            bands = BandsMessage.from_pmt(message)
            is_judged = bands.tag.state in (None, FrameState.INFERRED) and not bands.tag.frame.settling
            tracked = self._tracker.step(bands.tag.frame, bands.bands, is_judged=is_judged)
        except BandError as error:
            self._bad_messages += 1
            if self._bad_message_pace.is_due():
                self.logger.warn(f"a message is ignored: {error}; {self._bad_messages} so far")
            return
        except Exception as error:  # escaping, it would end this thread, and who waits for bands would wait for ever
            self.logger.error(f"a frame has no tracks: {type(error).__name__}: {error}")
            if bands is not None:
                self._publish(bands, ())
            return
        self._publish(replace(bands, bands=tracked.bands), tracked.events)

    def _publish(self, message: BandsMessage, events: tuple[TrackEvent, ...]) -> None:
        self._newest = message
        self.message_port_pub(pmt.intern(keys.BANDS), message.to_pmt())
        self._tell(events)

    def _tell(self, events: Iterable[TrackEvent]) -> None:
        for event in events:
            self._onsets += event.kind is EventKind.ONSET
            self.message_port_pub(pmt.intern(keys.TRACKS), track_event_to_pmt(event))

    def _set_rules(self, **changes: float | bool) -> None:
        self._rules = replace(self._rules, **changes)
        self._tracker.rules = self._rules

    def _reset(self) -> None:
        """Back to the state before the first message."""
        self._tracker = BandTracker(self._classes, rules=self._rules)
        self._newest: BandsMessage | None = None
        self._onsets = self._bad_messages = 0
