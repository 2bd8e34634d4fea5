"""The published family's module: levels and colours as the front end in NumPy makes them, time, classes, confidence."""

import numpy as np
import pytest
import torch
from rfseg.errors import OptionError
from rfseg.models.picture_segmenter import PictureSegmenter, picture_features, rows_to_levels
from rfseg.published import Levels, PublishedFrontEnd, flip_time, picture_rows
from rfseg.published_colours import from_parula, to_parula
from rfseg.published_geometry import make_picture_geometry
from rfseg.synth.protocol_cellular import CellularProtocol, make_cellular_frames
from rfseg.synth.protocol_radar import RadarProtocol, make_radar_frames
from torch import nn


class Colours(nn.Module):
    """A network whose logits are its features, a row earlier in its own order, so that time can be told."""

    def forward(self, features):
        return features.roll(1, dims=2)


def random_levels(rng, size=64):
    return Levels(
        power_db=rng.uniform(-160, -60, (size, size)).astype(np.float32), low_db=-150.123, high_db=-70.456
    )


def as_tensors(*levels):
    rows = torch.stack([torch.from_numpy(one.power_db)[None] for one in levels])
    return rows, torch.tensor([[one.low_db, one.high_db] for one in levels])


def test_levels_of_the_graph_are_those_of_the_front_end(rng):
    frames = [random_levels(rng, 256) for _ in range(4)]
    found = rows_to_levels(*as_tensors(*frames)).numpy()
    expected = np.stack([frame.to_index() for frame in frames])
    differ = found != expected
    assert np.abs(found - expected.astype(int)).max() <= 1
    assert differ.mean() < 1e-4  # ties of the rounding, in float32 here and in float64 there
    assert expected.min() == 0 and expected.max() == 255


def test_levels_of_samples_are_those_of_the_picture(rng):
    samples = (rng.standard_normal(246 * 300 + 10) + 1j * rng.standard_normal(246 * 300 + 10)).astype(np.complex64)
    levels = PublishedFrontEnd().levels(samples)
    found = rows_to_levels(*as_tensors(levels))[0].numpy()
    assert (found == levels.to_index()).mean() > 0.9999


def test_every_level_survives_the_way_through_decibels():
    index = torch.arange(256).reshape(1, 1, 16, 16)
    for low, high in ((0.0, 255.0), (-156.54, -61.3), (-90.0, -89.0)):
        rows = low + index * (high - low) / 255
        assert torch.equal(rows_to_levels(rows, torch.tensor([[low, high]]))[0], index[0, 0].int())


def test_a_frame_of_one_value_is_all_zero():
    rows = torch.full((1, 1, 4, 4), -156.5)
    assert not rows_to_levels(rows, torch.tensor([[-156.5, -156.5]])).any()


def test_normalisation_is_that_of_imagenet():
    white = torch.full((1, 1, 1, 3), 255, dtype=torch.uint8)
    assert picture_features(white).flatten().tolist() == [1.0, 1.0, 1.0]
    expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert picture_features(white, normalisation="imagenet").flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("normalisation", ["none", "imagenet"])
def test_the_network_sees_the_picture_as_published(rng, normalisation):
    levels = random_levels(rng)
    image = to_parula(levels.to_index()[::-1])
    seen = []
    network = nn.Conv2d(3, 3, 1)
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        PictureSegmenter(network, newest_first=True, normalisation=normalisation)(*as_tensors(levels))
    expected = picture_features(torch.from_numpy(image)[None], normalisation=normalisation)
    assert torch.allclose(seen[0], expected, atol=1e-6)


@pytest.mark.parametrize("newest_first", [True, False])
def test_the_mask_has_the_earliest_row_first(rng, newest_first):
    levels = random_levels(rng)
    model = PictureSegmenter(Colours(), newest_first=newest_first)
    mask, _ = model(*as_tensors(levels))
    colours = to_parula(levels.to_index()).astype(int)  # (T, F, 3)
    # Colours shows each row what came before it in its own order: later in time if the newest comes first.
    expected = np.roll(colours, -1 if newest_first else 1, axis=0).argmax(-1)
    assert (mask[0].numpy() == expected).mean() > 0.999


def test_classes_are_renumbered_after_the_decision(rng):
    levels = as_tensors(random_levels(rng))
    plain, sure = PictureSegmenter(Colours(), newest_first=True)(*levels)
    other, same = PictureSegmenter(Colours(), newest_first=True, class_ids=(1, 2, 0))(*levels)
    assert torch.equal(other, torch.tensor([1, 2, 0], dtype=torch.uint8)[plain.long()])
    assert torch.equal(sure, same)
    assert other.dtype == torch.uint8


def test_temperature_changes_the_confidence_only(rng):
    levels = as_tensors(random_levels(rng))
    mask, confidence = PictureSegmenter(Colours(), newest_first=True)(*levels)
    same, lower = PictureSegmenter(Colours(), newest_first=True, temperature=4.0)(*levels)
    assert torch.equal(mask, same)
    assert lower.float().mean() < confidence.float().mean()


def test_refusals():
    with pytest.raises(OptionError, match="normalisation='other' is unknown; choose one of 'none', 'imagenet'"):
        PictureSegmenter(Colours(), newest_first=True, normalisation="other")
    with pytest.raises(OptionError, match=r"class_ids=\[0, 2, 2\] must be 0 to 2, each once"):
        PictureSegmenter(Colours(), newest_first=True, class_ids=(0, 2, 2))


@pytest.mark.parametrize(
    ("make", "size", "samples"),
    [
        (lambda: make_radar_frames(RadarProtocol(), 0, scenes=("5G_LTE",), twins=(True,), keep_iq=True), 256, 3 * 58_515),
        (lambda: make_cellular_frames(CellularProtocol.d2s(), 0, scenes=("LTE",), levels=(3,), keep_iq=True), 128, 2_457_600),
    ],
)
def test_a_recording_of_a_published_frame_becomes_the_published_picture(make, size, samples):
    (frame,) = make()
    assert frame.iq.shape == (samples,)
    geometry = make_picture_geometry(size, 61.44e6, frame_duration=samples / 61.44e6)
    rows, limits, _ = picture_rows(frame.iq, geometry)
    levels = rows_to_levels(torch.from_numpy(rows)[None], torch.from_numpy(limits)[None])[0]
    published = from_parula(flip_time(frame.image))[0]
    assert np.abs(levels.numpy() - published.astype(int)).max() <= 1
    assert (levels.numpy() == published).mean() > 0.999
