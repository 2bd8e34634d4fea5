"""Errors of edges, power and SNR on scenes: ``edges.py [--scenes N] [--recipe standard|isolated] [--masks true|MODEL]``.

``isolated`` is the standard mix with one carrier in each scene, inside the band and of 0 to 35 dB, and nothing else.  With
``true``, bands are drawn around the true masks; otherwise around those of a model.  An edge is *loaded* if its outermost three
180 kHz are in use for half of the time that the carrier sends.  Power is compared where the receiver's gain is known (no AGC,
compression, gap and the like) and the carrier lies inside the band.  Needs PyTorch.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import torch

from rfseg.bands import Band, mask_to_bands
from rfseg.datasets.classes import IGNORED
from rfseg.evaluation.bandscores import BandScores
from rfseg.evaluation.truth import TrueBand, read_bands
from rfseg.geometry import Frame
from rfseg.inference import Session
from rfseg.synth import Scene, load_recipe, make_scene
from rfseg.synth.emission import carrier_emission, grid_rate_for, modulate_emissions
from rfseg.synth.laws import SnrLaw
from rfseg.synth.layout import CarrierPlan
from rfseg.synth.receiver import passband
from rfseg.synth.reception import noise_floor, resample
from rfseg.synth.recipe import Recipe
from rfseg.synth.rows import scene_rows

FIRST_SEED = {"standard": 700_000_000, "isolated": 700_100_000}
HANN_NOISE_BANDWIDTH = 1.5  # bins
LOADED_SHARE, LOADED_CELLS = 0.5, 3
UNKNOWN_GAIN = {"compression", "blanking", "gain step", "agc", "gap", "dc", "image", "clock"}
SNR_STEPS = (-10, 0, 5, 10, 20, 36)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A carrier as it was sent: shares of time of its 180 kHz cells; power, noise = 1, ``(T, F)``; noise ``(F,)``; dBFS of 1."""

    plan: CarrierPlan
    shares: np.ndarray
    power: np.ndarray
    noise: np.ndarray
    unit_dbfs: float


def make_recipe(name: str) -> Recipe:
    """The standard recipe, or that with one carrier in each scene."""
    recipe = load_recipe("standard")
    if name == "standard":
        return recipe
    alone = {"fill_share": 0.0, "adjacent_share": 0.0, "outside_share": 0.0, "overlap_share": 0.0, "uplink_share": 0.0}
    return replace(
        recipe,
        carriers=replace(recipe.carriers, counts=(0.0, 1.0), **alone),
        radars=replace(recipe.radars, share=0.0),
        others=replace(recipe.others, share=0.0, share_alone=0.0),
        snr=SnrLaw(low=0.0, high=35.0, weak_share=0.0),
    )


