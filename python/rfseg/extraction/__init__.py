"""Bands out of a stream: shifted to 0 Hz, filtered, at a rate of one's choice, with exact times.

:class:`BandExtractor` gives each band as an array, :class:`BandFollower` one band as a stream.
"""

from .bandfilter import BandFilter, PassBand, fit_pass_band
from .excerpts import BandStart, Excerpt, Piece, StreamChange
from .extractor import BandExtractor
from .follower import BandFollower
from .grid import Clock, Grid
from .rules import Absence, ExtractionRules

__all__ = [
    "Absence",
    "BandExtractor",
    "BandFilter",
    "BandFollower",
    "BandStart",
    "Clock",
    "Excerpt",
    "ExtractionRules",
    "Grid",
    "PassBand",
    "Piece",
    "StreamChange",
    "fit_pass_band",
]
