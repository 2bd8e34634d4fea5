"""Scenes as SigMF recordings, the truth as annotations."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from ..atomic import make_folder, replacing
from .scene import Scene

__all__ = ["DATATYPES", "is_recorded", "write_recording"]

_SCALES = {"ci8": (np.int8, 2**7), "ci16_le": (np.dtype("<i2"), 2**15)}  # datatype: (type, full scale)
DATATYPES = (*_SCALES, "cf32_le")


def write_recording(
    scene: Scene, path: Path, *, datatype: str = "ci16_le", description: str = "", center_freq: float | None = None
) -> None:
    """Write ``path.sigmf-data`` and ``path.sigmf-meta``: the frame's samples and who sent.

    Parameters
    ----------
    center_freq : float or None
        RF centre that the recording states, Hz; None for a baseband scene.
    datatype : str
        Of the samples, one of :data:`DATATYPES`.

    Raises
    ------
    RecordingError
        If the files cannot be written.
    """
    samples = scene.iq[: scene.geometry.frame_samples]
    if datatype == "cf32_le":
        data = samples.astype("<c8").tobytes()
    else:
        kind, scale = _SCALES[datatype]
        parts = np.stack([samples.real, samples.imag], axis=-1) * scale
        data = np.clip(np.rint(parts), -scale, scale - 1).astype(kind).tobytes()
    center = 0.0 if center_freq is None else center_freq
    annotations = [
        {
            "core:sample_start": e.sample_start,
            "core:sample_count": e.sample_count,
            "core:freq_lower_edge": round(center + e.freq_lower_edge, 1),
            "core:freq_upper_edge": round(center + e.freq_upper_edge, 1),
            "core:label": e.label,
            "core:comment": f"{e.comment}, SNR {e.snr_db:.1f} dB",
        }
        for e in scene.emitters
    ]
    meta = {
        "global": {
            "core:datatype": datatype,
            "core:sample_rate": scene.geometry.samp_rate,
            "core:version": "1.0.0",
            "core:sha512": hashlib.sha512(data).hexdigest(),
            "core:description": description,
            "core:recorder": "rfseg.synth",
            "core:license": "https://creativecommons.org/publicdomain/zero/1.0/",
        },
        "captures": [{"core:sample_start": 0} | ({} if center_freq is None else {"core:frequency": center_freq})],
        "annotations": annotations,
    }
    make_folder(path.parent)
    with replacing(path.with_name(path.name + ".sigmf-data")) as temporary:
        temporary.write_bytes(data)
    with replacing(path.with_name(path.name + ".sigmf-meta")) as temporary:
        temporary.write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def is_recorded(path: Path, datatype: str) -> bool:
    """Whether ``path.sigmf-data`` and ``path.sigmf-meta`` are there with samples of that type."""
    try:
        meta = json.loads(path.with_name(path.name + ".sigmf-meta").read_text(encoding="utf-8"))
        return meta["global"]["core:datatype"] == datatype and path.with_name(path.name + ".sigmf-data").is_file()
    except (OSError, ValueError, LookupError, TypeError):
        return False
