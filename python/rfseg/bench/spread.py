"""Figures of repeated measurements: the median, and how far they lie apart."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

import numpy as np

__all__ = ["in_turns", "latencies", "ratio", "spread"]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, least and greatest value, and their number."""
    return {
        "median": float(np.median(values)),
        "low": float(np.min(values)),
        "high": float(np.max(values)),
        "n": len(values),
    }


def ratio(values: Sequence[float], others: Sequence[float]) -> dict[str, Any]:
    """Spread of the quotients, round by round: what slowed both down drops out."""
    return spread([value / other for value, other in zip(values, others, strict=True)])


def latencies(seconds: Sequence[float]) -> dict[str, Any] | None:
    """Percentiles in ms; None where there are none."""
    if not len(seconds):
        return None
    p50, p95, p99 = np.percentile(np.asarray(seconds) * 1e3, (50, 95, 99))
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "max": float(np.max(seconds) * 1e3), "n": len(seconds)}


def in_turns(
    measures: Mapping[str, Callable[[], Any]], rounds: int, *, seed: int = 0
) -> dict[str, list[Any]]:
    """Call each function once a round, in an order that changes from round to round; the results by name."""
    random = np.random.default_rng(seed)
    results: dict[str, list[Any]] = {name: [] for name in measures}
    names = list(measures)
    for _ in range(rounds):
        for index in random.permutation(len(names)):
            results[names[index]].append(measures[names[index]]())
    return results
