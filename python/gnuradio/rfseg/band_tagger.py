# SPDX-License-Identifier: GPL-3.0-or-later
"""Band Tagger with a ring of the size that the other blocks need."""

from __future__ import annotations

from pathlib import Path

from gnuradio import gr
from rfseg.contract import Contract
from rfseg.errors import OptionError
from rfseg.framequeue import DEFAULT_HOLD, Mode, choose, ring_samples
from rfseg.inference import DEFAULT_MODEL
from rfseg.modelfile import load_contract

from . import rfseg_python

__all__ = ["ITEM_SIZES", "band_tagger"]

# Bytes of one complex sample.
ITEM_SIZES = {"complex64": gr.sizeof_gr_complex, "int16": 2 * gr.sizeof_short, "int8": 2 * gr.sizeof_char}


def band_tagger(
    samp_rate: float,
    *,
    model: str | Path | Contract = DEFAULT_MODEL,
    frame_duration: float | None = None,
    mode: str = "live",
    item_type: str = "complex64",
    hold: float = DEFAULT_HOLD,
) -> rfseg_python.band_tagger:
    """Delays IQ until its bands are known and tags their first and last samples.

    Stream in: IQ of the item type, the same that STFT Spectrogram Sink gets.
    Stream out: the same IQ, bit for bit, delayed.
    Messages in: ``bands``.
    Messages out: ``late``, bands that came after their samples had left.
    Tags: writes ``band_start`` and ``band_end``; forwards all others.
    Latency: lossless, until the frame's bands have come; live, at most ``hold``.
    Threads: the block's own.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second, Hz.
    model : str, Path or Contract
        Name or file of the model that the bands come from; its contract says how long a frame is.
    frame_duration : float or None
        As given to STFT Spectrogram Sink, s; None for the model's default.
    mode : str
        ``live`` or ``lossless``.
    item_type : str
        ``complex64``, ``int16`` or ``int8``.
    hold : float
        Live mode: longest time that a sample waits for its bands, s.
    """
    contract = model if isinstance(model, Contract) else load_contract(model)
    geometry = contract.make_geometry(samp_rate, frame_duration=frame_duration)
    chosen_mode = choose(Mode, mode, "mode")
    if item_type not in ITEM_SIZES:
        raise OptionError(f"item_type={item_type!r} is unknown, expected one of {', '.join(ITEM_SIZES)}")
    return rfseg_python.band_tagger(
        item_size=ITEM_SIZES[item_type],
        mode=chosen_mode.value,
        hold_seconds=hold,
        ring_samples=ring_samples(geometry, mode=chosen_mode, hold=hold),
    )
