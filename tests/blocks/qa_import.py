"""Importing the blocks is cheap and needs neither torch nor ONNX Runtime."""

from __future__ import annotations

import subprocess
import sys

BLOCKED = '''
import sys

class Blocker:
    """Refuses packages as if they were not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnxruntime", "onnx", "matplotlib", "sigmf"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
from gnuradio import rfseg
'''


def python(program: str) -> str:
    """Output of a program."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_needs_no_backend():
    assert python(BLOCKED + "print(sorted(rfseg.__all__) == rfseg.__all__)").strip() == "True"


def test_rows_can_be_made_without_a_backend(threshold_model):
    program = BLOCKED + (
        f"sink = rfseg.spectrogram_sink(30.72e6, model={threshold_model!r})\n"
        "print(sink.output_signature().sizeof_stream_item(0))\n"
    )
    assert python(program).strip() == str(2 * 128 * 4)  # mean and maximum of 128 bins, float


def test_a_missing_backend_is_named_with_the_command_that_installs_it(threshold_model):
    program = BLOCKED + (
        f"try: rfseg.rf_segmenter(30.72e6, model={threshold_model!r})\n"
        "except ImportError as error: print(error)\n"
    )
    assert "pip install onnxruntime" in python(program)


def test_the_import_loads_nothing_heavy():
    heavy = ("torch", "onnxruntime", "matplotlib")
    program = f"import sys; from gnuradio import rfseg; print([m for m in {heavy} if m in sys.modules])"
    assert python(program).strip() == "[]"
