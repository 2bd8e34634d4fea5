"""What the uplinks of LTE and NR share: who is scheduled when, and how users' elements become grids.

An uplink is loaded unlike a downlink.  An idle one sends control and sounding now and then, a busy one a few
wide contiguous allocations, each of one user whose power has little to do with that of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .low_papr import precodable
from .ofdm import PortGrid, qpsk

__all__ = ["UPLINK_LOADS", "Grant", "Payload", "Piece", "assemble", "beside", "draw_gains", "draw_grants", "fill"]

# Name: probability; share of intervals with data; users at once (low, high); share of the blocks (low, high)
UPLINK_LOADS: dict[str, tuple[float, tuple[float, float], tuple[int, int], tuple[float, float]]] = {
    "idle": (0.14, (0.0, 0.02), (1, 1), (0.02, 0.1)),
    "light": (0.26, (0.05, 0.4), (1, 2), (0.02, 0.3)),
    "medium": (0.26, (0.4, 0.9), (1, 4), (0.2, 0.9)),
    "peak": (0.18, (0.7, 1.0), (1, 1), (0.6, 1.0)),
    "full": (0.16, (0.95, 1.0), (2, 5), (0.9, 1.0)),
}
_SPREAD_DB = 15.0  # of users' powers to either side of the first user's


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One user's contiguous allocation over some scheduling intervals.

    Parameters
    ----------
    user : int
    intervals : int64 ``(n,)``
        Subframes or slots, from the first of the signal on.
    start, width : int
        Lowest resource block, and how many.
    """

    user: int
    intervals: np.ndarray
    start: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Elements that one user sends: ``values (n, k)`` on the symbols ``rows (n,)`` and the columns of a slice."""

    port: int
    rows: np.ndarray
    columns: slice
    values: Tensor


@dataclass(frozen=True, kw_only=True)
class Payload:
    """A piece whose values are yet to be drawn: random data, precoded by a Fourier transform or not."""

    port: int
    rows: np.ndarray
    columns: slice
    precoded: bool = True
    amplitude: float = 1.0


def draw_gains(users: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Powers of the users, dB re the first one: most are held close by power control, some are far off."""
    spread = rng.normal(0.0, rng.choice([1.0, 4.0, 9.0]), size=users).clip(-_SPREAD_DB, _SPREAD_DB)
    spread[0] = 0.0
    return tuple(round(float(gain), 2) for gain in spread)


def draw_grants(
    usable: np.ndarray, region: tuple[int, int], load: str, precoded: Sequence[bool], rng: np.random.Generator
) -> list[Grant]:
    """A schedule in which no two users ever share a block.

    Parameters
    ----------
    usable : bool ``(T,)``
        Scheduling intervals in which the uplink may send.
    region : tuple of int
        First resource block, and the one after the last.
    load : str
        Key of :data:`UPLINK_LOADS`.
    precoded : sequence of bool
        For each user whether its width must suit transform precoding.
    """
    _, shares, together, widths = UPLINK_LOADS[load]
    low, size = region[0], region[1] - region[0]
    allowed = precodable(size)
    share, mean_run = rng.uniform(*shares), rng.uniform(1.5, 12.0)
    wide = rng.uniform(*widths)
    grants, now = [], 0
    while now < usable.size:
        run = int(rng.geometric(1 / mean_run))
        intervals = now + np.flatnonzero(usable[now : now + run])
        now += run
        if rng.random() >= share or not intervals.size:
            continue
        if load not in ("peak", "full"):
            wide = rng.uniform(*widths)
        total = max(1, round(size * wide))
        count = min(int(rng.integers(together[0], together[1] + 1)), len(precoded), total)
        cuts = np.sort(rng.permutation(total - 1)[: count - 1]) + 1
        edges = np.concatenate([[0], cuts, [total]]) + low + int(rng.integers(size - total + 1))
        for user, start, stop in zip(rng.permutation(len(precoded))[:count].tolist(), edges[:-1], edges[1:], strict=True):
            width = int(stop - start)
            if precoded[user]:
                width = int(allowed[np.searchsorted(allowed, width, side="right") - 1])
            grants.append(Grant(user=user, intervals=intervals, start=int(start), width=width))
    return grants


def beside(grants: Sequence[Grant], kept: np.ndarray, end: int, precoded: Sequence[bool]) -> list[Grant]:
    """The grants where they leave the blocks below ``end`` free in the intervals ``kept (T,)`` for something else."""
    out = []
    for grant in grants:
        taken = kept[grant.intervals] & (grant.start < end)
        out.append(replace(grant, intervals=grant.intervals[~taken]))
        room = grant.start + grant.width - end
        if room > 0:
            width = int(precodable(room)[-1]) if precoded[grant.user] else room
            out.append(Grant(user=grant.user, intervals=grant.intervals[taken], start=end, width=width))
    return [grant for grant in out if grant.intervals.size]


def fill(payloads: Sequence[Payload], generator: torch.Generator) -> list[Piece]:
    """Random QPSK for every payload, precoded where asked; all of one width in one transform: TS 36.211 clause 5.3.3."""
    widths: dict[tuple[bool, int], list[Payload]] = {}
    for payload in payloads:
        width = len(range(payload.columns.start, payload.columns.stop, payload.columns.step or 1))
        widths.setdefault((payload.precoded, width), []).append(payload)
    pieces = []
    for (precoded, width), group in widths.items():
        data = qpsk((sum(payload.rows.size for payload in group), width), generator)
        if precoded:
            data = torch.fft.fft(data, norm="ortho")
        for payload, values in zip(group, data.split([payload.rows.size for payload in group]), strict=True):
            if payload.amplitude != 1.0:
                values = values * payload.amplitude
            pieces.append(Piece(port=payload.port, rows=payload.rows, columns=payload.columns, values=values))
    return pieces


def assemble(
    pieces: Sequence[Piece], shape: tuple[int, int], gains_db: Sequence[float], *, skipped: int, device: torch.device
) -> tuple[PortGrid, ...]:
    """One grid per user that sends anything, of the symbols on which it does.

    Parameters
    ----------
    pieces : sequence of Piece
        Rows count from ``skipped`` symbols before the signal's first; those outside the signal are dropped.
    shape : tuple of int
        Symbols and columns of the signal.
    gains_db : sequence of float
        Power of each port.
    """
    symbols, columns = shape
    users: dict[int, list[Piece]] = {}
    for piece in pieces:
        users.setdefault(piece.port, []).append(piece)
    grids = []
    for port in sorted(users):
        sent = np.zeros(symbols, bool)
        for piece in users[port]:
            rows = piece.rows - skipped
            sent[rows[(rows >= 0) & (rows < symbols)]] = True
        if not sent.any():
            continue
        place = np.cumsum(sent) - 1
        elements = torch.zeros(int(sent.sum()), columns, dtype=torch.complex64, device=device)
        for piece in users[port]:
            rows = piece.rows - skipped
            inside = (rows >= 0) & (rows < symbols)
            values = piece.values.to(device)
            if not inside.all():
                values = values[torch.from_numpy(inside).to(device)]
            elements[:, piece.columns].index_copy_(0, torch.from_numpy(place[rows[inside]]).to(device), values)
        if gains_db[port]:
            torch.view_as_real(elements).mul_(10 ** (gains_db[port] / 20))
        grids.append(PortGrid(elements=elements, symbols=torch.from_numpy(np.flatnonzero(sent)).to(device), port=port))
    return tuple(grids)
