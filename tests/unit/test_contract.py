"""The contract: a round trip through metadata, and everything that is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rfseg.contract import METADATA_KEY, ClassKind, Contract, SignalClass, golden_rows, make_golden
from rfseg.errors import ContractError, GeometryError
from rfseg.geometry import Reduction
from rfseg.published_geometry import Extremes, PictureRule

CLASSES = (
    SignalClass(label="Noise", kind=ClassKind.BACKGROUND),
    SignalClass(label="LTE", kind=ClassKind.CARRIER),
    SignalClass(label="Radar", kind=ClassKind.PULSED),
)
CONTRACT = Contract(
    name="example",
    classes=CLASSES,
    samp_rate_range=(15.36e6, 61.44e6),
    frame_duration_range=(2e-3, 20e-3),
    default_frame_duration=10e-3,
    licence="GPL-3.0-or-later",
    golden=make_golden(np.eye(256, 64, dtype=np.uint8), seed=3),
    training={"seed": 1},
    metrics={"miou": 0.5},
)


def metadata(**changes) -> dict[str, str]:
    """The example's metadata with top-level fields changed; a value of None removes the field."""
    fields = {**json.loads(CONTRACT.to_metadata()[METADATA_KEY]), **changes}
    return {METADATA_KEY: json.dumps({k: v for k, v in fields.items() if v is not None})}


def test_contract_survives_its_metadata():
    assert Contract.from_metadata(CONTRACT.to_metadata()) == CONTRACT


def test_contract_names_precision_and_calibration_and_old_files_have_none():
    fields = {"precision": "int8", "calibration": {"temperature": 0.9}, "reject_below": {"LTE": 0.7, "Radar": 0.6}}
    changed = replace(CONTRACT, **fields)
    assert Contract.from_metadata(changed.to_metadata()) == changed
    old = Contract.from_metadata(metadata(**dict.fromkeys(fields)))
    assert (old.precision, old.calibration, old.reject_below) == ("fp32", {}, {})


PICTURES = replace(
    CONTRACT,
    family="published",
    window="hann-symmetric",
    time_direction="reverse",
    reductions=("first",),
    samp_rate_range=(61.44e6, 61.44e6),
    frame_duration_range=(40e-3, 40e-3),
    default_frame_duration=40e-3,
    published=PictureRule(extremes="segments", class_order=("LTE", "Radar", "Noise")),
)


def test_contract_of_pictures_survives_its_metadata_and_others_do_not_mention_it():
    assert Contract.from_metadata(PICTURES.to_metadata()) == PICTURES
    assert PICTURES.published.extremes is Extremes.SEGMENTS
    assert "published" not in json.loads(CONTRACT.to_metadata()[METADATA_KEY])


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"window": "hann"}, "window='hann' does not belong to family 'published', expected 'hann-symmetric'"),
        ({"time_direction": "up"}, "time_direction='up' does not .* expected 'reverse' or 'forward'"),
        ({"reductions": ["mean"]}, "does not belong to family 'published', expected .*FIRST"),
        ({"rows": 100}, "rows=100 is no size of a picture, expected 16, 32, 64, 128, 256, 512"),
        ({"published": None}, "lacks the field 'published', but family 'published' has it"),
        ({"published": {"overlap": 128}}, "overlap=128 is not published, expected 10"),
        ({"published": {"extremes": "some"}}, "extremes='some' is unknown, expected one of all, segments, surviving"),
        ({"published": {"normalisation": "mean"}}, "normalisation='mean' is unknown, expected one of none, imagenet"),
        ({"published": {"class_order": ["LTE", "NR", "Noise"]}}, "class_order=.* must hold the labels .*, each once"),
        ({"published": {"colours": "jet"}}, "unexpected keyword argument 'colours'"),
    ],
)
def test_contract_of_pictures_that_cannot_be_kept_is_refused(changes, text):
    fields = {**json.loads(PICTURES.to_metadata()[METADATA_KEY]), **changes}
    with pytest.raises(ContractError, match=text):
        Contract.from_metadata({METADATA_KEY: json.dumps(fields)}, source="net.onnx")


def test_pictures_have_a_geometry_of_their_own():
    geometry = PICTURES.make_geometry(61.44e6)
    assert (geometry.rows, geometry.bins, geometry.frame_samples) == (256, 256, 2_457_600)


def test_pictures_of_another_rate_or_duration_are_refused_with_the_remedy():
    with pytest.raises(GeometryError, match=r"not the 61.44e6 Hz of model 'example'; .*resample_poly\(x, 2, 1\)"):
        PICTURES.make_geometry(30.72e6)
    assert PICTURES.make_geometry(61.44e6, frame_duration=39.9e-3).frame_duration == pytest.approx(39.9e-3, rel=1e-4)
    with pytest.raises(GeometryError, match="frame_duration=0.02 s is outside the 0.04 to 0.04 s"):
        PICTURES.make_geometry(61.44e6, frame_duration=20e-3)


def test_golden_mask_survives_its_packing():
    np.testing.assert_array_equal(CONTRACT.golden.mask(256), np.eye(256, 64, dtype=np.uint8))


