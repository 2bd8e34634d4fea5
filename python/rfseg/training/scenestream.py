"""Scenes of successive seeds, made by processes of their own while others are trained on."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

import torch

from ..datasets.items import Item
from ..errors import SceneError
from ..synth.items import SceneMaker
from ..synth.protocol_items import FrameMaker
from ..synth.protocol_recipe import ProtocolRecipe
from ..synth.recipe import Recipe

__all__ = ["SceneStream", "make_items", "scene_maker"]

_AHEAD = 48  # items that wait in the queues
_DEVICE_BLOCK = 32  # scenes that a GPU makes at a time
_NICE = 5  # who makes scenes yields to who trains
_PATIENCE_S = 5.0  # between looks at whether the processes live
# A process is one worker: threads of the mathematics libraries would only spin beside the other processes
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def scene_maker(scenes: Recipe | ProtocolRecipe, device: str = "cpu") -> SceneMaker | FrameMaker:
    """What makes the item of a seed."""
    if isinstance(scenes, ProtocolRecipe):
        return FrameMaker(recipe=scenes, device=device)
    return SceneMaker(recipe=scenes, device=device)


def make_items(maker: SceneMaker | FrameMaker, seeds: list[int]) -> list[Item]:
    """The items of several seeds, together where that is faster."""
    return maker.many(seeds) if isinstance(maker, SceneMaker) else [maker(seed) for seed in seeds]


class SceneStream:
    """Items of the seeds ``first, first + stride, ...``, in that order.

    Parameters
    ----------
    scenes : Recipe or ProtocolRecipe
    first, stride : int
    workers : int
        Processes; 0 makes the items where they are asked for.
    device : str
        Where the samples are made: ``cpu``, or ``cuda:0``, which makes scenes of the standard kind in blocks.
    """

    def __init__(
        self, scenes: Recipe | ProtocolRecipe, first: int, *, stride: int = 1, workers: int = 1, device: str = "cpu"
    ) -> None:
        self._maker = scene_maker(scenes, device)
        self._first, self._stride = first, stride
        self._block = 1 if device == "cpu" or isinstance(scenes, ProtocolRecipe) else _DEVICE_BLOCK
        self._ready: list[Item] = []
        self._blocks = 0  # taken
        self._processes: list[Any] = []
        if workers:
            self._start(workers)

    def take(self, *, wait: bool = True) -> Item | None:
        """The next item; None where ``wait`` is false and it is not ready.

        Raises
        ------
        SceneError
            If the process that makes it died.
        """
        if not self._ready:
            block = self._take_block(wait)
            if block is None:
                return None
            self._ready, self._blocks = block[::-1], self._blocks + 1
        return self._ready.pop()

    def close(self) -> None:
        """End the processes."""
        if self._processes:
            self._lifeline.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
        self._processes = []

    def _start(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks and the state of a GPU
        end, self._lifeline = context.Pipe(duplex=False)
        outer = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
        os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))  # read when a process starts
        size = max(1, _AHEAD // workers // self._block)
        self._queues = [context.Queue(maxsize=size) for _ in range(workers)]
        try:
            for number, out in enumerate(self._queues):
                seeds = _Seeds(self._first, self._stride, self._block, number, workers)
                process = context.Process(target=_produce, args=(self._maker, seeds, out, end), daemon=True)
                process.start()
                self._processes.append(process)
        finally:
            for name, value in outer.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        end.close()

    def _take_block(self, wait: bool) -> list[Item] | None:
        if not self._processes:
            return make_items(self._maker, _Seeds(self._first, self._stride, self._block, 0, 1).block(self._blocks))
        number = self._blocks % len(self._processes)
        while True:
            try:
                return self._queues[number].get(block=wait, timeout=_PATIENCE_S if wait else None)
            except queue.Empty:
                process = self._processes[number]
                if not process.is_alive():
                    raise SceneError(
                        f"the process that makes scenes ended with code {process.exitcode}, most likely for want of memory;"
                        " run again, with a smaller data.pool"
                    ) from None
                if not wait:
                    return None


class _Seeds:
    """Seeds of the blocks that one of ``workers`` processes makes."""

    def __init__(self, first: int, stride: int, block: int, number: int, workers: int) -> None:
        self._first, self._stride, self._block, self._number, self._workers = first, stride, block, number, workers

    def block(self, index: int) -> list[int]:
        """Seeds of its block number ``index``."""
        begin = (index * self._workers + self._number) * self._block
        return [self._first + self._stride * (begin + i) for i in range(self._block)]


def _produce(maker: SceneMaker | FrameMaker, seeds: _Seeds, out: multiprocessing.Queue, lifeline: Connection) -> None:
    """Body of a process: block after block, until it is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_leave_with_parent, args=(lifeline,), daemon=True).start()
    torch.set_num_threads(1)
    os.nice(_NICE)
    index = 0
    while True:
        out.put(make_items(maker, seeds.block(index)))
        index += 1


def _leave_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv()
    except (EOFError, OSError):
        os._exit(0)
