"""Whether independent receivers decode what ``rfseg synth`` records: ``conformance.py nr|lte|frames|silent|mixed [options]``.

Every recording is made by the command line, as cf32_le; the truth is the plan of the same recipe and seed.

``nr``      every spacing and channel bandwidth with synchronisation blocks, by ``--nr``
``frames``  one recording cut into pieces of 10 ms: does the frame number advance
``lte``     bandwidths, duplexing and ports, by the blind receiver of the tests and by ``--lte``
``silent``  noise, radars, other emitters and uplinks: nothing may decode
``mixed``   scenes of the standard recipe, and what makes the failures fail

``--nr`` is a command such as ``"python nr_ssb_check.py"``, called with FILE, ``--rate``, ``--scs``, ``--ssb-offset-hz``,
``--max-ms``; it prints ``'pci': N, 'sfn': N, 't_ms': X`` of what it decodes.  ``--lte`` is a command with ``{}`` for a file of
cf32 samples at 1.92 MS/s; it prints ``FDD id=N ports=N rb=N sfn=N start=N``, ``start`` counted from 1.  A line of JSON a
recording goes to ``--out``.  Needs PyTorch and SciPy.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import math
import re
import runpy
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from rfseg.cli import main as rfseg
from rfseg.synth import load_recipe
from rfseg.synth.channel import Channel
from rfseg.synth.lte import CHANNELS_MHZ as LTE_CHANNELS
from rfseg.synth.nr import CHANNELS_MHZ as NR_CHANNELS
from rfseg.synth.nr_sync import block_times
from rfseg.synth.nr_timing import SlotSpan
from rfseg.synth.plan import CarrierPlan, Plan, draw_plan
from rfseg.synth.receiver import IDEAL_RECEIVER
from rfseg.synth.scene import realise
from scipy.signal import resample_poly

RATES = (15.36e6, 19.2e6, 23.04e6, 30.72e6, 46.08e6, 61.44e6, 92.16e6, 122.88e6)
LTE_RATE = 1.92e6
FRAME = 10e-3  # s
BLOCK_WIDTH = 240  # subcarriers of an NR synchronisation block
MARGIN = 0.3e-3  # s that a receiver wants to see behind a block
LATE = 4  # samples at 1.92 MS/s by which an LTE frame may be found off, multipath included
QUIET = {"radars": "share = 0.0", "others": "share = 0.0\nshare_alone = 0.0"}


# Scenes


def recipe_text(rate: float, duration: float, *, ideal: bool, **tables: str) -> str:
    """A recipe of one rate and duration; ``tables`` replaces what is quiet or adds ``carriers``."""
    lines = [f"rates = [[{rate!r}, 1.0]]", f"durations = [[{duration!r}, 1.0]]", "long_duration_limit = 0.04"]
    lines += ["[receiver]", f"ideal = {str(ideal).lower()}"]
    for name, body in (QUIET | tables).items():
        lines += [f"[{name}]" if name != "fixed" else "[[carriers.fixed]]", body]
    return "\n".join(lines) + "\n"


def fixed(label: str, blocks: int, spacing: float, direction: str, snr_db: float = 20.0) -> str:
    """Body of the table of a carrier."""
    return f'label = "{label}"\nblocks = {blocks}\nspacing = {spacing!r}\nsnr_db = {snr_db!r}\ndirection = "{direction}"'


@contextlib.contextmanager
def recorded(recipe: str | Path, seed: int) -> Iterator[Path]:
    """The recording of a recipe and a seed, as the command line writes it."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--count", "1", "--seed", str(seed), "--out", f"{folder}/set", "--sigmf", f"{folder}/iq"]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
            if rfseg(["synth", str(recipe), *options, "--datatype", "cf32_le"]):
                raise SystemExit(errors.getvalue())
        yield next(Path(folder, "iq").glob("*.sigmf-data"))


def plan_of(recipe: str | Path, seed: int) -> Plan:
    """What the recording of a recipe and a seed holds."""
    return draw_plan(load_recipe(recipe), np.random.default_rng(seed))


def began(carrier: CarrierPlan) -> float:
    """Time of the scene's first sample since system frame 0 of a carrier began, s."""
    return carrier.first_half_ms * 0.5e-3 + carrier.lead


