"""Training in several processes of one thread each, which keeps busy cores busier than threads do.

Threads of one process wait for each other after every layer, so on a machine that others use too, each waits for
the unluckiest; processes wait once per step, when they average their gradients.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["average_over_ranks", "launch"]


def launch(ranks: int, body: Callable[..., None], *arguments: Any) -> None:
    """Run ``body(rank, ranks, *arguments)`` in ``ranks`` processes that can talk to each other."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(_enter, args=(ranks, port, body, arguments), nprocs=ranks)


def _enter(rank: int, ranks: int, port: int, body: Callable[..., None], arguments: tuple) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), OMP_NUM_THREADS="1")
    dist.init_process_group("gloo", rank=rank, world_size=ranks)
    try:
        body(rank, ranks, *arguments)
    finally:
        dist.destroy_process_group()


def average_over_ranks(network: nn.Module, value: float) -> float:
    """Average the gradients of all processes in place, and a number that they must agree on."""
    if not dist.is_initialized():
        return value
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients] + [torch.tensor([value], dtype=torch.float32)])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    _copy_back(flat, gradients)
    return float(flat[-1])


def _copy_back(flat: Tensor, gradients: list[Tensor]) -> None:
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()
