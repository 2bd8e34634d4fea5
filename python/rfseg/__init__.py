"""rfseg: spectrum segmentation with trained networks.

The library knows signals, spectrograms, masks, bands and models; the GNU Radio blocks are in
``gnuradio.rfseg``.  Import from its modules: ``from rfseg.pipeline import segment_recording``.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