def blocks_inside(plan: Plan, carrier: CarrierPlan) -> list[float]:
    """Start of each NR synchronisation block that lies wholly in the scene, s."""
    cell = carrier.downlink
    if cell is None or carrier.label != "NR" or cell.ssb_subcarrier is None:
        return []
    half_ms = int((carrier.lead + plan.frame_duration) / 0.5e-3) + 1
    halves, beams = block_times(cell, SlotSpan(spacing=cell.ssb_spacing, first_half_ms=carrier.first_half_ms, half_ms=half_ms))
    symbol = 1e-3 / 14 * 15e3 / cell.ssb_spacing
    starts = halves * 5e-3 + np.array(cell.ssb_symbols)[beams] * symbol - began(carrier)
    return sorted(starts[(starts > 0.05e-3) & (starts + 4 * symbol + MARGIN < plan.frame_duration)].tolist())


def facts_of(plan: Plan, carrier: CarrierPlan) -> dict[str, Any]:
    """What a line of the report says of a carrier."""
    channel, cell = carrier.channel, carrier.downlink
    facts = {"mhz": carrier.channel_mhz, "blocks": carrier.blocks, "spacing": carrier.spacing, "snr_db": round(carrier.snr_db, 1)}
    facts |= {"rate": plan.samp_rate, "ms": plan.frame_duration * 1e3, "channel": channel.profile, "doppler": channel.doppler_hz}
    facts |= {"spread_ns": round((channel.delay_spread_s or 0) * 1e9), "tdd": getattr(cell, "tdd", None)}
    if carrier.label == "NR" and cell is not None:
        facts |= {"case": cell.ssb_case, "candidates": cell.ssb_count, "sent": cell.ssb_blocks, "period": cell.ssb_period_ms}
    return facts | {"impairments": plan.receiver.impairments}


# Receivers


