"""Whether a model file answers as the module it was made of, on scenes; ``python -m rfseg.deployment.parity`` prints it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..inference import Session
from ..models.deployable import DeployableSegmenter
from ..synth import Scene, load_recipe
from ..training.checkpoint import read_checkpoint
from .heldout import Purpose, held_out_scenes

__all__ = ["Parity", "measure_parity"]

_NEAR = 0.02  # of a probability: what two classes may differ by where rounding decides


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Pixels of a model file and of its module.

    Parameters
    ----------
    scenes, pixels : int
    equal : float
        Share of the pixels with the same class.
    worst : float
        That share in the scene where it is smallest.
    ties : float
        Of the pixels that differ, the share whose two best classes the module holds for equally likely to 2 %.
    confidence_error : float
        Mean difference of the confidences of equal pixels, 0 to 1.
    """

    scenes: int
    pixels: int
    equal: float
    worst: float
    ties: float
    confidence_error: float

    def __str__(self) -> str:
        rest = "" if self.equal == 1.0 else f", {self.ties:.0%} of the others are ties to 2 %"
        return (
            f"{self.equal:.4%} of {self.pixels} pixels equal on {self.scenes} scenes ({self.worst:.4%} on the worst{rest}),"
            f" confidence {self.confidence_error:.5f} off on the mean"
        )


def measure_parity(model: DeployableSegmenter, session: Session, scenes: Iterable[Scene]) -> Parity:
    """Compare the masks of a module and of the file made of it."""
    shares, pixels, near, different, error = [], 0, 0, 0, 0.0
    for scene in scenes:
        rows = scene.rows[None]
        with torch.no_grad():
            probability = (model.eval().logits(torch.from_numpy(rows)) / model.temperature).softmax(dim=1)[0]
        best = probability.topk(2, dim=0)  # (2, T, F)
        mask, confidence = (part[0] for part in session.run(rows))
        equal = best.indices[0].numpy() == mask
        top, second = best.values.numpy()
        shares.append(float(equal.mean()))
        pixels += equal.size
        different += int((~equal).sum())
        near += int((~equal & (top - second < _NEAR)).sum())
        error += float(np.abs(confidence / 255.0 - top)[equal].sum())
    return Parity(
        scenes=len(shares),
        pixels=pixels,
        equal=1.0 - different / max(1, pixels),
        worst=min(shares, default=1.0),
        ties=near / different if different else 1.0,
        confidence_error=error / max(1, pixels - different),
    )


def main() -> None:
    """Command line: a checkpoint, the file made of it, and how many scenes."""
    parser = argparse.ArgumentParser(prog="python -m rfseg.deployment.parity", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path, help="a .onnx file")
    parser.add_argument("--scenes", type=int, default=100)
    options = parser.parse_args()
    session = Session(options.model, threads=1)
    temperature = session.contract.calibration.get("temperature", 1.0)
    model = DeployableSegmenter(read_checkpoint(options.checkpoint).network, temperature=temperature)
    print(measure_parity(model, session, held_out_scenes(Purpose.PARITY, options.scenes, load_recipe("standard"))))


if __name__ == "__main__":
    main()
