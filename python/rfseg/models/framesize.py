"""What every network asks of its input: three channels, and a size that its stride divides."""

from __future__ import annotations

from torch import Tensor

from ..errors import GeometryError

__all__ = ["CHANNELS", "require_multiple"]

CHANNELS = 3  # of the features, and of the pictures that the published networks read


def require_multiple(features: Tensor, stride: int) -> None:
    """Raise :class:`~rfseg.errors.GeometryError` unless ``features`` is ``(N, 3, stride * t, stride * f)``.

    While a graph is exported the sizes are symbols; one that is not known to be a multiple becomes a
    condition of the graph.
    """
    shape = tuple(features.shape)
    if len(shape) != 4 or shape[1] != CHANNELS:
        raise GeometryError(f"features have shape {shape}, expected (N, {CHANNELS}, T, F)")
    if shape[2] % stride or shape[3] % stride:
        fits = tuple((size + stride - 1) // stride * stride for size in shape[2:])
        raise GeometryError(
            f"frame of {shape[2]} x {shape[3]} does not fit the network's stride of {stride}; "
            f"pad it to {fits[0]} x {fits[1]}"
        )
