"""Memory that training keeps."""

import subprocess
import sys

CODE = """
import resource, numpy as np
from rfseg.training.memory import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(8 << 20)  # 64 MiB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert keep_memory()
first = faults()
print(first, faults())
"""


def test_a_block_that_was_freed_is_taken_again_without_fresh_pages():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    first, second = map(int, run.stdout.split())
    assert second < first / 4
