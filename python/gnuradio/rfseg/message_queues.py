# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits on the message ports of a block from one run to the next."""

from __future__ import annotations

from typing import Any

import pmt

__all__ = ["LeftOver"]


class LeftOver:
    """Messages that came too late for the run that they were sent in.

    When a flowgraph is stopped, its blocks end in any order: one that says something from ``stop`` may find that its
    receiver has ended.  GNU Radio keeps such a message for the next run, whose samples count from 0 again.

    Parameters
    ----------
    ports : str
        Those whose messages speak of samples.
    """

    def __init__(self, *ports: str) -> None:
        self._ports, self._has_run = ports, False

    def forget(self, block: Any) -> None:
        """A run of the block begins: drop what the one before left; what waits before the first is meant for it."""
        queues = block.to_basic_block()
        for port in map(pmt.intern, self._ports if self._has_run else ()):
            while queues.nmsgs(port):
                queues.delete_head_nowait(port)
        self._has_run = True
