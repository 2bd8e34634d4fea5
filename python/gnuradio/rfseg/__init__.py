# SPDX-License-Identifier: GPL-3.0-or-later
"""Spectrum sensing with segmentation networks: IQ in, the same IQ with tagged bands out.

The blocks of gr-rfseg.  What they compute is in the library ``rfseg``; importing this module needs
neither torch nor ONNX Runtime, running a model needs the latter.
"""

from gnuradio import gr as _gr  # noqa: F401, registers the base classes of the bindings

from .band_extractor import band_extractor
from .band_feed import band_feed
from .band_tagger import band_tagger
from .band_tracker import band_tracker
from .mask_to_bands import mask_to_bands
from .model import model
from .occupancy import occupancy
from .occupancy_display import occupancy_display
from .recording_source import recording_source
from .rf_segmenter import rf_segmenter
from .rfseg_python import keys
from .scan_planner import scan_planner
from .segmentation_display import segmentation_display
from .segmenter import segmenter
from .sigmf_recorder import sigmf_recorder
from .spectrogram_sink import frame_geometry, spectrogram_sink

__all__ = [
    "band_extractor",
    "band_feed",
    "band_tagger",
    "band_tracker",
    "frame_geometry",
    "keys",
    "mask_to_bands",
    "model",
    "occupancy",
    "occupancy_display",
    "recording_source",
    "rf_segmenter",
    "scan_planner",
    "segmentation_display",
    "segmenter",
    "sigmf_recorder",
    "spectrogram_sink",
]
