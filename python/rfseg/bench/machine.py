"""Where and when figures were taken."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import __version__

__all__ = ["available_cores", "describe_machine", "load_average", "processor_name"]

_PACKAGES = ("numpy", "scipy", "onnxruntime")


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, versions and time."""
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "processor": processor_name(),
        "cores": available_cores(),
        "memory_gib": _memory_gib(),
        "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")) or "not told",
        "system": platform.platform(),
        "python": platform.python_version(),
        "rfseg": __version__,
        **{name: _version(name) for name in _PACKAGES},
    }


def processor_name() -> str:
    """The processor as the system names it."""
    names = re.findall(r"^model name\s*: (.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return names[0] if names else platform.processor() or platform.machine()


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_average() -> float | None:
    """Processes that ran or wanted to, mean of the last minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _memory_gib() -> float | None:
    total = re.search(r"^MemTotal:\s+(\d+) kB", _read(Path("/proc/meminfo")), re.MULTILINE)
    return round(int(total[1]) / 2**20, 1) if total else None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
