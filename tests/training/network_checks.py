"""What every network is asked: its size and names, its cost, that it learns, that its graph is itself."""

import hashlib
import logging

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from rfseg.models.deployable import DeployableSegmenter
from rfseg.deployment.export import OPSET


def count_parameters(network):
    return sum(p.numel() for p in network.parameters())


def digest_of_keys(network):
    """Number and SHA-256 of the lines "key<TAB>shape" of the state dict in its order, shape as 4x3x2 or "scalar"."""
    lines = [f"{key}\t{'x'.join(map(str, value.shape)) or 'scalar'}" for key, value in network.state_dict().items()]
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()


def count_gmac(make):
    """Billions of multiply-accumulates of convolutions for one frame of 256 x 256; nothing is computed."""
    with torch.device("meta"):
        network, frame = make().eval(), torch.empty(1, 3, 256, 256)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(frame)
    return counter.get_total_flops() / 2e9


def parameters_without_gradient(make, size):
    torch.manual_seed(0)
    network = make().train()
    network(torch.randn(2, 3, *size)).square().sum().backward()
    return [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def quarters(size, frames=2, classes=4):
    """Frames whose quarters are of one class each, and its level in noise is all that tells it; the masks."""
    generator = torch.Generator().manual_seed(3)
    class_id = torch.stack([torch.randperm(classes, generator=generator)[:4] for _ in range(frames)])  # (N, 4)
    mask = class_id.view(-1, 2, 2).repeat_interleave(size // 2, 1).repeat_interleave(size // 2, 2)
    level = torch.tensor([0.0, 0.5, 1.0, 1.5])[mask].unsqueeze(1)  # (N, 1, T, F)
    return level + 0.1 * torch.randn(frames, 3, size, size, generator=generator), mask


def overfit(make, features, mask, *, steps, rate):
    """First loss, last loss and last share of right pixels of ``steps`` steps of Adam on one batch."""
    torch.manual_seed(0)
    network = make()
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    network.train()
    losses = []
    for _ in range(steps):
        logits = network(features)
        loss = F.cross_entropy(logits, mask)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses[0], losses[-1], float((logits.argmax(dim=1) == mask).float().mean())


def make_rows(frames, rows, bins, seed):
    """dB rows of noise with a carrier, channels mean and max."""
    generator = torch.Generator().manual_seed(seed)
    mean = -90 + 3 * torch.randn(frames, rows, bins, generator=generator)
    mean[:, :, bins // 3 : bins // 2] += 15
    peak = mean + 5 * torch.rand(frames, rows, bins, generator=generator)
    return torch.stack([mean, peak], dim=1)  # (N, 2, T, F)


def make_ready(make, rows, bins):
    """A network to infer with, batch norms with the statistics of rows: signals neither die nor explode."""
    torch.manual_seed(0)
    network = make()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
    with torch.no_grad():
        DeployableSegmenter(network).train().logits(make_rows(8, rows, bins, seed=1))
    return network.eval()


class Logits(DeployableSegmenter):
    """What a model file computes, up to the logits: they tell more than a mask."""

    def forward(self, rows):
        return self.logits(rows)


def export_logits(network, path, *, rows):
    """The graph of :class:`Logits`, frames and bins free as in a model file, in a session of one thread."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        Logits(network).eval(),
        (make_rows(2, rows, 52, seed=2),),
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes=({0: torch.export.Dim("N", min=1, max=256), 3: torch.export.Dim("F", min=16, max=512)},),
        input_names=["rows"],
        output_names=["logits"],
        verbose=False,
    )
    program.save(str(path), external_data=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def logit_differences(network, session, frames, rows, bins):
    """Between the logits of PyTorch and of the graph, re the greatest logit: ``(N, classes, T, F)``."""
    values = make_rows(frames, rows, bins, seed=3)
    with torch.no_grad():
        logits = Logits(network).eval()(values).numpy()
    (graph,) = session.run(["logits"], {"rows": values.numpy()})
    assert graph.shape == logits.shape == (frames, logits.shape[1], rows, bins)
    assert logits.std(axis=(2, 3)).min() > 1e-3 * np.abs(logits).max()  # the frame is to be seen in them
    return np.abs(graph - logits) / np.abs(logits).max()
