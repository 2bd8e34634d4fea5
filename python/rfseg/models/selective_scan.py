"""The recurrence of a selective state space, in a form that trains fast and exports small.

``h[t] = decay[t] * h[t - 1] + drive[t]`` with ``h[-1] = 0`` [Gu and Dao, "Mamba", 2023, equation 2a].
:func:`sequential_scan` is that sentence, step by step: the specification.  :func:`chunked_scan` cuts
the sequence into chunks, runs all chunks side by side, carries the state from chunk to chunk and adds
what the carried state contributes: the same sums in ``chunk + length / chunk`` short steps instead of
``length``, with one pass over the data.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["CHUNK", "MIN_DECAY", "chunked_scan", "sequential_scan"]

MIN_DECAY = 1e-18  # below it a product of two underflows to denormals, which cost 100 times the time
_MIN_PRODUCT = 1e-30  # floor of a running product of decays, for the same reason
CHUNK = 16  # divides 96, 160 and 256, the lengths that RF-Segmenter scans


def sequential_scan(decay: Tensor, drive: Tensor) -> Tensor:
    """Run the recurrence along axis 1, one step at a time.

    Parameters
    ----------
    decay, drive : Tensor ``(K, L, ...)``
        Equal shapes; ``K`` independent sequences of length ``L``.

    Returns
    -------
    Tensor ``(K, L, ...)``
        The state after each step.
    """
    state = torch.zeros_like(drive[:, 0])
    states = []
    for step in range(drive.shape[1]):
        state = decay[:, step].clamp(min=MIN_DECAY) * state + drive[:, step]
        states.append(state)
    return torch.stack(states, dim=1)


def chunked_scan(decay: Tensor, drive: Tensor, *, chunk: int = CHUNK) -> Tensor:
    """Run the recurrence along axis 1 by chunks; equals :func:`sequential_scan` to rounding.

    Parameters
    ----------
    decay, drive : Tensor ``(K, L, ...)``
        Equal shapes.  ``decay`` is clamped to at least ``MIN_DECAY``.
    chunk : int
        Steps in a chunk; it must divide ``L``.

    Returns
    -------
    Tensor ``(K, L, ...)``
    """
    length = drive.shape[1]
    if length % chunk:
        raise ValueError(f"a sequence of {length} steps has no whole number of chunks of {chunk}; choose a divisor")
    shape = (length // chunk, chunk)
    decays = decay.clamp(min=MIN_DECAY).unflatten(1, shape).split(1, dim=2)  # chunk x (K, P, 1, ...)
    drives = drive.unflatten(1, shape).split(1, dim=2)

    local, product = [drives[0]], [decays[0]]
    for step in range(1, chunk):
        local.append(decays[step] * local[-1] + drives[step])
        product.append((decays[step] * product[-1]).clamp(min=_MIN_PRODUCT))

    ends, spans = local[-1].split(1, dim=1), product[-1].split(1, dim=1)  # P x (K, 1, 1, ...)
    carried = [torch.zeros_like(ends[0])]
    for index in range(length // chunk - 1):
        carried.append(spans[index] * carried[-1] + ends[index])
    carry = torch.cat(carried, dim=1)  # (K, P, 1, ...)
    states = torch.cat(local, dim=2) + torch.cat(product, dim=2) * carry  # (K, P, chunk, ...)
    return states.flatten(1, 2)
