"""All checks, in the order in which one is mended before the next."""

from __future__ import annotations

from typing import Callable, Iterator

from .findings import Finding
from .models import check_models, check_providers
from .packages import check_blocks, check_gnuradio, check_packages
from .system import check_radios, check_room, check_scheduling, check_usb

__all__ = ["CHECKS", "examine"]

CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_packages,
    check_gnuradio,
    check_blocks,
    check_providers,
    check_models,
    check_radios,
    check_usb,
    check_scheduling,
    check_room,
)


def examine() -> Iterator[Finding]:
    """What there is to say of this installation, as it is found out."""
    for check in CHECKS:
        yield from check()
