"""Loading model files and running them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rfseg.contract import METADATA_KEY, golden_rows
from rfseg.errors import ContractError, GeometryError
from rfseg.inference import MODEL_PATH_VARIABLE, Session, find_model, list_models
from rfseg.modelfile import load_contract, read_metadata


SHIPPED = Path(__file__).resolve().parents[2] / "models" / "rf-segmenter.onnx"


def patched(source, target, old: bytes, new: bytes):
    """Copy a model with one run of bytes replaced by another of the same length."""
    assert len(old) == len(new) and old in source.read_bytes()
    target.write_bytes(source.read_bytes().replace(old, new))
    return target


def test_threshold_model_does_what_it_says(threshold_model):
    rows = np.full((1, 2, 256, 96), -100.0, np.float32)
    rows[:, :, 10:20, 5:9] = -60.0
    rows[:, 1, 30, :] = -80.0
    mask, confidence = Session(threshold_model).run(rows)
    assert mask.dtype == confidence.dtype == np.uint8 and mask.shape == (1, 256, 96)
    assert np.all(mask[0, 10:20, 5:9] == 1) and np.all(mask[0, 30] == 3)
    assert np.count_nonzero(mask) == 40 + 96


@pytest.mark.parametrize("frames, bins", [(1, 64), (3, 80), (2, 512)])
def test_batches_and_widths_are_free(threshold_model, frames, bins):
    mask, _ = Session(threshold_model).run(np.zeros((frames, 2, 256, bins), np.float32))
    assert mask.shape == (frames, 256, bins)


def test_rows_that_are_not_finite_are_read_as_the_lowest_power(threshold_model):
    rows = np.full((1, 2, 256, 64), np.nan, np.float32)
    mask, _ = Session(threshold_model).run(rows)
    assert np.all(mask == 0)


@pytest.mark.parametrize("shape", [(2, 256, 64), (1, 3, 256, 64), (1, 2, 255, 64)])
def test_rows_of_another_shape_are_refused(threshold_model, shape):
    with pytest.raises(GeometryError, match=r"expected \(N, 2, 256, F\)"):
        Session(threshold_model).run(np.zeros(shape, np.float32))


def test_models_are_found_by_name_where_the_variable_points(threshold_model, tmp_path, monkeypatch):
    shutil.copy(threshold_model, tmp_path / "mine.onnx")
    monkeypatch.setenv(MODEL_PATH_VARIABLE, str(tmp_path))
    assert find_model("mine") == tmp_path / "mine.onnx"
    assert list_models()["mine"] == tmp_path / "mine.onnx"


@pytest.mark.parametrize(
    "name, text",
    [("no-such-model", "'no-such-model' is unknown; known: "), ("dir/none.onnx", "'dir/none.onnx' does not exist")],
)
def test_model_that_is_not_there_is_refused(name, text):
    with pytest.raises(ContractError, match=text):
        find_model(name)


def test_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "noise.onnx"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ContractError, match="noise.onnx is not an ONNX model"):
        Session(path)


def test_truncated_model_is_refused(threshold_model, tmp_path):
    path = tmp_path / "half.onnx"
    path.write_bytes(threshold_model.read_bytes()[:500])
    with pytest.raises(ContractError, match="half.onnx"):
        Session(path)


def test_model_without_a_contract_is_refused(threshold_model, tmp_path):
    path = patched(threshold_model, tmp_path / "bare.onnx", b"rfseg_contract", b"other_contract")
    with pytest.raises(ContractError, match="bare.onnx carries no contract"):
        Session(path)


def test_model_that_disagrees_with_its_contract_is_refused(threshold_model, tmp_path):
    path = patched(threshold_model, tmp_path / "lie.onnx", b'"mask_name": "mask"', b'"mask_name": "nask"')
    with pytest.raises(ContractError, match=r"lacks the outputs \['nask'\]"):
        Session(path)
    path = patched(threshold_model, tmp_path / "lie2.onnx", b'"input_name": "rows"', b'"input_name": "cows"')
    with pytest.raises(ContractError, match="has inputs .'rows'., its contract promises 'cows'"):
        Session(path)
    path = patched(threshold_model, tmp_path / "lie3.onnx", b'["mean", "max"]', b'["mean"       ]')
    with pytest.raises(ContractError, match=r"'rows' is tensor\(float\) .* promises tensor\(float\) \[None, 1, 256, None\]"):
        Session(path)


def test_model_whose_golden_vector_fails_is_refused(threshold_model, tmp_path):
    path = patched(threshold_model, tmp_path / "drift.onnx", b'"seed": 1}', b'"seed": 9}')
    with pytest.raises(ContractError, match="fails its self-test: .* of the golden pixels agree, expected at least 99.5%"):
        Session(path)


def test_damage_that_leaves_nothing_but_noise_is_noticed(tmp_path):
    content = bytearray(SHIPPED.read_bytes())
    middle = len(content) // 2
    for index in range(middle, middle + 4000):  # weights, of a network that then sees noise everywhere
        content[index] ^= 0x55
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises(ContractError, match="fails its self-test: .* of the golden .*the file or the backend is damaged"):
        Session(path)


def test_pictures_are_judged_between_their_limits(picture_model):
    session = Session(picture_model)
    rows = np.full((2, 1, 64, 64), -90.0, np.float32)
    rows[:, :, 10:20] = -50.0
    mask, confidence = session.run(rows, np.array([[-100.0, -40.0], [-200.0, -50.0]], np.float32))
    assert mask.shape == confidence.shape == (2, 64, 64) and mask.dtype == np.uint8
    assert np.all(mask[0, 10:20] == 1) and np.count_nonzero(mask[0]) == 640
    assert np.all(mask[1, 10:20] == 3) and np.all(mask[1, :10] == 1)


@pytest.mark.parametrize(
    "limits, text",
    [
        (None, "limits are missing: model 'picture' needs the dB of each frame that become 0 and 255"),
        (np.zeros(2, np.float32), r"limits of shape \(2,\) are not \(1, 2\) finite values"),
        (np.array([[np.nan, 0.0]], np.float32), r"are not \(1, 2\) finite values"),
    ],
)
def test_limits_that_are_of_no_use_are_refused(picture_model, limits, text):
    with pytest.raises(GeometryError, match=text):
        Session(picture_model).run(np.zeros((1, 1, 64, 64), np.float32), limits)


def test_limits_are_for_pictures_only_and_pictures_have_one_size(threshold_model, picture_model):
    with pytest.raises(GeometryError, match="limits are given, but model 'threshold' scales its rows itself; leave them out"):
        Session(threshold_model).run(np.zeros((1, 2, 256, 64), np.float32), np.zeros((1, 2), np.float32))
    with pytest.raises(GeometryError, match=r"rows have shape \(1, 1, 64, 32\), expected \(N, 1, 64, 64\)"):
        Session(picture_model).run(np.zeros((1, 1, 64, 32), np.float32), np.zeros((1, 2), np.float32))


def test_pictures_whose_graph_lacks_the_limits_are_refused(picture_model, tmp_path):
    path = patched(picture_model, tmp_path / "lie.onnx", b'"limits_name": "limits"', b'"limits_name": "bounds"')
    with pytest.raises(ContractError, match="has inputs .'limits', 'rows'., its contract promises 'rows', 'bounds'"):
        Session(path)


def test_contract_is_read_without_a_backend(threshold_model):
    assert METADATA_KEY in read_metadata(threshold_model)
    assert load_contract(threshold_model) == Session(threshold_model).contract
    assert json.loads(read_metadata(threshold_model)[METADATA_KEY])["name"] == "threshold"


def test_golden_vector_is_more_than_one_class(threshold_model):
    contract = load_contract(threshold_model)
    assert set(np.unique(contract.golden.mask(256))) >= {0, 1, 3}
    assert golden_rows(contract.golden.seed, contract.golden.bins).shape == (2, 256, contract.golden.bins)
