# SPDX-License-Identifier: GPL-3.0-or-later
"""From PMT messages to those that feeds send; what makes no sense raises :class:`rfseg.errors.BandError`."""

from __future__ import annotations

import pmt
from rfseg.feeds.messages import (
    FrameBands,
    Message,
    bands_to_message,
    occupancy_to_message,
    scan_to_message,
    status_to_message,
    track_to_message,
)

from .messages import BandsMessage, event_from_pmt
from .occupancy_messages import occupancy_from_pmt
from .scan_messages import scan_from_pmt
from .track_messages import track_event_from_pmt

__all__ = ["bands_of", "occupancy_of", "scan_of", "status_of", "track_of"]


def bands_of(message: pmt.pmt_base) -> Message:
    """Of a ``bands`` message."""
    content = BandsMessage.from_pmt(message)
    tag = content.tag
    return bands_to_message(
        FrameBands(
            frame=tag.frame, bands=content.bands, state=tag.state, model=tag.model, non_finite=tag.non_finite
        )
    )


def status_of(message: pmt.pmt_base) -> Message:
    """Of a ``status`` message."""
    return status_to_message(*event_from_pmt(message))


def occupancy_of(message: pmt.pmt_base) -> Message:
    """Of an ``occupancy`` message."""
    return occupancy_to_message(occupancy_from_pmt(message))


def scan_of(message: pmt.pmt_base) -> Message:
    """Of a ``scan`` message."""
    return scan_to_message(scan_from_pmt(message))


def track_of(message: pmt.pmt_base) -> Message:
    """Of a ``tracks`` message."""
    return track_to_message(track_event_from_pmt(message).to_fields())
