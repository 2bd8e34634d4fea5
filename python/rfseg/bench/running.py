"""A run of ``rfseg bench``: each section of the plan, and where and when it was measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Sequence

from ..contract import Contract
from ..errors import BackendUnavailableError, GeometryError, OptionError
from ..inference import find_model
from ..modelfile import load_contract
from .flowgraphs import run_task
from .inference import measure_inference, time_frame
from .machine import available_cores, describe_machine, load_average
from .plan import SECTIONS, Plan
from .spread import spread

__all__ = ["run_bench"]

_RATES = (15.36e6, 30.72e6, 61.44e6, 122.88e6)  # Hz; what is varied
_DURATIONS = (5e-3, 10e-3, 20e-3, 40e-3)  # s
_CHANNELS = (1, 2)
_DUTY_CYCLE = ("infer_every", 4)
_OVERLOAD = 4.0  # times what the machine can infer
_STAGES = ("spectrogram", "segmenter", "bands", "tracker", "tagger", "feed")


@dataclass(frozen=True, kw_only=True)
class _Case:
    """A chain in one setting; ``why`` it is in the table."""

    why: str
    samp_rate: float
    frame_duration: float
    channels: int = 1
    threads: int = 1
    has_radar: bool = True
    options: tuple[tuple[str, Any], ...] = ()  # further arguments of RF Segmenter

    def settings(self, plan: Plan) -> dict[str, Any]:
        return {
            "model": str(find_model(plan.model)),
            "samp_rate": self.samp_rate,
            "frame_duration": self.frame_duration,
            "channels": self.channels,
            "threads": self.threads,
            "has_radar": self.has_radar,
            **({"options": dict(self.options)} if self.options else {}),
        }

    def facts(self) -> dict[str, Any]:
        return {
            "why": self.why,
            "samp_rate": self.samp_rate,
            "wanted_frame_duration": self.frame_duration,
            "channels": self.channels,
            "threads": self.threads,
        }


def run_bench(
    plan: Plan,
    sections: Sequence[str] = SECTIONS,
    *,
    torch_python: str | None = None,
    is_lenient: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure the sections; the report as JSON has it.

    Parameters
    ----------
    torch_python : str or None
        Interpreter with PyTorch, see :func:`rfseg.bench.eager_client.find_torch_python`.
    is_lenient : bool
        Whether a section for which something is not installed is noted and left out.
    say : callable
        Told what is measured now.

    Raises
    ------
    RfsegError
        If a section cannot be measured, or a setting is of no use.
    """
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        raise OptionError(f"section {unknown[0]!r} is unknown, expected some of {', '.join(SECTIONS)}")
    contract = load_contract(plan.model)
    contract.make_geometry(plan.samp_rate, frame_duration=plan.frame_duration)  # refuses what the model does not cover
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "spectrogram": lambda: _spectrogram(plan, say),
        "inference": lambda: measure_inference(plan, torch_python=torch_python, say=say),
        "lossless": lambda: _lossless(plan, contract, say),
        "live": lambda: _live(plan, contract, say),
        "process": lambda: _process(plan, say),
    }
    report: dict[str, Any] = {"machine": describe_machine(), "plan": plan.to_json(), "sections": {}, "left_out": {}}
    for name in SECTIONS:
        if name not in sections:
            continue
        load, begin = load_average(), time.monotonic()
        try:
            figures = measures[name]()
        except BackendUnavailableError as error:
            if not is_lenient:
                raise
            report["left_out"][name] = str(error)
            say(f"{name} is left out: {error}")
            continue
        report["sections"][name] = {
            **figures,
            "load_before": load,
            "load_after": load_average(),
            "took": time.monotonic() - begin,
        }
    return report


