"""What a step of training frees stays with the process: the next step takes as much again.

By itself glibc gives large blocks back to the system at once, and the system hands them out anew, page by page and
zeroed, at every layer of every step.  Measured with OS-Net on one core: a tenth of the time of a step.
"""

from __future__ import annotations

import ctypes

__all__ = ["keep_memory"]

# mallopt(3)
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TOP_PAD = 64 << 20  # octets that the heap grows by


def keep_memory() -> bool:
    """Tell the C library; whether it is one that can be told (glibc)."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no C library to be had, or another than glibc
        return False
    options = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _TOP_PAD))
    return all(set_option(option, value) == 1 for option, value in options)
