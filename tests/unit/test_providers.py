"""What computes a network is chosen in a stated order, and a missing one says how to get it."""

import json
from pathlib import Path

import numpy as np
import pytest

from rfseg.cli import EXIT_BAD_INPUT, main
from rfseg.errors import BackendUnavailableError, OptionError
from rfseg.inference import Session
from rfseg.providers import available_providers, choose_providers, provider_options

ALL = ["CPUExecutionProvider", "OpenVINOExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider", "AzureExecutionProvider"]
CPU = ["CPUExecutionProvider"]


def test_auto_tries_tensorrt_then_cuda_then_the_processor_and_leaves_openvino_to_those_who_name_it():
    assert choose_providers("auto", ALL) == ["tensorrt", "cuda", "cpu"]
    assert available_providers(ALL) == ["tensorrt", "cuda", "openvino", "cpu"]
    assert choose_providers("auto", CPU) == available_providers(CPU) == ["cpu"]


def test_names_keep_the_order_that_they_are_given_in():
    assert choose_providers("openvino, cuda,cpu", ALL) == ["openvino", "cuda", "cpu"]


@pytest.mark.parametrize(
    "wanted, text",
    [
        ("cuda", r"has no cuda, it has cpu; pip uninstall onnxruntime, then pip install 'rfseg\[gpu\]' \(package onnxruntime-gpu\)"),
        ("cpu,tensorrt", r"has no tensorrt, it has cpu; .*rfseg\[gpu\]"),
        ("openvino", r"has no openvino, it has cpu; .*'rfseg\[openvino\]' \(package onnxruntime-openvino\)"),
    ],
)
def test_a_provider_that_is_not_installed_names_the_package(wanted, text):
    with pytest.raises(BackendUnavailableError, match=text):
        choose_providers(wanted, CPU)


@pytest.mark.parametrize("wanted", ["gpu", "cuda,", "", None])
def test_an_unknown_provider_is_refused(wanted):
    with pytest.raises(OptionError, match="is unknown; give auto, or one or more of tensorrt, cuda, openvino, cpu"):
        choose_providers(wanted, ALL)


def test_a_session_says_what_computes_in_it(threshold_model):
    assert Session(threshold_model, providers="auto").provider == Session(threshold_model, providers="cpu").provider == "cpu"


@pytest.fixture
def cuda_without_a_driver(monkeypatch):
    """An ONNX Runtime that has CUDA, on a machine that has not: it warns and computes on the processor."""
    import onnxruntime

    class Session(onnxruntime.InferenceSession):
        def __init__(self, path, options, providers):
            super().__init__(path, options, providers=[p for p in providers if p[0] in CPU] or CPU)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", *CPU])


def test_auto_goes_on_to_what_works(threshold_model, cuda_without_a_driver):
    assert Session(threshold_model).provider == "cpu"
    mask, _ = Session(threshold_model).run(np.full((1, 2, 256, 64), -100.0, np.float32))
    assert not mask.any()


def test_a_provider_asked_for_by_name_is_not_replaced_in_silence(threshold_model, cuda_without_a_driver):
    with pytest.raises(BackendUnavailableError, match="providers='cuda': cuda: it does not start; .* leave providers at auto, or say cpu"):
        Session(threshold_model, providers="cuda")


def test_a_negative_number_of_threads_is_refused(threshold_model):
    with pytest.raises(OptionError, match="threads=-1 must be 0"):
        Session(threshold_model, threads=-1)


def test_providers_compute_in_float32_with_the_threads_asked_for(monkeypatch, tmp_path):
    assert provider_options("openvino", 2) == {"device_type": "CPU", "precision": "FP32", "num_of_threads": "2"}
    assert "num_of_threads" not in provider_options("openvino")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert provider_options("tensorrt")["trt_engine_cache_path"] == str(tmp_path / "rfseg" / "tensorrt")
    assert provider_options("cpu", 1) == provider_options("cuda", 1) == {}


@pytest.mark.parametrize("command", [["segment", "examples/data/demo.sigmf-meta", "--no-picture"], ["evaluate", "rf-segmenter", "--on", "set"]])
def test_a_provider_that_is_missing_ends_a_command_in_one_line(command, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setattr("rfseg.cli.evaluate.ShardSet", lambda folder: None)
    assert main([*command, "--out", str(tmp_path / "out"), "--providers", "tensorrt"]) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "the installed ONNX Runtime has no tensorrt, it has cpu" in error
    assert not (tmp_path / "out").exists()


def test_the_receiver_takes_providers_from_options_and_refuses_unknown_ones(capsys):
    demo = str(Path(__file__).parents[2] / "examples" / "data" / "demo.sigmf-meta")
    assert main(["live", "--file", demo, "--providers", "cuda,cpu", "--check"]) == 0
    assert json.loads(capsys.readouterr().out)["inference"]["providers"] == "cuda,cpu"
    assert main(["live", "--file", demo, "--providers", "gpu", "--check"]) == EXIT_BAD_INPUT
    assert "providers='gpu': 'gpu' is unknown; give auto, or one or more of tensorrt" in capsys.readouterr().err
