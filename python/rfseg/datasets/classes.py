"""The classes that this library knows, in the order of their ids, and the mask value of what nobody can tell."""

from __future__ import annotations

from ..contract import ClassKind, SignalClass

__all__ = ["IGNORED", "STANDARD_CLASSES", "STANDARD_LABELS"]

IGNORED = 255  # mask value of a pixel whose truth is not known; neither trained on nor counted

STANDARD_CLASSES = (
    SignalClass(label="Noise", kind=ClassKind.BACKGROUND),
    SignalClass(label="LTE", kind=ClassKind.CARRIER),
    SignalClass(label="NR", kind=ClassKind.CARRIER),
    SignalClass(label="Radar", kind=ClassKind.PULSED),
)
STANDARD_LABELS = tuple(c.label for c in STANDARD_CLASSES)
