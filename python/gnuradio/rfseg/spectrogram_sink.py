# SPDX-License-Identifier: GPL-3.0-or-later
"""STFT Spectrogram Sink with the geometry that a model wants."""

from __future__ import annotations

from pathlib import Path

from rfseg.contract import Contract
from rfseg.framequeue import Mode, choose
from rfseg.geometry import Geometry
from rfseg.inference import DEFAULT_MODEL
from rfseg.modelfile import load_contract
from rfseg.published_geometry import PictureGeometry

from . import rfseg_python

__all__ = ["frame_geometry", "spectrogram_sink"]


def spectrogram_sink(
    samp_rate: float,
    *,
    model: str | Path | Contract = DEFAULT_MODEL,
    frame_duration: float | None = None,
    mode: str = "live",
    item_type: str = "complex64",
    center_freq: float | None = None,
    settling: float = 0.0,
    infer_every: int = 1,
) -> rfseg_python.spectrogram_sink:
    """Spectrogram rows of an IQ stream, every sample in exactly one frame.

    Stream in: IQ of the item type.
    Stream out: float rows, ``channels * bins`` values in dBFS, NaN in frames that are skipped; may stay unconnected, and then the block is a
    sink whose ``latest_frame()`` serves scripts and displays.
    Messages in: ``freq``, ``overflow``.
    Messages out: ``status``.
    Tags: reads ``rx_time``, ``rx_rate``, ``rx_freq``; writes ``rfseg_frame`` on the first row of each frame.
    Latency: one frame and half a segment.
    Threads: the block's own.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second, Hz.
    model : str, Path or Contract
        Name or file of the model that will see the rows: its contract sets the reductions and checks rate and
        duration.
    frame_duration : float or None
        Wanted duration of a frame, s; None for the model's default.
    mode : str
        ``live``: rows may wait for a while without holding up the source; ``lossless``: an overflow is warned of.
    item_type : str
        ``complex64``, ``int16`` or ``int8`` (complex, full scale 1, 32768 or 128).
    center_freq : float or None
        RF centre until a tag or message tells another, Hz; None where it is not known.
    settling : float
        Time after a retune or a change of the rate in which samples are not good, s: their frames are marked
        and not judged, and the next frame begins with the first good sample.
    infer_every : int
        One frame in so many is inferred, the first after a retune in any case; the others are marked ``skipped``, their
        rows are NaN and cost next to nothing.  1 for all.
    """
    contract = model if isinstance(model, Contract) else load_contract(model)
    geometry = frame_geometry(samp_rate, model=contract, frame_duration=frame_duration)
    picture = {}
    if contract.published is not None and isinstance(geometry, PictureGeometry):
        picture = {"row_span": geometry.row_span, "extremes": contract.published.extremes.value}
    return rfseg_python.spectrogram_sink(
        samp_rate=geometry.samp_rate,
        fft_size=geometry.fft_size,
        hop=geometry.hop,
        segments_per_row=geometry.segments_per_row,
        rows=geometry.rows,
        reductions=[reduction.value for reduction in geometry.reductions],
        item_type=item_type,
        center_freq=center_freq,
        lossless=choose(Mode, mode, "mode") is Mode.LOSSLESS,
        settling=settling,
        infer_every=infer_every,
        **picture,
    )


def frame_geometry(
    samp_rate: float,
    *,
    model: str | Path | Contract = DEFAULT_MODEL,
    frame_duration: float | None = None,
) -> Geometry:
    """Shape of rows and frames with these settings, for instance to size what hangs on the streams."""
    contract = model if isinstance(model, Contract) else load_contract(model)
    return contract.make_geometry(samp_rate, frame_duration=frame_duration)
