"""The flowgraph with the displays, as Companion makes it, on a screen of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PyQt5 import QtGui

from rfseg.colours import class_colour

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "recording_to_display.grc"
MODEL = ROOT / "tests" / "models" / "threshold.onnx"
TIMEOUT = 300  # s; a busy machine takes minutes over a start
LEAST_PIXELS = 2000  # of a class that takes a third of the picture
# The program as the user starts it, but that it looks at itself, and ends.
LOOK = """
import sys
import {module} as program
from PyQt5 import Qt

application = Qt.QApplication(sys.argv[:1])
flowgraph = program.{module}(recording=sys.argv[1], model=sys.argv[2], speed=0.5)
flowgraph.resize(900, 650)
flowgraph.show()
flowgraph.start()
displays = flowgraph.display, flowgraph.occupancy_display

def look():
    if displays[0].frames() < 4 or displays[0].pictures() < 5 or displays[1].reports() < 1:
        return
    displays[0].widget().canvas.grab().save(sys.argv[3])
    flowgraph.tabs.setCurrentIndex(1)
    inside = [flowgraph.tabs.widget(i).isAncestorOf(display.widget()) for i, display in enumerate(displays)]
    print("in their tabs:", inside, "bad:", displays[0].bad_messages() + displays[1].bad_messages())
    flowgraph.close()
    application.quit()

timer = Qt.QTimer()
timer.timeout.connect(look)
timer.start(100)
application.exec_()
"""


@pytest.fixture(scope="module")
def screen():
    """Name of a screen that nobody sees."""
    program = shutil.which("Xvfb")
    assert program, "Xvfb is missing: apt-get install xvfb"
    reading, writing = os.pipe()
    command = [program, "-displayfd", str(writing), "-screen", "0", "1000x750x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as number:
        yield f":{number.readline().strip()}"
    server.terminate()
    server.wait(TIMEOUT)


def test_the_flowgraph_shows_the_recording_in_its_tabs(screen, tmp_path):
    environment = {**os.environ, "GRC_BLOCKS_PATH": str(ROOT / "grc"), "DISPLAY": screen, "QT_QPA_PLATFORM": "xcb"}
    environment |= {"PYTHONPATH": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, command)], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=TIMEOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "error" not in run(shutil.which("grcc"), "-o", tmp_path, EXAMPLE).lower()
    tmp_path.chmod(0o700)
    picture = tmp_path / "display.png"
    recording = ROOT / "examples" / "data" / "demo.sigmf-meta"
    said = run("-c", LOOK.format(module=EXAMPLE.stem), recording, MODEL, picture)
    assert "in their tabs: [True, True] bad: 0" in said
    image = QtGui.QImage(str(picture))
    hues = [QtGui.QColor(image.pixel(x, y)) for x in range(0, image.width(), 2) for y in range(0, image.height(), 2)]
    wanted = {QtGui.QColor(class_colour(class_id)).hue() for class_id in (1, 2)}  # which one, the level decides
    coloured = [colour for colour in hues if colour.saturation() > 60]
    assert sum(any(abs(colour.hue() - hue) < 12 for hue in wanted) for colour in coloured) > LEAST_PIXELS


def test_its_page_names_the_options_that_it_has():
    page = EXAMPLE.with_suffix(".md").read_text()
    text = EXAMPLE.read_text()
    names = re.findall(r"- name: (\w+)\n  id: parameter\n", text)
    assert len(names) == 4
    assert all(f"--{name.replace('_', '-')} " in page for name in names)
