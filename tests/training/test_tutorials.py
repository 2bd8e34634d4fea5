"""The tutorials that need PyTorch run as they stand there: training on recordings, a class and a network of one's own."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from rfseg.models import registry
from rfseg.models.deployable import DeployableSegmenter

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"

_spec = importlib.util.spec_from_file_location("documents", ROOT / "tests" / "documents.py")
runner = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(runner)


def test_recordings_become_a_model_and_a_class_is_added(tmp_path: Path) -> None:
    if not (ROOT / ".venv/bin/rfseg").exists():
        pytest.skip("the tutorials use models from .venv, which ./scripts/test makes")
    for name in ("train-on-your-recordings", "add-a-class"):  # the second goes on where the first ends
        runner.run_page(TUTORIALS / f"{name}.md", "run training", tmp_path)
    assert (tmp_path / "out/mine-demo/demo.bands.jsonl").exists()
    assert (tmp_path / "out/drone-found/drone-0.sigmf-meta").exists()


def test_the_network_of_the_tutorial_is_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = re.findall(r"```python\n(.*?)```", (TUTORIALS / "add-a-network.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "thinnet.py").write_text(programs[0], "utf-8")
    spec = importlib.util.spec_from_file_location("rfseg.models.thinnet", tmp_path / "thinnet.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "rfseg.models.thinnet", module)
    spec.loader.exec_module(module)
    entry = re.search(r'"thinnet": (Architecture\(.*\)),', programs[1])[1]
    architecture = eval(entry, {"Architecture": registry.Architecture, "ThinNet": module.ThinNet})  # noqa: S307
    monkeypatch.setitem(registry.ARCHITECTURES, "thinnet", architecture)
    torch.manual_seed(0)
    network = registry.make_network("thinnet", 5).eval()
    with torch.no_grad():
        mask, confidence = DeployableSegmenter(network)(torch.randn(1, 2, 256, 80))
    assert mask.shape == confidence.shape == (1, 256, 80) and int(mask.max()) < 5
