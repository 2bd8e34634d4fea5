"""GNU Radio Companion itself, on a screen of its own, worked by keys."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "recording_to_bands.grc"


@pytest.fixture(scope="module")
def screenshots():
    """The script that makes the pictures of the documents."""
    loader = importlib.machinery.SourceFileLoader("screenshots", str(ROOT / "scripts" / "screenshots"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("screenshots", loader))
    sys.modules["screenshots"] = module
    loader.exec_module(module)
    yield module
    del sys.modules["screenshots"]


def segmenters(path: Path) -> int:
    """RF Segmenters in a flowgraph's file."""
    return [block["id"] for block in yaml.safe_load(path.read_text())["blocks"]].count("rfseg_rf_segmenter")


def test_an_example_opens_whole_and_takes_another_block(screenshots, tmp_path):
    flowgraph = tmp_path / EXAMPLE.name
    shutil.copy(EXAMPLE, flowgraph)
    with screenshots.Companion(flowgraph, tmp_path) as companion:
        screen = companion.look()
        companion.drop("rf segmenter")
        companion.key("Escape", "ctrl+s")
        companion.wait_for(lambda: segmenters(flowgraph) == 2, "second RF Segmenter in the file")
    assert (screen == screenshots.COMPLEX).all(axis=2).sum() > 1000  # ports are drawn
    said = (tmp_path / "gnuradio-companion.log").read_text()
    assert f'Loading: "{flowgraph}"' in said and "Done" in said
    complaints = [line for line in said.splitlines() if "not found" in line or "Error" in line]
    assert not [line for line in complaints if not line.startswith("/usr/lib/python3/dist-packages/gi/")]  # GTK's own


def test_what_has_changed_and_where_the_ports_are(screenshots):
    before = np.full((screenshots.SIZE[1], screenshots.SIZE[0], 3), 255, np.uint8)
    after = before.copy()
    assert screenshots.changed(before, after) is None
    after[200:300, 120:220] = 240  # a block
    for top in (210, 240):
        after[top : top + 16, 100:120] = 0x21, 0x96, 0xF3
    after[250:266, 220:250] = 0xBD
    box = screenshots.changed(before, after)
    assert (box.left, box.top, box.right, box.bottom) == (100, 200, 249, 299)
    assert box.ports(after, "left") == [(106, 218), (106, 248)] and box.ports(after, "right") == [(243, 258)]
    assert screenshots.find_color(after, screenshots.COMPLEX, box) == (109, 232)
