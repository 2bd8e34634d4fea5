"""Frames written as the published generators write them are read back by the loaders of the published sets."""

from __future__ import annotations

import numpy as np
import pytest
from rfseg.datasets.published import open_published
from rfseg.published import Extremes
from rfseg.synth.protocol_cellular import CellularProtocol, make_cellular_frames
from rfseg.synth.protocol_radar import RadarProtocol, make_radar_frames

Image = pytest.importorskip("PIL.Image")


def radar_frames():
    return make_radar_frames(RadarProtocol(extremes=Extremes.SURVIVING), 0, scenes=("LTE", "5G_LTE"))


def d2s_frames():
    return make_cellular_frames(CellularProtocol.d2s(extremes=Extremes.SURVIVING), 0, scenes=("NR", "LTE_NR"), levels=(2, 6))


@pytest.mark.parametrize(
    ("make", "folders", "layout"),
    [
        (radar_frames, ("Images", "Labels"), "osnet"),
        (d2s_frames, ("train/input", "train/label"), "d2snet"),
    ],
)
def test_loader_reads_what_the_protocol_makes(tmp_path, make, folders, layout):
    """By its own detection: picture and classes as they were made, the earliest row first; SNR from the name."""
    frames = {frame.image_name: frame for frame in make()}
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    for frame in frames.values():
        Image.fromarray(frame.image).save(tmp_path / folders[0] / frame.image_name)
        Image.fromarray(frame.label_image()).save(tmp_path / folders[1] / frame.label_name)
    dataset = open_published(tmp_path)
    assert dataset.layout.name == layout
    assert not dataset.problems and len(dataset.pairs) == len(frames)
    for pair in dataset.pairs:
        frame, found = frames[pair.image.name], dataset.load(pair)
        image, label = frame.to_axis_law()
        assert np.array_equal(found.image, image)
        assert np.array_equal(found.mask, label)
        assert found.worst_distance == 0
        if found.facts.get("snr_db") is not None:
            assert found.facts["snr_db"] == frame.parameters["snr_db"]