def test_golden_rows_are_the_same_for_the_same_seed_and_no_other():
    first = golden_rows(1, 96)
    assert first.shape == (2, 256, 96) and first.dtype == np.float32
    np.testing.assert_array_equal(first, golden_rows(1, 96))
    assert not np.array_equal(first, golden_rows(2, 96))


def test_file_without_a_contract_is_refused_by_name():
    with pytest.raises(ContractError, match="net.onnx carries no contract .*use a model exported by rfseg"):
        Contract.from_metadata({"author": "someone"}, source="net.onnx")


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"version": 2}, "has version 2, this rfseg reads 1"),
        ({"version": None}, "has version None"),
        ({"classes": None}, "lacks the field 'classes'"),
        ({"golden": None}, "lacks the field 'golden'"),
        ({"name": ""}, "has no name"),
        ({"surprise": 1}, "unexpected keyword argument 'surprise'"),
        ({"family": "other"}, "geometry family 'other' is unknown; this version runs rfseg, published"),
        ({"family": "published"}, "window='hann' does not belong to family 'published', expected 'hann-symmetric'"),
        ({"published": {"overlap": 10}}, "has the field 'published', but family 'rfseg' has none"),
        ({"window": "hamming"}, "window='hamming' does not belong to family 'rfseg'"),
        ({"time_direction": "backward"}, "time_direction='backward'"),
        ({"rows": 128}, "rows=128 does not belong"),
        ({"reductions": ["median"]}, "reduction 'median' is unknown, expected one of mean, max, first"),
        ({"samp_rate_range": [2.0, 1.0]}, "samp_rate_range=.* the lower first"),
        ({"frame_duration_range": [1e-3]}, "frame_duration_range=.* two positive numbers"),
        ({"default_frame_duration": 1.0}, "default_frame_duration=1 s lies outside 0.002 to 0.02 s"),
        ({"precision": "int4"}, "precision='int4' is unknown, expected one of fp32, fp16, int8"),
        ({"reject_below": [0.5]}, "reject_below is a list, expected an object"),
        ({"reject_below": {"NR": 0.5}}, "reject_below={'NR': 0.5} must give one of the labels LTE, Radar a confidence"),
        ({"reject_below": {"LTE": 1.5}}, "reject_below={'LTE': 1.5} must give .* a confidence of 0 to 1"),
        ({"reject_below": {"Noise": 0.5}}, "reject_below={'Noise': 0.5} must give one of the labels LTE, Radar"),
        ({"classes": [{"label": "LTE", "kind": "carrier"}] * 2}, "classes must be a background first"),
        ({"classes": [{"label": "Noise", "kind": "none"}]}, "has kind 'none', expected one of background, carrier"),
        ({"classes": [{"label": "x" * 21, "kind": "carrier"}]}, "must have 1 to 20 characters"),
        (
            {"classes": [{"label": n, "kind": k} for n, k in (("A", "background"), ("B", "carrier"), ("B", "pulsed"))]},
            "must differ",
        ),
    ],
)
def test_contract_that_cannot_be_kept_is_refused_with_the_reason(changes, text):
    with pytest.raises(ContractError, match=text):
        Contract.from_metadata(metadata(**changes), source="net.onnx")


@pytest.mark.parametrize("text", ["{", "[]", '"words"'])
def test_metadata_that_is_no_json_object_is_refused(text):
    with pytest.raises(ContractError, match="contract of net.onnx is not valid"):
        Contract.from_metadata({METADATA_KEY: text}, source="net.onnx")


@pytest.mark.parametrize(
    "packed, text", [("%%%", "cannot be decompressed"), (make_golden(np.zeros((2, 2)), seed=0).mask_zlib, "has 4 pixels")]
)
def test_damaged_golden_mask_is_refused(packed, text):
    with pytest.raises(ContractError, match=text):
        replace(CONTRACT.golden, mask_zlib=packed).mask(256)


def test_geometry_follows_the_contract():
    first = replace(CONTRACT, reductions=("first",))
    geometry = first.make_geometry(30.72e6)
    assert geometry.bins == 128 and geometry.reductions == (Reduction.FIRST,)
    assert geometry.frame_duration == pytest.approx(10e-3)


@pytest.mark.parametrize(
    "samp_rate, text",
    [
        (10e6, "resample by 2 to 20e6 Hz .*30.72e6 and 61.44e6"),
        (122.88e6, "decimate by 2 to 61.44e6 Hz"),
        (0.0, "give complex samples per second"),
    ],
)
def test_rate_outside_the_model_says_how_to_resample_and_which_radios_fit(samp_rate, text):
    with pytest.raises(GeometryError, match=text):
        CONTRACT.make_geometry(samp_rate)


def test_duration_outside_the_model_is_refused():
    with pytest.raises(GeometryError, match="frame_duration=0.04 s is outside the 0.002 to 0.02 s of model 'example'"):
        CONTRACT.make_geometry(30.72e6, frame_duration=40e-3)
