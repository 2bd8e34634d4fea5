"""Bands: from masks to bands and back.

:func:`mask_to_bands` finds what a mask shows (:mod:`.finding`, of :mod:`.regions`, :mod:`.guards` and :mod:`.pulses`) and measures
it in the rows (:mod:`.power`, :mod:`.edges`, :mod:`.noisefloor`, :mod:`.calibration`, :mod:`.pulsewidth`).  :mod:`.groups` joins
bands of successive frames, :mod:`.lines` writes and reads them as lines of JSON.
"""

from .band import FREQ_REFERENCES, UNKNOWN_LABEL, Band, BandRules, bands_to_mask, mask_to_bands

__all__ = ["FREQ_REFERENCES", "UNKNOWN_LABEL", "Band", "BandRules", "bands_to_mask", "mask_to_bands"]
