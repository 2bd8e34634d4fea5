"""Settings of a receiver: a TOML file or a table of the same form, checked before anything starts.

Every key has the default of the classes below; what they mean to a user is in ``docs/live.md``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Mapping

from ..bands import BandRules
from ..errors import BackendUnavailableError, OptionError
from ..feeds.delivery import DEFAULT_DEPTH
from ..feeds.destinations import LOOPBACK, parse_destination
from ..feeds.feed import ENCODINGS
from ..feeds.messages import BANDS, OCCUPANCY, STATUS, TRACK
from ..framequeue import DEFAULT_HOLD, DEFAULT_QUEUE_DEPTH, DEFAULT_WORKERS, DropPolicy, Mode, choose
from ..inference import DEFAULT_MODEL
from ..occupancy import OccupancyRules
from ..providers import AUTO, PROVIDERS, choose_providers
from ..recording.filerules import FileRules
from ..recording.recorder import DEFAULT_QUEUE_SECONDS, Scope
from ..recording.trigger import TriggerRules
from ..remote import DTYPES
from ..tracking import TrackRules
from .sources import SOURCES, SourceSettings
from .table import read_table, without_none

__all__ = [
    "Address",
    "ControlSettings",
    "DetectionSettings",
    "FeedSettings",
    "InferenceSettings",
    "LiveSettings",
    "ProcessSettings",
    "RecordingSettings",
    "parse_address",
    "read_settings",
    "read_toml",
    "settings_to_table",
]


_CARRIED = (BANDS, STATUS, OCCUPANCY, TRACK)


@dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """What counts as a band: see :class:`rfseg.bands.BandRules`; ``calibration`` is dBm at 0 dBFS, or a file."""

    min_bandwidth: float = BandRules.min_bandwidth
    min_duration: float = BandRules.min_duration
    min_confidence: float = BandRules.min_confidence
    max_gap: float = BandRules.max_gap
    reject: float | None = None
    mask_dc: bool = BandRules.mask_dc
    calibration: float | str | None = None

    def __post_init__(self) -> None:
        BandRules(
            min_bandwidth=self.min_bandwidth,
            min_duration=self.min_duration,
            min_confidence=self.min_confidence,
            max_gap=self.max_gap,
        )
        if self.reject is not None and not 0 <= self.reject <= 1:
            raise OptionError(f"reject={self.reject!r} is a confidence; expected 0 to 1, 0 for none")


@dataclass(frozen=True, kw_only=True)
class InferenceSettings:
    """How frames wait: see RF Segmenter; ``remote`` is where a network runs that does not run here (:mod:`rfseg.remote`)."""

    threads: int = 1
    workers: int = DEFAULT_WORKERS
    providers: str = AUTO
    queue_depth: int = DEFAULT_QUEUE_DEPTH
    policy: str = DropPolicy.DROP_OLDEST.value
    hold: float = DEFAULT_HOLD
    infer_every: int = 1
    remote: str | None = None
    remote_dtype: str = DTYPES[0]

    def __post_init__(self) -> None:
        choose(DropPolicy, self.policy, "policy")
        choose_providers(self.providers, PROVIDERS.values())  # which of them are there is found out where the model is opened
        if self.threads < 0:
            raise OptionError(f"threads={self.threads} must be 0 (one a core) or more")
        if self.workers < 1:
            raise OptionError(f"workers={self.workers} must be at least 1, the frames inferred at the same time")
        if self.queue_depth < 1:
            raise OptionError(f"queue_depth={self.queue_depth} must be at least 1, the frames that may wait")
        if self.infer_every < 1:
            raise OptionError(f"infer_every={self.infer_every} must be at least 1: one frame in so many is inferred")
        if not 0 < self.hold < math.inf:
            raise OptionError(f"hold={self.hold!r} must be a time above 0, in s")
        if self.remote_dtype not in DTYPES:
            raise OptionError(f"remote_dtype={self.remote_dtype!r} is unknown, expected one of {', '.join(DTYPES)}")


@dataclass(frozen=True, kw_only=True)
class FeedSettings:
    """One feed; ``messages`` are the types that it carries, all by default."""

    destination: str
    encoding: str = "json"
    messages: tuple[str, ...] = _CARRIED
    queue_depth: int = DEFAULT_DEPTH
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parse_destination(self.destination)
        if self.encoding not in ENCODINGS:
            raise OptionError(f"encoding={self.encoding!r} is unknown, expected one of {', '.join(ENCODINGS)}")
        unknown = [name for name in self.messages if name not in _CARRIED]
        if unknown or not self.messages:
            raise OptionError(f"messages={list(self.messages)!r} expected some of {', '.join(_CARRIED)}")
        if self.queue_depth < 1:
            raise OptionError(f"queue_depth={self.queue_depth} must be at least 1, the messages that may wait")


@dataclass(frozen=True, kw_only=True)
class RecordingSettings:
    """What is written as SigMF: see SigMF Recorder; ``record`` is ``bands`` or ``all``."""

    folder: str = "recordings"
    record: str = Scope.BANDS.value
    labels: tuple[str, ...] = ()
    min_confidence: float = TriggerRules.min_confidence
    min_snr: float | None = None
    freq_range: tuple[float, ...] | None = None
    pre: float = TriggerRules.pre
    post: float = TriggerRules.post
    max_seconds: float = TriggerRules.max_seconds
    max_per_minute: int = TriggerRules.max_per_minute
    rotate_bytes: int = FileRules.rotate_bytes
    rotate_seconds: float = FileRules.rotate_seconds
    quota_bytes: int = FileRules.quota_bytes
    on_full: str = FileRules.on_full.value
    prefix: str = FileRules.prefix
    sync: str = FileRules.sync.value
    queue_seconds: float = DEFAULT_QUEUE_SECONDS

    def __post_init__(self) -> None:
        choose(Scope, self.record, "record")
        for rules in (TriggerRules, FileRules):
            rules(**{entry.name: getattr(self, entry.name) for entry in fields(rules) if hasattr(self, entry.name)})
        if not 0 < self.queue_seconds < math.inf:
            raise OptionError(f"queue_seconds={self.queue_seconds!r} must be a time above 0, in s")


@dataclass(frozen=True)
class Address:
    """Where a control listens; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(text: str, name: str = "address") -> Address:
    """``HOST:PORT``, ``:PORT`` or ``PORT``; no host means loopback.

    Raises
    ------
    OptionError
        If the port is none; ``name`` is what the message calls the address.

    Examples
    --------
    >>> str(parse_address(":8080"))
    '127.0.0.1:8080'
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise OptionError(f"{name}={text!r} names no port; write HOST:PORT, or :PORT for this machine only")
    return Address(host or LOOPBACK, int(port))


@dataclass(frozen=True, kw_only=True)
class ControlSettings:
    """Where commands are taken, ``HOST:PORT``; None for nowhere."""

    xmlrpc: str | None = None
    zeromq: str | None = None
    messages: str | None = None

    def __post_init__(self) -> None:
        for control in fields(self):
            if getattr(self, control.name) is not None:
                parse_address(getattr(self, control.name), control.name)


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """What the system is asked for: real-time priority of the flowgraph's threads, and the cores that they may use."""

    realtime: bool = False
    affinity: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if any(core < 0 for core in self.affinity):
            raise OptionError(f"affinity={list(self.affinity)!r} must be numbers of cores, from 0 on")


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """All of it; the sections are the tables of the TOML file.

    Raises
    ------
    OptionError
        If a value is out of its range, or two contradict each other.
    """

    source: SourceSettings
    mode: str = Mode.LIVE.value
    model: str = DEFAULT_MODEL
    frame_duration: float | None = None
    duration: float | None = None
    status_interval: float = 1.0
    detection: DetectionSettings = DetectionSettings()
    inference: InferenceSettings = InferenceSettings()
    tracker: TrackRules = TrackRules()
    occupancy: OccupancyRules | None = None
    recording: RecordingSettings | None = None
    feeds: tuple[FeedSettings, ...] = ()
    control: ControlSettings = ControlSettings()
    process: ProcessSettings = ProcessSettings()

    def __post_init__(self) -> None:
        if choose(Mode, self.mode, "mode") is Mode.LOSSLESS and not self.source.can_wait:
            raise OptionError(
                f"mode='lossless' would hold up the source {self.source.kind!r}, which cannot wait; choose live"
            )
        if self.mode == Mode.LIVE.value and not self.source.is_paced:
            raise OptionError(
                "pace='none' plays the file as fast as inference goes, which needs mode='lossless'; in live mode nearly"
                " all frames would be dropped"
            )
        for name in ("frame_duration", "duration", "status_interval"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise OptionError(f"{name}={value!r} must be a time above 0, in s")
        destinations = [feed.destination for feed in self.feeds]
        twice = [text for text in destinations if text.startswith("file:") and destinations.count(text) > 1]
        if twice:
            raise OptionError(f"two feeds write {twice[0]!r}; give each its own file")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    OptionError
        If the file cannot be read or is no TOML.
    BackendUnavailableError
        On Python 3.10, if ``tomli`` is missing.
    """
    try:
        import tomllib
    except ModuleNotFoundError:
        try:
            import tomli as tomllib
        except ModuleNotFoundError:
            raise BackendUnavailableError("TOML files need Python 3.11 or tomli: pip install tomli") from None
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror}; name a file of settings") from None
    except ValueError as error:  # of TOML, or of UTF-8
        raise OptionError(f"{path} is no TOML: {error}") from None


def read_settings(table: Mapping[str, Any]) -> LiveSettings:
    """Settings of a table, as :func:`read_toml` or JSON gives it.

    Raises
    ------
    OptionError
        If a key is unknown or missing, or a value makes no sense.
    """
    table = dict(table)
    source = table.get("source")
    if not isinstance(source, Mapping):
        raise OptionError(f"there is no [source]; give one, with kind = one of {', '.join(SOURCES)}")
    kind = source.get("kind")
    if kind not in SOURCES:
        raise OptionError(f"[source] kind={kind!r} is unknown, expected one of {', '.join(SOURCES)}")
    table["source"] = read_table(SOURCES[kind], source, "source")
    return read_table(LiveSettings, table, "")


def settings_to_table(settings: LiveSettings) -> dict[str, Any]:
    """Inverse of :func:`read_settings`: every key with its value, without those that are None."""
    return without_none(asdict(settings))
