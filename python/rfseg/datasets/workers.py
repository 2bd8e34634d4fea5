"""Jobs in several processes that end with the process that started them, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any, Callable, Iterator, Sequence, TypeVar

from ..errors import DatasetError

__all__ = ["run_in_processes"]

Result = TypeVar("Result")
# A process is one worker: threads of the mathematics libraries would only spin beside the other processes
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_job: Callable[[int], Any] | None = None  # of this worker process


def run_in_processes(job: Callable[[int], Result], numbers: Sequence[int], processes: int) -> Iterator[Result]:
    """Run ``job(number)`` in ``processes`` fresh processes; yields the results as they come.

    The processes are killed where the caller stops early, is interrupted or dies.

    Raises
    ------
    DatasetError
        If a process dies; what ``job`` raises otherwise.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks and the state of a GPU
    lifeline, held_here = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        max_workers=max(1, min(processes, len(numbers))),
        mp_context=context,
        initializer=_enter,
        initargs=(job, lifeline),
    )
    is_done = False
    outer = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))  # read when a process starts
    try:
        futures = [pool.submit(_run, number) for number in numbers]
        for future in as_completed(futures):
            yield future.result()
        is_done = True
    except BrokenProcessPool as error:
        raise DatasetError(
            "a worker process died, most likely for want of memory; run the command again, with fewer processes"
        ) from error
    finally:
        for name, value in outer.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        if not is_done:
            held_here.close()  # the workers see it and leave
        pool.shutdown(cancel_futures=True)
        held_here.close()
        lifeline.close()


def _enter(job: Callable[[int], Any], lifeline: Connection) -> None:
    """Body of a worker's start."""
    global _job
    _job = job
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_leave_with_parent, args=(lifeline,), daemon=True).start()


def _leave_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv()
    except (EOFError, OSError):
        os._exit(1)


def _run(number: int) -> Any:
    assert _job is not None
    return _job(number)
