"""What a process uses: processor time by thread, and memory (Linux; nothing is told elsewhere)."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

__all__ = ["ThreadTimes", "memory_mib"]

_TASKS = Path("/proc/self/task")
_STATUS = Path("/proc/self/status")


class ThreadTimes:
    """Processor seconds of each thread since this was made, by the thread's name."""

    def __init__(self) -> None:
        self._before = _read_times()

    def seconds(self) -> dict[str, float]:
        """Threads of one name are taken together; those that have ended are missing."""
        total: Counter[str] = Counter()
        for number, (name, spent) in _read_times().items():
            total[name] += spent - self._before.get(number, (name, 0.0))[1]
        return dict(total.most_common())


def memory_mib() -> dict[str, float]:
    """Resident memory now and at its highest, MiB."""
    try:
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
    except OSError:
        return {}
    names = {"now": "VmRSS", "peak": "VmHWM"}
    return {key: round(int(lines[name].split()[0]) / 1024, 1) for key, name in names.items() if name in lines}


def _read_times() -> dict[int, tuple[str, float]]:
    """Name and processor seconds by thread number; Python's names where it gave one."""
    known = {t.native_id: t.name for t in threading.enumerate()}
    times = {}
    for task in _TASKS.glob("*"):
        try:
            spent = int((task / "schedstat").read_text().split()[0]) * 1e-9
            name = (task / "comm").read_text().strip()
        except (OSError, ValueError, IndexError):  # it has ended meanwhile
            continue
        number = int(task.name)
        # A block's thread that has called Python is known to it under a name that says nothing; GNU Radio's own
        # is the block's name and number.
        named = known.get(number, "")
        name = name.rstrip("0123456789") if not named or named.startswith(("Dummy-", "Thread-")) else named
        times[number] = (name, spent)
    return times
