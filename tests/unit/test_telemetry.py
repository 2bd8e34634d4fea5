"""What a radio host runs stays on it."""

import os
import subprocess
import sys
from pathlib import Path

MODEL = Path(__file__).resolve().parents[1] / "models" / "threshold.onnx"
CREATE = f"from rfseg.inference import Session; Session({str(MODEL)!r})"


def test_a_session_leaves_no_device_identifier_and_no_event_store(tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "CI")}
    subprocess.run([sys.executable, "-c", CREATE], env={**kept, "HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.rglob("*")) == []
