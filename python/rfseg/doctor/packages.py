"""Python, its packages, and GNU Radio with the blocks."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator

from .. import __version__
from .findings import Finding, fault, note, pip_install, sound, try_python, warning

__all__ = ["check_blocks", "check_gnuradio", "check_packages"]

_OLDEST_PYTHON = (3, 10)
_NEEDED = {"numpy": "1.24", "scipy": "1.10", "onnxruntime": "1.18", "tqdm": "4.60"}  # as in pyproject.toml
_OPTIONAL = {
    "matplotlib": ("pictures (rfseg segment, evaluate --out, bench)", "picture"),
    "PIL": ("published datasets and sheets (rfseg dataset, synth --sheet)", "data"),
    "zmq": ("feeds and commands by ZeroMQ", "feeds"),
    "paho.mqtt.client": ("feeds by MQTT", "feeds"),
    "torch": ("synth, train, export and import-checkpoint", "train"),
}  # use and extra of rfseg
_TRAINING = "in a checkout ./scripts/training, which makes .venv-train, apart from GNU Radio's NumPy; elsewhere "
_VERSION = "import importlib, sys\nm = importlib.import_module(sys.argv[1]); result = getattr(m, '__version__', '')"
_GNURADIO = "from gnuradio import gr\nimport numpy\nresult = [gr.version(), numpy.__version__]"
_BLOCKS = """
import gnuradio.rfseg, pathlib
from gnuradio import blocks, gr, rfseg
rfseg.rfseg_python.spectrogram_sink(samp_rate=1e6, fft_size=64, hop=32, segments_per_row=1, rows=256, reductions=["mean"],
    item_type="complex64", center_freq=None, lossless=True, settling=0.0)
libraries = {line.split()[-1] for line in open("/proc/self/maps") if "libgnuradio-rfseg" in line}
result = [gnuradio.rfseg.__file__, sorted(libraries), __import__("rfseg").__version__, __import__("rfseg").__file__]
"""


def check_packages() -> Iterator[Finding]:
    """The interpreter and what the library imports."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:
        yield fault("Python", f"{sys.executable} is Python {version}", "use Python 3.10 or newer")
    else:
        yield sound("Python", f"{version}, {sys.executable}; rfseg {__version__}")
    for name, oldest in _NEEDED.items():
        trial = try_python(_VERSION, name)
        if trial.has_failed:
            yield fault(name, f"cannot be imported: {trial.error}", pip_install(f"'{name}>={oldest}'"))
        elif _parts(trial.result) < _parts(oldest):
            yield fault(name, f"version {trial.result} is older than {oldest}", pip_install(f"'{name}>={oldest}'"))
        else:
            yield sound(name, trial.result)
    for name, (use, extra) in _OPTIONAL.items():
        trial = try_python(_VERSION, name)
        package = name.split(".")[0]
        if trial.has_failed:
            remedy = pip_install(f"'rfseg[{extra}]'")
            yield note(package, f"not there: no {use}", _TRAINING + remedy if extra == "train" else remedy)
        else:
            yield sound(package, trial.result or "there")


def check_gnuradio() -> Iterator[Finding]:
    """GNU Radio itself, and whether its NumPy is the one it was compiled against."""
    trial = try_python(_GNURADIO)
    remedy = "apt-get install gnuradio, and use an environment of /usr/bin/python3 made with --system-site-packages"
    if trial.has_failed:
        if "No module named 'gnuradio'" in trial.error:
            yield note("GNU Radio", f"{sys.executable} has none: no blocks, no rfseg live", remedy)
        elif _parts(str(numpy := try_python(_VERSION, "numpy").result)) >= (2,):
            yield _wrong_numpy("it", numpy)
        else:
            yield fault("GNU Radio", f"cannot be imported: {trial.error}", remedy)
        return
    version, numpy = trial.result
    if not version.startswith("3.10."):
        yield fault("GNU Radio", f"is {version}, expected 3.10.x", "use Debian 12 or another system with GNU Radio 3.10")
    elif _parts(numpy) >= (2,):
        yield _wrong_numpy(version, numpy)
    else:
        yield sound("GNU Radio", f"{version}, with NumPy {numpy}")


def _wrong_numpy(gnuradio: str, numpy: str) -> Finding:
    text = f"{gnuradio} is compiled against NumPy 1, this one is {numpy}"
    return fault("GNU Radio", text, pip_install("'numpy<2'"))


def check_blocks() -> Iterator[Finding]:
    """Whether ``gnuradio.rfseg`` is found, works, and belongs to this library."""
    if try_python(_GNURADIO).has_failed:
        return
    trial = try_python(_BLOCKS)
    remedy = "build and install them for this interpreter: ./scripts/demo in the checkout, or cmake --install build"
    if trial.has_failed:
        folders = _gnuradio_folders()
        is_there = any(any(Path(folder).glob("rfseg/rfseg_python*.so")) for folder in folders)
        text = f"gnuradio.rfseg does not work: {trial.error}" if is_there else "gnuradio.rfseg is not installed"
        yield fault("blocks", f"{text}; folders of gnuradio: {', '.join(folders) or 'none'}", remedy)
        return
    module, libraries, version, library = trial.result
    built = [Path(path).name.partition(".so.")[2] for path in libraries]
    if built != [version]:
        text = f"libgnuradio-rfseg is {', '.join(built) or 'of no version'}, the library rfseg in {library} is {version}"
        yield fault("blocks", text, f"{remedy}; delete older copies of libgnuradio-rfseg")
        return
    yield sound("blocks", f"{version}, {Path(module).parent}")
    yield _companion(Path(module))


def _companion(module: Path) -> Finding:
    """Whether GNU Radio Companion looks where the blocks' descriptions lie."""
    prefixes = [folder for folder in module.parents if (folder / "share" / "gnuradio" / "grc" / "blocks").is_dir()]
    folders = [folder / "share" / "gnuradio" / "grc" / "blocks" for folder in prefixes]
    own = next((folder for folder in folders if any(folder.glob("rfseg_*.block.yml"))), None)
    if own is None:
        return warning("Companion", "the blocks' .yml files are not beside them", "cmake --install build")
    known = [Path("/usr/share/gnuradio/grc/blocks"), Path("/usr/local/share/gnuradio/grc/blocks")]
    known += [Path(p).expanduser() for p in os.environ.get("GRC_BLOCKS_PATH", "").split(os.pathsep) if p]
    if any(folder.resolve() == own.resolve() for folder in known if folder.is_dir()):
        return sound("Companion", f"finds the blocks in {own}")
    return note(
        "Companion", f"does not look in {own} by itself", f"start it with ./scripts/companion, or set GRC_BLOCKS_PATH={own}"
    )


def _gnuradio_folders() -> list[str]:
    return [str(folder) for entry in sys.path if (folder := Path(entry or ".") / "gnuradio").is_dir()]


def _parts(version: str) -> tuple[int, ...]:
    parts = []
    for part in version.split(".")[:3]:
        digits = "".join(character for character in part if character.isdigit())
        if not digits:
            break
        parts.append(int(digits))
    return tuple(parts)
