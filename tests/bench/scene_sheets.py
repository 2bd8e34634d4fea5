"""The contact sheets of the documentation: ``scene_sheets.py FOLDER``.

``families.png``: every family of emitter alone, clean, 30.72 MS/s; ``scenes.png``: forty scenes of the standard
recipe with their masks.  Needs PyTorch.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from rfseg.datasets.items import Item, level_rows
from rfseg.datasets.sheet import make_sheet, mask_colours, rows_to_picture
from rfseg.synth import CLASS_LABELS, load_recipe, realise
from rfseg.synth.items import SceneMaker
from rfseg.synth.lte import draw_lte
from rfseg.synth.lte_uplink import draw_lte_uplink
from rfseg.synth.nr import draw_nr
from rfseg.synth.nr_uplink import draw_nr_uplink
from rfseg.synth.other import OTHER_KINDS, draw_other
from rfseg.synth.plan import CarrierPlan, Plan
from rfseg.synth.radar import FAMILIES, draw_radar
from rfseg.synth.receiver import IDEAL_RECEIVER

SAMP_RATE, DURATION, SNR_DB = 30.72e6, 20e-3, 25.0
FIRST_SCENE, SCENES = 5000, 40
CARRIERS = {  # caption: (label, blocks, spacing, load, pattern, direction)
    "LTE 20 MHz idle": ("LTE", 100, 15e3, "idle", None, "down"),
    "LTE 20 MHz light": ("LTE", 100, 15e3, "light", None, "down"),
    "LTE 10 MHz full": ("LTE", 50, 15e3, "full", None, "down"),
    "LTE 20 MHz TDD 2 medium": ("LTE", 100, 15e3, "medium", 2, "down"),
    "LTE 20 MHz uplink medium": ("LTE", 100, 15e3, "medium", None, "up"),
    "NR 20 MHz 15 kHz idle": ("NR", 106, 15e3, "idle", None, "down"),
    "NR 20 MHz 15 kHz medium": ("NR", 106, 15e3, "medium", None, "down"),
    "NR 25 MHz 30 kHz full": ("NR", 65, 30e3, "full", None, "down"),
    "NR 25 MHz 30 kHz DDDSU": ("NR", 65, 30e3, "medium", "DDDSU", "down"),
    "NR 25 MHz 60 kHz medium": ("NR", 31, 60e3, "medium", None, "down"),
    "NR 20 MHz uplink medium": ("NR", 51, 30e3, "medium", None, "up"),
}


def _item(plan: Plan) -> Item:
    scene = realise(plan)
    return Item(level_rows(scene.rows)[0], scene.mask)


def _carrier(facts: tuple, rng: np.random.Generator) -> Plan:
    label, blocks, spacing, load, pattern, direction = facts
    if direction == "down":
        draw = draw_lte(blocks, rng, tdd_choices=(pattern,)) if label == "LTE" else draw_nr(blocks, spacing, rng, tdd_choices=(pattern,))
    else:
        draw = draw_lte_uplink(blocks, rng) if label == "LTE" else draw_nr_uplink(blocks, spacing, rng)
        draw = replace(draw, tdd=None)
    cell = replace(draw, load=load)
    sent = {"downlink": cell} if direction == "down" else {"uplink": cell}
    carrier = CarrierPlan(label=label, channel_mhz=0, spacing=spacing, blocks=blocks, center=0.0, snr_db=SNR_DB, **sent)
    return Plan(samp_rate=SAMP_RATE, frame_duration=DURATION, carriers=(carrier,), receiver=IDEAL_RECEIVER)


def families() -> tuple[list[Item], list[str]]:
    """One frame of every family, and its name."""
    rng = np.random.default_rng(1)
    plans = {caption: _carrier(facts, rng) for caption, facts in CARRIERS.items()}
    for family in FAMILIES:
        radar = replace(draw_radar(DURATION, SAMP_RATE, rng, families=(family,)), snr_db=45.0, scan_peak=None, scan_width=None)
        plans[f"Radar {family}"] = Plan(samp_rate=SAMP_RATE, frame_duration=DURATION, radars=(radar,))
    for kind in OTHER_KINDS:
        other = draw_other(kind, 0.0, SNR_DB, rng)
        plans[f"Noise {kind}"] = Plan(samp_rate=SAMP_RATE, frame_duration=DURATION, others=(other,))
    return [_item(plan) for plan in plans.values()], list(plans)


def scenes() -> tuple[list[Item], list[str]]:
    """Random scenes, and what is in them."""
    maker = SceneMaker(recipe=load_recipe("standard"))
    items = maker.many(list(range(FIRST_SCENE, FIRST_SCENE + SCENES)))
    return items, [maker.caption(item.metadata) for item in items]


def _palette() -> Image.Image:
    """The colours that a sheet is made of: those of the masks, of rows at all levels, and greys for text."""
    levels = np.linspace(-34, 34, 341, dtype=np.float32)  # dB about their median
    rows = rows_to_picture(levels[None, None])[0, levels >= -6]
    greys = np.repeat(np.linspace(0, 255, 16).astype(np.uint8)[:, None], 3, axis=1)
    colours = np.concatenate([mask_colours(len(CLASS_LABELS))[[0, 1, 2, 3, 255]], greys, rows])[:256]
    image = Image.new("P", (1, 1))
    image.putpalette(colours.ravel().tolist())
    return image


def main() -> None:
    """Write both sheets, small and with few colours: they are to be looked at, not measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    for name, make in (("families", families), ("scenes", scenes)):
        items, captions = make()
        sheet = make_sheet(items, CLASS_LABELS, captions=captions, columns=5)
        sheet = sheet.resize((sheet.width * 5 // 8, sheet.height * 5 // 8), Image.Resampling.LANCZOS)
        sheet.quantize(palette=_palette(), dither=0).save(folder / f"{name}.png", optimize=True)
        print(folder / f"{name}.png", sheet.size)


if __name__ == "__main__":
    main()