def run_nr(command: str, file: Path, rate: float, offset: float, spacing: float, ms: float, *extra: str) -> dict[str, float] | None:
    """Cell identity, frame number and place in ms of what an NR receiver decodes."""
    where = ["--rate", repr(rate), "--scs", str(round(spacing / 1e3)), f"--ssb-offset-hz={offset!r}", "--max-ms", repr(ms)]
    done = subprocess.run([*shlex.split(command), str(file), *where, *extra], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        raise SystemExit(done.stderr)
    found = {key: re.search(rf"'{key}': (?:np\.\w+\()?([-\d.]+)", done.stdout) for key in ("pci", "sfn", "t_ms")}
    return {key: float(match[1]) for key, match in found.items()} if all(found.values()) else None


def judge_nr(command: str, file: Path, plan: Plan, carrier: CarrierPlan) -> tuple[bool, dict[str, Any]]:
    """Whether identity and frame number are right, and what was decoded."""
    cell = carrier.downlink
    offset, ms = carrier.center + cell.ssb_center, plan.frame_duration * 1e3
    got = run_nr(command, file, plan.samp_rate, offset, cell.ssb_spacing, ms)
    if got is None:
        return False, {"got": None, "pci": cell.cell_id}
    sfn = int((began(carrier) + got["t_ms"] * 1e-3) // FRAME) % 1024
    good = (got["pci"], got["sfn"]) == (cell.cell_id, sfn)
    return good, {"got": [int(got["pci"]), int(got["sfn"])], "pci": cell.cell_id, "sfn": sfn}


def lte_samples(samples: np.ndarray, rate: float, center: float) -> np.ndarray:
    """The middle of a carrier at 1.92 MS/s."""
    ratio = Fraction(round(LTE_RATE), round(rate))
    moved = samples * np.exp(-2j * np.pi * center / rate * np.arange(samples.size))
    return resample_poly(moved, ratio.numerator, ratio.denominator).astype(np.complex64)


def run_lte(command: str, samples: np.ndarray) -> dict[str, Any] | None:
    """What an LTE receiver finds in a recording, behind which it sees 50 ms of noise 40 dB below."""
    rng, count = np.random.default_rng(0), round(50e-3 * LTE_RATE)
    noise = (rng.standard_normal(count) + 1j * rng.standard_normal(count)) * 0.01 * np.sqrt(np.mean(np.abs(samples) ** 2) / 2)
    with tempfile.NamedTemporaryFile(suffix=".cf32") as file:
        np.concatenate([samples, noise]).astype(np.complex64).tofile(file.name)
        done = subprocess.run(shlex.split(command.replace("{}", file.name)), capture_output=True, text=True, check=False)
    match = re.search(r"(FDD|TDD) id=(\d+) ports=(\d) rb=(\d+).* sfn=(\d+).* start=(-?\d+)", done.stdout)
    if match is None:
        return None
    return {"cell": [match[1], *(int(match[n]) for n in (2, 3, 4))], "frames": [(int(match[6]) - 1, int(match[5]))]}


def run_blind(samples: np.ndarray) -> dict[str, Any] | None:
    """What the receiver of the tests finds."""
    decode = runpy.run_path(str(Path(__file__).parents[1] / "training" / "lte_receiver.py"))["decode"]
    got = decode(samples)
    return got and {"cell": [got.duplex, got.cell_id, got.ports, got.blocks], "frames": list(got.frames)}


def judge_lte(got: dict[str, Any] | None, carrier: CarrierPlan) -> bool:
    """Whether duplexing, identity, ports, bandwidth, frame timing and frame numbers are right."""
    cell = carrier.downlink
    if got is None or got["cell"] != ["FDD" if cell.tdd is None else "TDD", cell.cell_id, cell.ports, cell.blocks]:
        return False
    times = [began(carrier) + place / LTE_RATE for place, _ in got["frames"]]
    late = max(abs(time - round(time / FRAME) * FRAME) * LTE_RATE for time in times)
    numbers = [round(time / FRAME) % 1024 for time in times]
    return late <= LATE and numbers == [number for _, number in got["frames"]]


# Runs


def seeds_with(recipe: Path, wanted: Callable[[Plan], bool], count: int, *, first: int = 0) -> list[tuple[int, Plan]]:
    """The first seeds from ``first`` on whose scenes have what is wanted."""
    plans = ((seed, plan_of(recipe, seed)) for seed in range(first, first + 5000))
    return list(itertools.islice(((seed, plan) for seed, plan in plans if wanted(plan)), count))


def nr_rows(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Every channel that has room for synchronisation blocks."""
    for spacing, channels in NR_CHANNELS.items():
        for mhz, blocks in channels.items():
            fits = [rate for rate in RATES if rate >= 12 * blocks * spacing][:2]
            for number in range(2 * options.scenes):
                ideal, rate = number < options.scenes, fits[number % len(fits)]
                duration = 40e-3 if rate <= 30.72e6 and number % 3 == 2 else 20e-3
                body = fixed("NR", blocks, spacing, "tdd" if number % 2 else "downlink")
                recipe = folder / f"nr-{spacing / 1e3:g}-{mhz}-{number}.toml"
                recipe.write_text(recipe_text(rate, duration, ideal=ideal, fixed=body))
                first = 100 * mhz + round(spacing)  # other cells in every row
                seeds = seeds_with(recipe, lambda plan: bool(blocks_inside(plan, plan.carriers[0])), number + 1, first=first)
                if len(seeds) <= number:
                    continue
                seed, plan = seeds[number]
                with recorded(recipe, seed) as file:
                    good, facts = judge_nr(options.nr, file, plan, plan.carriers[0])
                causes = [] if good else rescuers(plan, 0, options.nr)
                kind = "ideal" if ideal else "standard"
                yield facts_of(plan, plan.carriers[0]) | facts | {"receiver": kind, "seed": seed, "good": good, "causes": causes}


def frame_rows(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Recordings of 40 ms with a block in every frame, cut into pieces."""
    for spacing, blocks in ((15e3, 52), (15e3, 79), (30e3, 24), (30e3, 38), (60e3, 11), (60e3, 18)):
        recipe = folder / f"frames-{spacing / 1e3:g}-{blocks}.toml"
        recipe.write_text(recipe_text(15.36e6, 40e-3, ideal=True, fixed=fixed("NR", blocks, spacing, "downlink")))

        def dense(plan: Plan) -> bool:
            return bool(blocks_inside(plan, plan.carriers[0])) and plan.carriers[0].downlink.ssb_period_ms <= 10

        for seed, plan in seeds_with(recipe, dense, options.scenes):
            carrier, piece = plan.carriers[0], round(plan.samp_rate * FRAME)
            decoded, expected = [], []
            with recorded(recipe, seed) as file:
                samples = np.fromfile(file, "<c8")
            for start in range(0, samples.size - piece + 1, piece):
                with tempfile.NamedTemporaryFile() as part:
                    samples[start : start + piece].tofile(part.name)
                    offset = carrier.center + carrier.downlink.ssb_center
                    got = run_nr(options.nr, Path(part.name), plan.samp_rate, offset, carrier.downlink.ssb_spacing, 10.0)
                if got and got["pci"] == carrier.downlink.cell_id:
                    decoded.append(int(got["sfn"]))
                    expected.append(int((began(carrier) + start / plan.samp_rate + got["t_ms"] * 1e-3) // FRAME) % 1024)
            yield facts_of(plan, carrier) | {"seed": seed, "decoded": decoded, "good": len(decoded) > 1 and decoded == expected}


def lte_rows(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Bandwidths, duplexing and ports; the broadcast channel's four parts all lie in the recording."""
    for (mhz, blocks), direction, ports in itertools.product(LTE_CHANNELS.items(), ("downlink", "tdd"), (1, 2, 4)):
        rates = [rate for rate in RATES if rate >= 12 * blocks * 15e3 + 15e3 and rate <= 30.72e6]

        def whole(plan: Plan, ports: int = ports) -> bool:
            start = began(plan.carriers[0])
            wait = -start % FRAME
            return plan.carriers[0].downlink.ports == ports and wait < 8e-3 and round((start + wait) / FRAME) % 4 == 0

        for number in range(2 * options.scenes):
            recipe = folder / f"lte-{mhz:g}-{direction}-{ports}-{number}.toml"
            body = fixed("LTE", blocks, 15e3, direction)
            recipe.write_text(recipe_text(rates[number % len(rates)], 40e-3, ideal=number < options.scenes, fixed=body))
            seed, plan = seeds_with(recipe, whole, number + 1, first=1000 * blocks)[number]  # other cells in every row
            carrier = plan.carriers[0]
            with recorded(recipe, seed) as file:
                samples = lte_samples(np.fromfile(file, "<c8"), plan.samp_rate, carrier.center)
            blind, other = run_blind(samples), run_lte(options.lte, samples) if options.lte else None
            facts = facts_of(plan, carrier) | {"ports": ports, "seed": seed, "sfn": math.ceil(began(carrier) / FRAME) % 1024}
            facts |= {"direction": direction, "receiver": "ideal" if number < options.scenes else "standard"}
            verdicts = {"blind": judge_lte(blind, carrier)} | ({"other": judge_lte(other, carrier)} if options.lte else {})
            yield facts | verdicts | {"good": all(verdicts.values()), "got": [blind, other]}


def silent_rows(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Nothing that has a broadcast channel; both receivers look all over the band."""
    kinds = {
        "noise": {"carriers": "counts = [1.0]"},
        "radars": {"carriers": "counts = [1.0]", "radars": "share = 1.0\ncounts = [0.0, 0.5, 0.5]\nsnr_db = [15.0, 50.0]"},
        "others": {"carriers": "counts = [1.0]", "others": "share_alone = 1.0\nsnr_db = [10.0, 35.0]"},
        "LTE uplink": {"fixed": fixed("LTE", 50, 15e3, "uplink")},
        "NR uplink 15 kHz": {"fixed": fixed("NR", 52, 15e3, "uplink")},
        "NR uplink 30 kHz": {"fixed": fixed("NR", 24, 30e3, "uplink")},
    }
    for kind, tables in kinds.items():
        recipe = folder / f"silent-{kind.replace(' ', '-')}.toml"
        recipe.write_text(recipe_text(15.36e6, 20e-3, ideal=False, **tables))
        for seed in range(options.scenes):
            plan = plan_of(recipe, seed)
            center = plan.carriers[0].center if plan.carriers else 0.0
            with recorded(recipe, seed) as file:
                nr = [
                    run_nr(options.nr, file, plan.samp_rate, 0.0, spacing, 20.0, "--scan", "--scan-step-hz", "1.2e6")
                    for spacing in (15e3, 30e3)
                ]
                samples = np.fromfile(file, "<c8")
            places = sorted({center, *(1.5e6 * n for n in range(-4, 5))})
            parts = [lte_samples(samples, plan.samp_rate, place) for place in places]
            blind = [run_blind(part) for part in parts]
            other = [run_lte(options.lte, parts[n]) for n in (places.index(center), 1, 7)] if options.lte else []
            found = [got for got in (*nr, *blind, *other) if got]
            yield {"kind": kind, "seed": seed, "tried": [2, len(blind), len(other)], "found": found, "good": not found}


def mixed_rows(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Strong NR carriers of the standard recipe with a block in the frame, and the LTE ones with a broadcast channel."""
    del folder
    made = 0
    for seed in itertools.count(options.first_seed):
        plan = plan_of("standard", seed)
        for number, carrier in enumerate(plan.carriers):
            if carrier.snr_db < 10 or not blocks_inside(plan, carrier):
                continue
            cell = carrier.downlink
            reach = abs(carrier.center + cell.ssb_center) + BLOCK_WIDTH / 2 * cell.ssb_spacing
            facts = facts_of(plan, carrier) | {"seed": seed, "carrier": number, "edge": reach / (0.5 * plan.samp_rate)}
            with recorded("standard", seed) as file:
                good, found = judge_nr(options.nr, file, plan, carrier)
            causes = [] if good else ["band edge"] if facts["edge"] > 1 else rescuers(plan, number, options.nr)
            yield facts | found | {"good": good, "causes": causes, "radars": len(plan.radars), "others": len(plan.others)}
            made += 1
        if made >= options.scenes:
            return


def rescuers(plan: Plan, number: int, command: str) -> list[str]:
    """What, taken out of a scene alone, makes carrier ``number`` decode; ``nothing`` if not even all of it together does."""
    carrier = plan.carriers[number]
    still = tuple(replace(c, channel=Channel(cfo_hz=c.channel.cfo_hz)) for c in plan.carriers)
    alone = replace(carrier, snr_db=max(25.0, carrier.snr_db), channel=still[number].channel)
    changes: dict[str, dict[str, Any]] = {
        "fading": {"carriers": still},
        "radar": {"radars": ()},
        "other emitters": {"others": ()},
        "other carriers": {"carriers": (carrier,)},
        "receiver": {"receiver": IDEAL_RECEIVER},
        "noise": {"carriers": tuple(replace(c, snr_db=c.snr_db + 15 * (c is carrier)) for c in plan.carriers)},
    }
    everything = {"all together": {"carriers": (alone,), "radars": (), "others": (), "receiver": IDEAL_RECEIVER}}
    found = [name for name, change in changes.items() if decodes(replace(plan, **change), carrier, command)]
    return found or [name for name, change in everything.items() if decodes(replace(plan, **change), carrier, command)] or ["nothing"]


def decodes(plan: Plan, carrier: CarrierPlan, command: str) -> bool:
    """Whether a carrier decodes in a scene made from its plan."""
    with tempfile.NamedTemporaryFile() as file:
        realise(plan).iq.astype("<c8").tofile(file.name)
        return judge_nr(command, Path(file.name), plan, carrier)[0]


RUNS = {"nr": nr_rows, "frames": frame_rows, "lte": lte_rows, "silent": silent_rows, "mixed": mixed_rows}


def main() -> None:
    """Print a line per recording, then how many were as they should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", choices=RUNS)
    parser.add_argument("--nr", help="command of an NR receiver")
    parser.add_argument("--lte", help="command of an LTE receiver")
    parser.add_argument("--scenes", type=int, default=3, help="of each kind and receiver; mixed: carriers (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=0, help="of the scenes of mixed (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="for the lines of JSON")
    options = parser.parse_args()
    if options.run != "lte" and (options.nr is None or not shutil.which(shlex.split(options.nr)[0])):
        parser.error(f"--nr={options.nr!r} is no command; give one such as 'python nr_ssb_check.py'")
    import torch

    torch.set_num_threads(1)
    total = good = 0
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        out = stack.enter_context(options.out.open("w")) if options.out else None
        for row in RUNS[options.run](options, Path(folder)):
            total, good = total + 1, good + row["good"]
            line = json.dumps(row, default=int)
            print("ok  " if row["good"] else "FAIL", line, flush=True)
            if out:
                print(line, file=out, flush=True)
    print(f"{options.run}: {good} of {total}")


if __name__ == "__main__":
    main()