def _spectrogram(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    rows = []
    for bins in plan.bins:
        say(f"spectrogram: {bins} bins")
        result = run_task(
            "spectrogram", bins=[bins], item_types=list(plan.item_types), repeats=plan.repeats, window=plan.window
        )
        rows += result["rows"]
    return {"rows": rows, "gnuradio": result["gnuradio"]}


def _lossless(plan: Plan, contract: Contract, say: Callable[[str], None]) -> dict[str, Any]:
    """Each case once a round, a process each; the figure of a round is the median of its windows."""
    cases = list(_cases(plan, contract))
    results: dict[_Case, list[dict[str, Any]]] = {case: [] for case in cases}
    for number in range(plan.repeats):
        for case in cases if number % 2 == 0 else reversed(cases):
            say(f"lossless, round {number + 1} of {plan.repeats}: {case.why}")
            results[case].append(
                run_task("lossless", **case.settings(plan), seconds=4 * plan.window, repeats=1)
            )
    return {"rows": [_lossless_row(case, found) for case, found in results.items()]}


def _lossless_row(case: _Case, found: list[dict[str, Any]]) -> dict[str, Any]:
    rates = [result["rate"]["median"] for result in found]
    typical = found[rates.index(sorted(rates)[len(rates) // 2])]
    each = case.samp_rate / 1e6 * case.channels
    return {
        **case.facts(),
        **{name: typical[name] for name in ("frame_duration", "bins", "cores", "memory")},
        "rate": spread(rates),
        "times_real_time": spread([rate / each for rate in rates]),
    }


def _live(plan: Plan, contract: Contract, say: Callable[[str], None]) -> dict[str, Any]:
    cases = [case for case in _cases(plan, contract) if case.threads == plan.threads[0]]
    if plan.grows:
        cases += [_overload(plan, contract), _duty_cycle(plan, contract)]
    rows = []
    for case in cases:
        say(f"live, {plan.seconds:g} s: {case.why}")
        rows.append({**case.facts(), **run_task("live", **case.settings(plan), seconds=plan.seconds)})
    return {"rows": rows}


def _process(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    rows = []
    for stage in _STAGES:
        say(f"process: up to the {stage}")
        case = _Case(why="", **_base(plan))
        settings = {name: value for name, value in case.settings(plan).items() if name != "channels"}
        rows.append(run_task("process", **settings, stage=stage, seconds=plan.seconds / 2))
    return {"rows": rows}


def _base(plan: Plan) -> dict[str, Any]:
    """The plan's own setting."""
    return {
        "samp_rate": plan.samp_rate,
        "frame_duration": plan.frame_duration,
        "threads": plan.threads[0],
        "has_radar": plan.has_radar,
    }


def _cases(plan: Plan, contract: Contract) -> Iterator[_Case]:
    """The plan's own setting, and others in which one thing differs, as far as the model covers them."""
    base = _base(plan)
    yield _Case(why="as asked", **base)
    if not plan.grows:
        return
    if plan.has_radar:
        yield _Case(why="without radar", **{**base, "has_radar": False})
    for threads in plan.threads[1:]:
        if threads <= available_cores():
            yield _Case(why="threads", **{**base, "threads": threads})
    others = [("frame", "frame_duration", value) for value in _DURATIONS if value != plan.frame_duration]
    others += [("rate and bins", "samp_rate", value) for value in _RATES if value != plan.samp_rate]
    for why, name, value in others:
        case = {**base, name: value}
        try:
            contract.make_geometry(case["samp_rate"], frame_duration=case["frame_duration"])
        except GeometryError:
            continue  # the model does not cover it
        yield _Case(why=why, **case)
    for channels in _CHANNELS[1:]:
        yield _Case(why="channels, one network", channels=channels, **base)


def _overload(plan: Plan, contract: Contract) -> _Case:
    """Frames that come four times as often as one thread can infer them."""
    geometry = contract.make_geometry(plan.samp_rate, frame_duration=plan.frame_duration)
    needed = time_frame(plan.model, bins=geometry.bins)["median_ms"] * 1e-3
    shortest, longest = contract.frame_duration_range
    duration = min(max(needed / _OVERLOAD, shortest), longest)
    return _Case(
        why=f"{needed / duration:.1f} times what one thread infers",
        **{**_base(plan), "frame_duration": duration},
    )


def _duty_cycle(plan: Plan, contract: Contract) -> _Case:
    """The highest rate that the model covers with one frame in a few inferred."""
    fastest = max((rate for rate in _RATES if rate <= contract.samp_rate_range[1]), default=plan.samp_rate)
    return _Case(
        why=f"one frame in {_DUTY_CYCLE[1]} inferred", **{**_base(plan), "samp_rate": fastest}, options=(_DUTY_CYCLE,)
    )
