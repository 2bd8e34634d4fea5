"""What a run of ``rfseg segment`` has to say, gathered while frames come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..bands.groups import BandGroup, BandGroups
from ..contract import Contract
from ..geometry import Geometry
from ..pipeline import FrameResult
from ..sigmf import Recording

__all__ = ["Report"]

_GROUP_FIELDS = (
    "label", "guess", "class_id", "freq_lower_edge", "freq_upper_edge", "freq_reference", "frames", "bands", "confidence",
    "power_dbfs", "power_dbm", "snr_db",
)  # fmt: skip


@dataclass(kw_only=True)
class Report:
    """Counts and groups of bands; grows with the number of groups, not with the recording."""

    recording: Recording
    contract: Contract
    frames: int = 0
    bands: int = 0
    non_finite: int = 0
    notes: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    _geometry: Geometry | None = None

    def __post_init__(self) -> None:
        self.groups = BandGroups(self.contract.classes)

    def add(self, result: FrameResult) -> None:
        """Count a frame in."""
        self.groups.add(result.bands, frame_index=result.frame.index)
        self.frames += 1
        self.bands += len(result.bands)
        self.non_finite += result.non_finite
        self._geometry = result.geometry

    @property
    def warnings(self) -> list[str]:
        """What the user should know although the run succeeded."""
        count, warnings = self.recording.sample_count, list(self.notes)
        if self.recording.duration < self.contract.frame_duration_range[0]:
            shortest = f"{self.contract.frame_duration_range[0] * 1e3:g} ms"
            warnings.append(f"{count} samples are less than the shortest frame of {shortest}; too little to find anything in")
        if self.non_finite:
            share = f"{self.non_finite} of {count} samples"
            warnings.append(f"{share} are NaN or infinite and were read as 0; check the recorder or the datatype")
        return warnings

    def headline(self) -> str:
        """Recording, model and frames in one line."""
        recording, geometry = self.recording, self._geometry
        center = "centre unknown" if recording.center_freq is None else f"{recording.center_freq / 1e6:.10g} MHz"
        if len({center for _, center, _ in recording.captures}) > 1:
            center = f"{len(recording.captures)} captures"
        return (
            f"{recording.name}: {recording.duration * 1e3:.6g} ms at {recording.samp_rate / 1e6:.10g} MS/s, {center},"
            f" {recording.datatype.name}; {self.contract.name}, {self.frames} x {geometry.frame_duration * 1e3:.4g} ms"
        )

    def to_json(self) -> dict[str, Any]:
        """The report as JSON has it; keys whose value is not known are absent."""
        recording, geometry = self.recording, self._geometry
        groups = [_group_json(group, recording.samp_rate) for group in self.groups.groups()]
        return _known(
            {
                "recording": recording.name,
                "samp_rate": recording.samp_rate,
                "center_freq": recording.center_freq,
                "datatype": recording.datatype.name,
                "sample_count": recording.sample_count,
                "model": self.contract.name,
                "frames": self.frames,
                "frame_duration": geometry.frame_duration,
                "bin_width": geometry.bin_width,
                "non_finite": self.non_finite,
                "warnings": self.warnings,
                "bands": groups,
                "files": self.files,
            }
        )


def _group_json(group: BandGroup, samp_rate: float) -> dict[str, Any]:
    fields = {name: getattr(group, name) for name in _GROUP_FIELDS}
    span = {"sample_start": group.sample_start, "sample_count": group.sample_stop - group.sample_start}
    times = {"first": group.sample_start / samp_rate, "last": group.sample_stop / samp_rate}
    return _known({**fields, **span, **times})


def _known(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value is not None}
