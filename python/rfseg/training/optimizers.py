"""Who makes the steps: Muon on the matrices of convolutions with AdamW on the rest, or one of the published ones.

Muon (Jordan, 2024) replaces the update of a matrix by the nearest orthogonal one, so that all its directions are learnt at
one pace.  Here it gets the dense convolutions as matrices of ``(outputs, inputs x kernel)``; depthwise
convolutions, biases, norms and the scan have no such matrix and go by AdamW.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .laws import OptimizerKind, OptimizerLaw

__all__ = ["MuonWithAdamW", "make_optimizer"]

_LEAST = 16  # outputs, and inputs x kernel, of a matrix that Muon gets


def make_optimizer(network: nn.Module, law: OptimizerLaw) -> torch.optim.Optimizer:
    """The optimiser of a recipe for a network, which has to be on its device already."""
    if law.kind is OptimizerKind.MUON:
        return MuonWithAdamW(network, law)
    if law.kind is OptimizerKind.ADAMW:
        return torch.optim.AdamW(_decayed_groups(list(network.parameters()), law), lr=law.rate, betas=law.betas)
    if law.kind is OptimizerKind.ADAM:
        return torch.optim.Adam(network.parameters(), lr=law.rate, betas=law.betas, weight_decay=law.weight_decay)
    return torch.optim.SGD(network.parameters(), lr=law.rate, momentum=law.momentum, weight_decay=law.weight_decay)


def _decayed_groups(parameters: list[nn.Parameter], law: OptimizerLaw) -> list[dict[str, Any]]:
    """Convolutions with weight decay, everything else without."""
    return [
        {"params": [p for p in parameters if p.ndim == 4], "weight_decay": law.weight_decay},
        {"params": [p for p in parameters if p.ndim != 4], "weight_decay": 0.0},
    ]


def _is_matrix(parameter: nn.Parameter) -> bool:
    return (
        parameter.ndim == 4
        and parameter.shape[1] > 1
        and parameter.shape[0] >= _LEAST
        and parameter[0].numel() >= _LEAST
    )


class MuonWithAdamW(torch.optim.Optimizer):
    """Both as one optimiser; ``param_groups`` hold the network's own parameters, so that gradients can be scaled.

    Parameters
    ----------
    network : Module
    law : OptimizerLaw
    """

    def __init__(self, network: nn.Module, law: OptimizerLaw) -> None:
        parameters = list(network.parameters())
        self._matrices = [p for p in parameters if _is_matrix(p)]
        chosen = set(map(id, self._matrices))
        rest = _decayed_groups([p for p in parameters if id(p) not in chosen], law)
        self._views = [nn.Parameter(p.detach().view(p.shape[0], -1)) for p in self._matrices]  # the same memory
        self._muon = None
        if self._views:
            self._muon = torch.optim.Muon(
                self._views, lr=law.rate, weight_decay=law.weight_decay, momentum=law.momentum, adjust_lr_fn="match_rms_adamw"
            )
        self._adamw = torch.optim.AdamW(rest, lr=law.rate, betas=law.betas)
        groups = [{"params": self._matrices}, *({"params": group["params"]} for group in rest)]
        super().__init__([group for group in groups if group["params"]], {"lr": law.rate})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """One step of both at the rate of the first group; parameters without gradient stay."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for parameter, view in zip(self._matrices, self._views, strict=True):
            view.data = parameter.data.view(view.shape)  # where the network was moved, the view follows
            view.grad = None if parameter.grad is None else parameter.grad.reshape(view.shape)
        for part in self._parts().values():
            for group in part.param_groups:
                group["lr"] = self.param_groups[0]["lr"]
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states of both by name."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        for name, part in self._parts().items():
            part.load_state_dict(state_dict[name])

    def _parts(self) -> dict[str, torch.optim.Optimizer]:
        return {"adamw": self._adamw} | ({"muon": self._muon} if self._muon is not None else {})
