"""The colour map of the published pictures, and its inverse.

MATLAB's ``parula`` is piecewise linear between few points; through the 22 below, the table of 256 entries
agrees with the published pictures to one level of 255 (exactly at both label colours' ends).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from .errors import GeometryError

__all__ = ["from_parula", "parula", "to_parula"]

# Red, green, blue at positions i/9 and i/15 of the scale; both lists have 0, 1/3, 2/3 and 1
_NINTHS = (
    (0.2422, 0.1504, 0.6603), (0.2803, 0.2782, 0.9221), (0.2440, 0.4358, 0.9988), (0.1540, 0.5902, 0.9218),
    (0.0297, 0.7082, 0.8163), (0.1938, 0.7758, 0.6251), (0.5044, 0.7993, 0.3480), (0.8634, 0.7406, 0.1596),
    (0.9892, 0.8136, 0.1885), (0.9769, 0.9839, 0.0805),
)  # fmt: skip
_FIFTEENTHS = (
    (0.2422, 0.1504, 0.6603), (0.2717, 0.2184, 0.8439), (0.2814, 0.3095, 0.9483), (0.2647, 0.4030, 0.9935),
    (0.1847, 0.5030, 0.9819), (0.1540, 0.5902, 0.9218), (0.1085, 0.6669, 0.8734), (0.0009, 0.7248, 0.7815),
    (0.1609, 0.7635, 0.6671), (0.2809, 0.7964, 0.5266), (0.5044, 0.7993, 0.3480), (0.7344, 0.7679, 0.1852),
    (0.9184, 0.7308, 0.1890), (0.9962, 0.7798, 0.2095), (0.9619, 0.8840, 0.1557), (0.9769, 0.9839, 0.0805),
)  # fmt: skip


@lru_cache(maxsize=1)
def parula() -> np.ndarray:
    """The table, uint8 ``(256, 3)``, read-only.

    Examples
    --------
    >>> parula()[0].tolist(), parula()[255].tolist()
    ([62, 38, 168], [249, 251, 21])
    """
    points = {45 * i // 9: colour for i, colour in enumerate(_NINTHS)}
    points.update({45 * i // 15: colour for i, colour in enumerate(_FIFTEENTHS)})  # 45 = lcm(9, 15)
    places = np.array(sorted(points))
    colours = np.array([points[place] for place in places.tolist()])
    scale = np.linspace(0.0, 45.0, 256)
    table = np.stack([np.interp(scale, places, colours[:, c]) for c in range(3)], axis=1)
    table = np.floor(255.0 * table + 0.5).astype(np.uint8)
    table.setflags(write=False)
    return table


def to_parula(levels: np.ndarray) -> np.ndarray:
    """Levels, uint8 ``(...)``, as colours, uint8 ``(..., 3)``."""
    return parula()[levels]


def from_parula(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Levels of a coloured picture: the nearest entry of the table.

    Parameters
    ----------
    image : uint8 ``(..., 3)``
        Red, green, blue.

    Returns
    -------
    levels : uint8 ``(...)``
    distance : float
        Of the worst colour from its entry, Euclidean, in levels of 255: 0 for a picture in these very
        colours, up to about 1.5 for one that MATLAB coloured, more where the map was another one.

    Raises
    ------
    GeometryError
        If the array is no RGB picture of 8 bits.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim < 1 or image.shape[-1] != 3:
        raise GeometryError(f"image is {image.dtype} {image.shape}, expected uint8 (..., 3); convert it to 8-bit RGB")
    packed = image.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    colours, places = np.unique(packed, return_inverse=True)
    if not colours.size:
        return np.zeros(image.shape[:-1], np.uint8), 0.0
    split = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    distance, entry = cKDTree(parula().astype(float)).query(split.astype(float))
    return entry.astype(np.uint8)[places].reshape(image.shape[:-1]), float(distance.max())
