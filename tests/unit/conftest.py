"""Recordings and models that the tests of files and of the command line share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

MODELS = Path(__file__).resolve().parents[1] / "models"
SAMP_RATE = 15.36e6  # Hz, the lowest rate of the test model
CENTER_FREQ = 2.4e9  # Hz


@pytest.fixture
def threshold_model() -> Path:
    """A model that calls bins above -40 dBFS NR and those above -70 dBFS LTE (tests/models)."""
    return MODELS / "threshold.onnx"


@pytest.fixture
def picture_model() -> Path:
    """A model of the family ``published`` that calls levels above 235 Radar and those above 150 LTE (tests/models)."""
    return MODELS / "picture.onnx"


@pytest.fixture
def make_carrier() -> Callable[..., np.ndarray]:
    """A flat carrier between two baseband frequencies (Hz) at 15.36 MS/s, over noise far below it."""

    def make(count: int, *, low: float = 2e6, high: float = 5e6, power_dbfs: float = -60.0) -> np.ndarray:
        rng = np.random.default_rng(7)
        spectrum = np.fft.fft(rng.standard_normal(count) + 1j * rng.standard_normal(count)) / np.sqrt(2)
        freqs = np.fft.fftfreq(count, 1 / SAMP_RATE)
        # Hann window of 64 bins: noise of unit power per sample has 1.5 / 64 of it in a bin.
        in_bin = 10 ** (np.where((freqs > low) & (freqs < high), power_dbfs, -110.0) / 20) * np.sqrt(64 / 1.5)
        return np.fft.ifft(spectrum * in_bin).astype(np.complex64)

    return make


@pytest.fixture
def write_recording(tmp_path: Path) -> Callable[..., Path]:
    """Write samples as a SigMF recording at 15.36 MS/s; the path of its metadata."""

    def write(
        samples: np.ndarray,
        name: str = "scene",
        *,
        captures: list[dict[str, Any]] | None = None,
        annotations: list[dict[str, Any]] | None = None,
        **info: Any,
    ) -> Path:
        (tmp_path / f"{name}.sigmf-data").write_bytes(samples.tobytes())
        stated = {"datatype": "cf32_le", "sample_rate": SAMP_RATE, "version": "1.2.5", **info}
        metadata = {
            "global": {f"core:{key}": value for key, value in stated.items() if value is not None},
            "captures": [{"core:sample_start": 0, "core:frequency": CENTER_FREQ}] if captures is None else captures,
            "annotations": annotations or [],
        }
        path = tmp_path / f"{name}.sigmf-meta"
        path.write_text(json.dumps(metadata), encoding="utf-8")
        return path

    return write
