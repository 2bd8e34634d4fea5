# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/extraction.md: its programs run and find what it says; the keys of PDUs are those of docs/message-formats.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pmt
from gnuradio.rfseg.extraction_messages import excerpt_to_pmt

from rfseg.bands import Band
from rfseg.extraction import Excerpt, ExtractionRules
from rfseg.geometry import RxTime

DOCS = Path(__file__).parents[2] / "docs"


def test_the_programs_of_the_document_run():
    programs = re.findall(r"```python\n(.*?)```", (DOCS / "extraction.md").read_text("utf-8"), re.DOTALL)
    assert len(programs) == 2
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=DOCS.parent, env=environment, capture_output=True, text=True, check=True, timeout=120
        ).stdout
        for program in programs
    ]
    found = re.fullmatch(r"25 (\d\.\d) us every 1000\.00 us\n", outputs[1])
    assert found and abs(float(found[1]) - 2.0) <= 0.6  # a sample at 1.92 MS/s is 0.52 us


def test_the_document_knows_the_defaults():
    page, rules = (DOCS / "extraction.md").read_text("utf-8"), ExtractionRules()
    for text in (
        f"`lead` ({rules.lead * 1e6:g} us)", f"`tail` ({rules.tail * 1e6:g} us)", f"`margin` ({rules.margin / 1e3:g} kHz)",
        f"`max_duration` ({rules.max_duration:g} s)", f"`max_bands` ({rules.max_bands})", f"`switch_margin` ({rules.switch_margin:g} dB)",
    ):  # fmt: skip
        assert text in page, text


def test_every_key_of_a_pdu_is_described_and_none_else():
    section = (DOCS / "message-formats.md").read_text("utf-8").split("### `pdus`")[1].split("###")[0]
    described = {key for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    band = Band(
        label="Unknown", class_id=1, confidence=0.5, freq_lower_edge=1.0, freq_upper_edge=2.0, freq_reference="rf", sample_start=0,
        sample_count=9, power_dbfs=0.0, snr_db=0.0, power_dbm=0.0, model="m", track=1, guess="LTE",
    )  # fmt: skip
    excerpt = Excerpt(
        iq=np.zeros(3, np.complex64), band=band, samp_rate=1.0, center_freq=1.5, sample_start=0, sample_count=9,
        rx_time=RxTime(seconds=1, fraction=0.5),
    )  # fmt: skip
    entries, keys = pmt.dict_keys(pmt.car(excerpt_to_pmt(excerpt))), set()
    for place in range(pmt.length(entries)):
        keys.add(pmt.symbol_to_string(pmt.nth(place, entries)))
    assert keys == described