def carriers_sent(scene: Scene) -> list[Sent]:
    """The carriers of a scene without noise, made again from its plan."""
    plan, geometry = scene.plan, scene.geometry
    rng = np.random.default_rng(plan.payload_seed)
    generator = torch.Generator("cpu").manual_seed(int(rng.integers(2**62)))
    milliseconds = math.ceil((geometry.frame_samples + geometry.overhang) / plan.samp_rate * 1e3)
    rate = grid_rate_for(plan.samp_rate, plan.carriers)
    freqs = torch.from_numpy((np.arange(geometry.bins) - geometry.bins // 2) * geometry.bin_width)
    gain = passband(plan.receiver, freqs, plan.samp_rate).numpy() ** 2 if plan.receiver.is_shaping else np.ones(geometry.bins)
    found = []
    for carrier in plan.carriers:
        emissions, activity = carrier_emission(carrier, milliseconds * 1e-3, rng=rng, generator=generator)
        samples = modulate_emissions([emissions], round(rate * milliseconds / 1e3), rate, torch.device("cpu"))[0]
        samples = resample(samples, round(plan.samp_rate * milliseconds / 1e3))[: geometry.frame_samples + geometry.overhang]
        rows = scene_rows(samples, geometry)[0].numpy() * (geometry.bins / HANN_NOISE_BANDWIDTH)
        inside = (activity.starts[:-1] < geometry.frame_duration) & (activity.starts[1:] > 0)
        lengths, used = np.diff(activity.starts)[inside, None], activity.power[inside] > 0
        sending = used.any(axis=1)
        shares = (used * lengths)[sending].sum(axis=0) / max(float(lengths[sending].sum()), 1e-12)
        found.append((carrier, shares, rows * gain))
    total = 1.0 + sum(float(power.mean()) for _, _, power in found)  # that reaches the converter
    noise = noise_floor(plan.receiver, total, geometry) * gain
    unit_dbfs = -plan.receiver.backoff_db - 10 * math.log10(total * geometry.bins)
    return [Sent(plan=p, shares=s, power=w, noise=noise, unit_dbfs=unit_dbfs) for p, s, w in found]


def pair(true: TrueBand, bands: list[Band], scene: Scene) -> Band | None:
    """The band of that class that covers most of the width that it shares with a true carrier."""
    best, most = None, 0.3
    for band in bands:
        low, high = (scene.geometry.freq_edge(edge) for edge in (band.freq_lower_edge, band.freq_upper_edge))
        share = (min(high, true.high) - max(low, true.low)) / (max(high, true.high) - min(low, true.low))
        if band.class_id == true.class_id and share > most:
            best, most = band, share
    return best


def measure(scene: Scene, bands: list[Band], true_bands: list[TrueBand], errors: dict[str, list]) -> None:
    """Add the errors of a scene, (SNR in dB, error) each."""
    geometry, plan = scene.geometry, scene.plan
    sent = carriers_sent(scene)
    alone = len(sent) == 1 and not plan.others and not plan.radars
    for true in true_bands:
        band = pair(true, bands, scene) if true.is_judged else None
        if band is None:
            continue
        middle = geometry.edge_freq(0.5 * (true.low + true.high))
        own = min(sent, key=lambda s: abs(s.plan.center - middle) + 1e9 * (abs(s.plan.snr_db - true.snr_db) > 1e-6))
        ends = (band.freq_lower_edge, true.low, own.shares[:LOADED_CELLS], true.shows_low), (
            band.freq_upper_edge, true.high, own.shares[-LOADED_CELLS:], true.shows_high,
        )  # fmt: skip
        for freq, edge, cells, shown in ends:
            if shown:
                kind = ("alone, loaded" if alone else "loaded") if cells.min() >= LOADED_SHARE else "partly used"
                errors[f"edge, {kind}"].append((true.snr_db, abs(geometry.freq_edge(freq) - edge)))
        if alone and true.low > 0.5 and true.high < geometry.bins - 0.5:
            _measure_power(scene, band, true, own, errors)


def _measure_power(scene: Scene, band: Band, true: TrueBand, own: Sent, errors: dict[str, list]) -> None:
    first = band.sample_start // scene.geometry.row_samples
    last = first - (-band.sample_count // scene.geometry.row_samples)
    bins = np.arange(scene.geometry.bins)
    weight = np.clip(np.minimum(true.high, bins + 1) - np.maximum(true.low, bins), 0, 1)
    signal, noise = own.power[first:last].mean(axis=0).sum(), weight @ own.noise
    if not UNKNOWN_GAIN & set(scene.plan.receiver.impairments):
        power_dbfs = own.unit_dbfs + 10 * math.log10(signal + noise)
        errors["power"].append((true.snr_db, abs(band.power_dbfs - power_dbfs)))
    if band.snr_db is not None:
        errors["SNR"].append((true.snr_db, abs(band.snr_db - 10 * math.log10(signal / noise))))


def report(errors: dict[str, list], bin_khz: float) -> None:
    """Print medians and shares by SNR."""
    for name in sorted(errors):
        for low, high in (*zip(SNR_STEPS, SNR_STEPS[1:]), (5, 36)):
            found = np.array([error for snr_db, error in errors[name] if low <= snr_db < high])
            if not found.size:
                continue
            if name.startswith("edge"):
                text = f"median {np.median(found) * bin_khz:6.1f} kHz, 90 % {np.percentile(found, 90) * bin_khz:7.1f} kHz,"
                text += f" within one bin {100 * np.mean(found <= 1):5.1f} %, half a bin {100 * np.mean(found <= 0.5):5.1f} %"
            else:
                text = f"median {np.median(found):5.2f} dB, 90 % {np.percentile(found, 90):5.2f} dB,"
                text += f" within 0.5 dB {100 * np.mean(found <= 0.5):5.1f} %, 1 dB {100 * np.mean(found <= 1):5.1f} %"
            print(f"{name:22s} SNR {low:4d} to {high:3d} dB, {found.size:4d}: {text}")


def main() -> None:
    """Make scenes, draw bands, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--recipe", choices=sorted(FIRST_SEED), default="isolated")
    parser.add_argument("--masks", default="true", metavar="true|MODEL")
    options = parser.parse_args()
    torch.set_num_threads(1)
    session = Session("rf-segmenter" if options.masks == "true" else options.masks, threads=1)
    classes, errors = session.contract.classes, defaultdict(list)
    recipe, scores = make_recipe(options.recipe), BandScores(classes)
    for seed in range(FIRST_SEED[options.recipe], FIRST_SEED[options.recipe] + options.scenes):
        scene = make_scene(recipe, seed)
        geometry, truth = scene.geometry, scene.mask
        count = geometry.frame_samples
        frame = Frame(index=0, sample_start=0, sample_count=count, valid_samples=count, samp_rate=geometry.samp_rate)
        mask, confidence = np.where(truth == IGNORED, 0, truth).astype(np.uint8), np.full_like(truth, 255)
        if options.masks != "true":
            mask, confidence = (output[0] for output in session.run(scene.rows[None]))
        bands = mask_to_bands(mask, confidence, scene.rows, frame=frame, geometry=geometry, classes=classes)
        true_bands = read_bands({"emitters": [vars(e) for e in scene.emitters]}, truth, geometry, classes)
        scores.add(truth, bands, true_bands, geometry)
        measure(scene, bands, true_bands, errors)
    report(errors, 240.0)
    for label, found in scores.to_json()["classes"].items():
        shares = ", ".join(f"IoU {k[4:]}: {100 * v['detection']:.1f} %" for k, v in found.items() if k.startswith("iou"))
        print(f"{label}: {found['bands']} carriers, {shares}")


if __name__ == "__main__":
    main()
