"""What the tests of GRC files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from rfseg.inference import MODEL_PATH_VARIABLE


@pytest.fixture
def threshold_model_folder(monkeypatch) -> Path:
    """Folder in which the model ``threshold`` is found by its name."""
    folder = Path(__file__).parents[1] / "models"
    monkeypatch.setenv(MODEL_PATH_VARIABLE, str(folder))
    return folder
