"""Radios, permissions, room and the processor."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from pathlib import Path
from typing import Iterator

from ..errors import BackendUnavailableError
from ..programs import program_command
from .findings import Finding, fault, note, sound, try_python, warning

__all__ = ["check_radios", "check_room", "check_scheduling", "check_usb"]

_DRIVERS = {"soapy": "SoapySDR (gr-soapy)", "uhd": "UHD (gr-uhd)"}
_IMPORT = "import importlib\nimportlib.import_module('gnuradio.' + sys.argv[1]); result = True"
_FIND = """
from gnuradio.rfseg.live.radios import list_soapy, list_uhd
result = [f"soapy: {text}" for text in list_soapy()] + [f"uhd: {text}" for text in list_uhd()]
"""
_FIND_SECONDS = 60.0  # UHD asks every network
_USB_DEVICES = Path("/sys/bus/usb/devices")
_USB_NODES = Path("/dev/bus/usb")
# Vendor or vendor:product of radios on USB, from the udev rules of their drivers.
_USB_RADIOS = {
    "2500": "USRP", "3923": "USRP", "fffe:0002": "USRP1", "2cf0": "bladeRF", "1d50:6066": "bladeRF", "1d50:6089": "HackRF",
    "1d50:cc15": "HackRF", "1d50:604b": "HackRF", "1d50:60a1": "Airspy", "03eb:800c": "Airspy HF+", "0bda:2838": "RTL-SDR",
    "0bda:2832": "RTL-SDR", "1d50:6108": "LimeSDR", "0403:601f": "LimeSDR Mini", "0456:b673": "PlutoSDR",
}  # fmt: skip
_SHARED_MEMORY = Path("/dev/shm")
_LEAST_SHARED, _LEAST_DISK = 256 << 20, 1 << 30  # bytes: a few buffers of 50 ms at 61.44 MS/s; some recordings
_GOVERNORS = Path("/sys/devices/system/cpu")
_WANTED_PRIORITY = 50


def check_radios() -> Iterator[Finding]:
    """Drivers that GNU Radio has, and the radios that they find."""
    try:
        program_command("gnuradio.rfseg.live", purpose="rfseg live")
    except BackendUnavailableError:
        return  # said already, of GNU Radio and the blocks
    for module, name in _DRIVERS.items():
        trial = try_python(_IMPORT, module)
        if trial.has_failed:
            yield note("radios", f"no {name}: {trial.error}", "apt-get install gnuradio, which brings both; or use the other")
        else:
            yield sound("radios", f"{name} is there")
    found = try_python(_FIND, seconds=_FIND_SECONDS)
    if found.has_failed:
        yield warning("radios", f"looking for radios failed: {found.error}", "see what SoapySDRUtil --find and uhd_find_devices say")
    elif not found.result:
        remedy = "connect and power one; install its driver (apt-cache search soapysdr-module); files and ZeroMQ need none"
        yield note("radios", "none found", remedy)
    for text in found.result or []:
        yield sound("radios", text)


def check_usb() -> Iterator[Finding]:
    """Radios on USB that this user may not open."""
    for device in sorted(_USB_DEVICES.glob("*")):
        vendor, product = (_read(device / name) for name in ("idVendor", "idProduct"))
        name = _USB_RADIOS.get(f"{vendor}:{product}") or _USB_RADIOS.get(vendor)
        if name is None or not vendor:
            continue
        node = _USB_NODES / _read(device / "busnum").zfill(3) / _read(device / "devnum").zfill(3)
        if os.access(node, os.R_OK | os.W_OK):
            yield sound("USB", f"{name} at {node} may be opened")
        else:
            remedy = "install its udev rules (with its driver), join its group (often sudo usermod -aG plugdev $USER), log in again"
            yield fault("USB", f"{name} at {node} may not be opened by this user", remedy)


def check_scheduling() -> Iterator[Finding]:
    """Real-time priority, for ``realtime = true`` of rfseg live, and the processor's clock."""
    allowed = max(resource.getrlimit(resource.RLIMIT_RTPRIO))
    if os.geteuid() == 0 or allowed == resource.RLIM_INFINITY or allowed >= _WANTED_PRIORITY:
        yield sound("real time", "this user may ask for real-time priority")
    else:
        yield note(
            "real time", f"real-time priority is limited to {allowed}: realtime = true of rfseg live goes on without",
            f"a line '@GROUP - rtprio {_WANTED_PRIORITY}' in /etc/security/limits.d, or LimitRTPRIO={_WANTED_PRIORITY} in systemd",
        )  # fmt: skip
    governors = {_read(path) for path in _GOVERNORS.glob("cpu[0-9]*/cpufreq/scaling_governor")} - {""}
    if governors & {"powersave", "ondemand", "conservative"}:
        text = f"the processor's governor is {', '.join(sorted(governors))}: frames may come late"
        yield warning("processor", text, "sudo cpupower frequency-set -g performance")
    else:
        cores = len(os.sched_getaffinity(0))
        yield sound("processor", f"{cores} cores; governor {', '.join(sorted(governors)) or 'not told (a virtual machine?)'}")


def check_room() -> Iterator[Finding]:
    """Where results and GNU Radio's buffers go: may it be written, and is there room?"""
    folder = Path.cwd()
    for place, use in ((folder, "results go there unless --out names another folder"), (Path(tempfile.gettempdir()), "temporary files go there")):
        if not _can_write(place):
            remedy = "run rfseg in a folder of your own, or name one with --out" if place == folder else "set TMPDIR to a folder of your own"
            yield fault("folders", f"{place} cannot be written; {use}", remedy)
        else:
            free = shutil.disk_usage(place).free
            text = f"{place} can be written, {free / 1e9:.1f} GB free"
            if free < _LEAST_DISK:
                yield warning("folders", text, "make room: recordings stop where the disk is full")
            else:
                yield sound("folders", text)
    if _SHARED_MEMORY.is_dir():
        free = shutil.disk_usage(_SHARED_MEMORY).free
        text = f"{_SHARED_MEMORY} has {free / 2**20:.0f} MiB free, where GNU Radio may put its buffers"
        if free < _LEAST_SHARED:
            yield warning("memory", text, "in a container: --shm-size=1g; elsewhere: mount -o remount,size=1G /dev/shm")
        else:
            yield sound("memory", text)


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
