"""How long one inference takes: models, precisions, batches, threads and providers, beside PyTorch."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np

from ..contract import Contract, golden_limits, golden_rows
from ..inference import Session, find_model, list_models
from ..modelfile import load_contract
from ..providers import available_providers
from .eager_client import EagerNetwork
from .machine import processor_name
from .plan import Plan
from .spread import in_turns, latencies, ratio

__all__ = ["measure_inference", "time_frame"]

_MAIN_BINS = 256
_SHORT_RUNS = 15
_LONGEST_SHORT = 10.0  # s that those may take
_BUDGET, _FEWEST = 120.0, 3  # s for the lines of a model, rounds
_HEAVY = 1.0  # s of an inference from which on batches and widths are not varied


def time_frame(model: str | Path, *, bins: int = _MAIN_BINS, runs: int = _SHORT_RUNS, providers: str = "cpu") -> dict[str, Any]:
    """Time of one frame on this machine, in one thread."""
    session = Session(model, threads=1, providers=providers)
    run = _runner(session, _bins_of(session.contract, (bins,))[0], 1)
    run()
    spent = [run()]
    spent += [run() for _ in range(min(runs, int(_LONGEST_SHORT / spent[0])) - 1)]
    return {
        "median_ms": float(np.median(spent) * 1e3),
        "least_ms": float(np.min(spent) * 1e3),
        "processor": processor_name(),
        "threads": 1,
        "provider": session.provider,
    }


def measure_inference(plan: Plan, *, torch_python: str | None, say: Callable[[str], None]) -> dict[str, Any]:
    """A row for each model, provider, number of threads, batch and width, with its ratio to PyTorch where that is."""
    rows = []
    for name, path in _models(plan):
        say(f"inference: {name}")
        rows += _measure_model(name, path, plan, torch_python)
    return {"rows": rows, "providers": _found_providers(), "pytorch": torch_python}


def _models(plan: Plan) -> list[tuple[str, Path]]:
    chosen = find_model(plan.model)
    others = list_models() if plan.all_models else {}
    return [(chosen.stem, chosen), *((name, path) for name, path in others.items() if path != chosen)]


def _measure_model(name: str, path: Path, plan: Plan, torch_python: str | None) -> list[dict[str, Any]]:
    contract = load_contract(path)
    open_session = cache(lambda provider, threads: Session(path, threads=threads, providers=provider))
    first = _runner(open_session(_found_providers()[0], plan.threads[0]), _bins_of(contract, (_MAIN_BINS,))[0], 1)
    first()  # what is allocated and chosen once
    if first() > _HEAVY:
        plan = replace(plan, batches=plan.batches[:1], inference_bins=(_MAIN_BINS,))
    cells = list(_cells(contract, plan))
    runs: dict[tuple, Callable[[], float]] = {
        cell: _runner(open_session(*cell[:2]), cell[3], cell[2]) for cell in cells
    }
    with ExitStack() as stack:
        eager = _eager(contract, torch_python, stack)
        if eager is not None:
            wanted = dict.fromkeys(("pytorch", *cell[1:]) for cell in cells)
            runs |= {cell: (lambda c=cell: eager.run(threads=c[1], batch=c[2], bins=c[3])) for cell in wanted}
        for run in runs.values():
            run()  # what is allocated and chosen once
        once = sum(run() for run in runs.values())
        spent = in_turns(runs, min(plan.runs, max(_FEWEST, int(_BUDGET / once))))
    rows = []
    for cell, seconds in spent.items():
        provider, threads, batch, bins = cell
        row = {"model": name, "precision": contract.precision, "provider": provider, "threads": threads, "batch": batch}
        row |= {"rows": contract.rows, "bins": bins, "ms": latencies(seconds)}
        if provider == "pytorch":
            row["precision"] = "fp32"
        elif ("pytorch", *cell[1:]) in spent:
            row["pytorch_to_this"] = ratio(spent["pytorch", *cell[1:]], seconds)
        rows.append(row)
    return rows


def _cells(contract: Contract, plan: Plan) -> Iterator[tuple[str, int, int, int]]:
    """Provider, threads, batch, bins: all of the first three at one width, and the other widths once."""
    widths = _bins_of(contract, plan.inference_bins)
    main = _MAIN_BINS if _MAIN_BINS in widths else widths[0]
    for provider in _found_providers():
        for threads in plan.threads if provider == "cpu" else plan.threads[:1]:
            for batch in plan.batches:
                yield provider, threads, batch, main
        for width in widths:
            if width != main:
                yield provider, plan.threads[0], plan.batches[0], width


def _bins_of(contract: Contract, wanted: tuple[int, ...]) -> tuple[int, ...]:
    return wanted if contract.published is None else (contract.rows,)


def _runner(session: Session, bins: int, batch: int) -> Callable[[], float]:
    """A function that runs one batch and says how long it took, s."""
    contract = session.contract
    frames = np.stack(
        [golden_rows(seed, bins, channels=len(contract.reductions), rows=contract.rows) for seed in range(batch)]
    )
    limits = None if contract.published is None else np.stack([golden_limits(frame) for frame in frames])

    def run() -> float:
        begin = time.perf_counter()
        session.run(frames, limits)
        return time.perf_counter() - begin

    return run


def _eager(contract: Contract, torch_python: str | None, stack: ExitStack) -> EagerNetwork | None:
    """The same network in PyTorch; None where there is no PyTorch, or the file does not say which network it is."""
    network = contract.training.get("network") if contract.published is None else None
    if torch_python is None or not isinstance(network, str):
        return None
    return stack.enter_context(EagerNetwork(torch_python, network, classes=len(contract.classes), rows=contract.rows))


def _found_providers() -> list[str]:
    import onnxruntime

    return available_providers(onnxruntime.get_available_providers())
