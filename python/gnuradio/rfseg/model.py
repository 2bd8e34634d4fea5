# SPDX-License-Identifier: GPL-3.0-or-later
"""Segmentation Model: one place for what all blocks of a flowgraph must agree on."""

from __future__ import annotations

from pathlib import Path

from rfseg.contract import Contract
from rfseg.errors import ContractError, RfsegError
from rfseg.geometry import Geometry
from rfseg.inference import DEFAULT_MODEL
from rfseg.modelfile import load_contract

__all__ = ["model"]


class model(str):
    """Name or file of a model that tells what its contract promises.

    It is a string, and goes wherever a block asks for a model.  What depends on the model is an attribute, so that no
    number is written twice: ``network.samp_rate``, ``network.bins``, ``network.labels``.

    Parameters
    ----------
    name : str or Path
        Name of a model, or path of its file.
    samp_rate : float
        Complex samples per second that the model is to see, Hz.
    frame_duration : float or None
        Wanted duration of a frame, s; None for the model's default.

    Raises
    ------
    ContractError
        If there is no such model, or it cannot run on a stream.
    GeometryError
        If the model does not cover the rate or the duration; the message says which it covers.

    Examples
    --------
    >>> network = model("rf-segmenter", samp_rate=30.72e6)
    >>> network, network.bins, network.labels
    ('rf-segmenter', 128, ('Noise', 'LTE', 'NR', 'Radar'))
    """

    def __new__(cls, name: str | Path = DEFAULT_MODEL, *, samp_rate: float, frame_duration: float | None = None) -> model:
        if not isinstance(name, (str, Path)) or not str(name):
            raise ContractError(f"model={name!r} is no name; give the name of a model, such as {DEFAULT_MODEL}, or its file")
        contract = load_contract(name)
        geometry = contract.make_geometry(samp_rate, frame_duration=frame_duration)
        made = super().__new__(cls, name)
        made._contract, made._geometry, made._frame_duration = contract, geometry, frame_duration
        return made

    @property
    def contract(self) -> Contract:
        """All that the file promises."""
        return self._contract

    @property
    def geometry(self) -> Geometry:
        """Shape of rows and frames."""
        return self._geometry

    @property
    def samp_rate(self) -> float:
        """Complex samples per second, Hz."""
        return self._geometry.samp_rate

    @property
    def samp_rate_range(self) -> tuple[float, float]:
        """Lowest and highest rate that the model covers, Hz."""
        return self._contract.samp_rate_range

    @property
    def frame_duration(self) -> float:
        """Duration of a frame that the blocks are to be asked for, s."""
        return self._contract.default_frame_duration if self._frame_duration is None else self._frame_duration

    @property
    def frame_samples(self) -> int:
        """Samples of a frame."""
        return self._geometry.frame_samples

    @property
    def rows(self) -> int:
        """Rows of a frame."""
        return self._geometry.rows

    @property
    def bins(self) -> int:
        """Bins of a row, and items of a mask row."""
        return self._geometry.bins

    @property
    def row_size(self) -> int:
        """Floats of a spectrogram row: the bins of each reduction."""
        return self._geometry.row_size

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, by the ids of the mask; the first is the background."""
        return self._contract.labels

    @staticmethod
    def describe(name: str, samp_rate: float, frame_duration: float | None) -> tuple[str, str]:
        """What a model promises, in words for the canvas: rates and shape; classes.  Dashes where it promises nothing."""
        try:
            chosen = model(name, samp_rate=samp_rate, frame_duration=frame_duration)
        except (RfsegError, TypeError):  # the block's value says what is wrong
            return "-", "-"
        low, high = (f"{rate / 1e6:g}" for rate in chosen.samp_rate_range)
        shape = f"{low} to {high} MS/s, {chosen.bins} bins, frames of {chosen.frame_duration * 1e3:g} ms"
        return shape, ", ".join(chosen.labels)
