"""What a model reaches on a set with known truth: pixels, bands, pulses and calibration, beside classical baselines.

Needs no PyTorch: the model runs as it is deployed, through :class:`rfseg.inference.Session`.
"""

from .baselines import EnergyDetector
from .bandscores import BandScores
from .calibration import Calibration
from .confusion import Confusion
from .frames import FrameReader, JudgedFrame
from .measuring import WORST, Evaluation, evaluate_set
from .page import save_page
from .pulsescores import PulseScores
from .scores import Scores
from .summary import format_evaluation
from .truth import TrueBand, TruePulse, read_bands, read_pulses

__all__ = [
    "WORST",
    "BandScores",
    "Calibration",
    "Confusion",
    "EnergyDetector",
    "Evaluation",
    "FrameReader",
    "JudgedFrame",
    "PulseScores",
    "Scores",
    "TrueBand",
    "TruePulse",
    "evaluate_set",
    "format_evaluation",
    "read_bands",
    "read_pulses",
    "save_page",
]
