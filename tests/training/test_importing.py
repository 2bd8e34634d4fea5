"""Checkpoints of published code in every form they come in, read without running them, as model files."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import warnings
import zipfile

import numpy as np
import pytest
import torch
from rfseg.cli import EXIT_BAD_INPUT, main
from rfseg.contract import ClassKind
from rfseg.errors import GeometryError, OptionError, RecordingError
from rfseg.inference import Session
from rfseg.models.picture_segmenter import NORMALISATIONS, PictureSegmenter
from rfseg.models.registry import ARCHITECTURES, make_network
from rfseg.published_geometry import NORMALISATIONS as KNOWN_NORMALISATIONS
from rfseg.synth.recipe import load_recipe
from rfseg.deployment.importing import ImportOptions, _read_own, import_checkpoint
from rfseg.deployment.publications import PUBLICATIONS, parse_classes
from rfseg.deployment.publishedweights import fit_weights, read_weights
from rfseg.training.recipe import Input, load_training_recipe

SIZE = 32


def make_state(name="os-net", classes=4, *, seed=0):
    torch.manual_seed(seed)
    return make_network(name, classes, published=True).state_dict()


def write(path, content):
    torch.save(content, path)
    return path


def write_script(path, network, size=16):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out, but these files are there
        torch.jit.trace(network.eval(), torch.randn(1, 3, size, size)).save(str(path))
    return path


def fitted(path, name="os-net", classes=4):
    """The state that an import of the file ends in, and what was read."""
    network = make_network(name, classes, published=True)
    weights = read_weights(path)
    fit_weights(weights, network, source=path)
    return network.state_dict(), weights


def assert_same(state, expected):
    assert list(state) == list(expected)
    assert all(torch.equal(state[key], value) for key, value in expected.items())


# -- forms


@pytest.mark.parametrize("name", list(PUBLICATIONS))
def test_the_state_dict_of_each_network_is_read_at_full_size(name, tmp_path):
    classes = max(PUBLICATIONS[name].orders)
    state = make_state(name, classes)
    found, weights = fitted(write(tmp_path / "net.pth", {"module." + key: value for key, value in state.items()}), name, classes)
    assert_same(found, state)
    assert (weights.form, weights.notes) == ("state dict", [])


@pytest.mark.parametrize(
    ("form", "wrap"),
    [
        ("state dict", lambda s: s),
        ("dict with model_state_dict", lambda s: {"epoch": 41, "model_state_dict": s, "best_val_miou": 0.9}),
        ("dict with state_dict", lambda s: {"epoch": 41, "state_dict": {"model.module." + k: v for k, v in s.items()}}),
        (
            "Lightning checkpoint",
            lambda s: {
                "epoch": 41,
                "global_step": 9000,
                "pytorch-lightning_version": "2.6.0",
                "state_dict": {"model." + k: v for k, v in s.items()},
                "optimizer_states": [{"state": {0: {"step": torch.tensor(5.0)}}}],
            },
        ),
    ],
)
def test_every_form_of_a_dict_is_read(form, wrap, tmp_path):
    state = make_state()
    found, weights = fitted(write(tmp_path / "net.pt", wrap(state)))
    assert_same(found, state)
    assert weights.form == form
    assert weights.facts.get("epoch", 41) == 41


def test_a_torchscript_archive_is_read_tensor_by_tensor(tmp_path):
    network = make_network("os-net", 4, published=True)
    found, weights = fitted(write_script(tmp_path / "OSNet.pt", network))
    assert_same(found, network.state_dict())
    assert weights.form == "TorchScript archive"


def test_a_scripted_wrapper_in_half_precision_is_read_too(tmp_path):
    class Wrapper(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4)).half()
            self.sizes = [1, 2, 3]
            self.width: float = 0.5

        def forward(self, x):
            return self.module(x)

    path, wrapper = tmp_path / "wrapped.pt", Wrapper()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(wrapper).save(str(path))
    weights = read_weights(path)
    assert_same(weights.tensors, wrapper.state_dict())
    target = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    fit_weights(weights, target, source=path)
    assert target[0].weight.dtype == torch.float32
    assert torch.equal(target[0].weight, wrapper.module[0].weight.float())


def test_counters_of_batches_may_be_missing_or_left_over(tmp_path):
    state = make_state()
    without = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert_same(fitted(write(tmp_path / "a.pt", without | {"bn9.num_batches_tracked": torch.tensor(3)}))[0], state)


def test_unused_layers_are_kept_and_a_second_head_is_left_out(tmp_path):
    state = make_state("prmnet", 3)
    state["batchnorm_last1.weight"] = torch.arange(64.0)
    assert fitted(write(tmp_path / "a.pt", state), "prmnet", 3)[0]["batchnorm_last1.weight"][63] == 63
    name = "deeplabv3-mobilenet-v3-large"
    state = make_state(name, 3)
    extra = {"aux_classifier.0.weight": torch.zeros(4), "aux_classifier.4.bias": torch.zeros(3)}
    found, weights = fitted(write(tmp_path / "b.pt", state | extra), name, 3)
    assert_same(found, state)
    assert weights.notes == ["left out 2 weights of the auxiliary head, which only training uses"]


def test_what_a_lightning_module_has_besides_its_model_is_left_out_with_a_note(tmp_path):
    state = {"model." + key: value for key, value in make_state().items()}
    path = write(tmp_path / "a.ckpt", {"state_dict": {"criterion.weight": torch.ones(4), **state}})
    assert fitted(path)[1].notes == ["left out what is not under 'model.': criterion.weight"]


# -- what must not be believed


class Runs:
    """Pickles into a call that leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def hostile_archive(path, payload):
    """A TorchScript archive whose pickle is another one."""
    pickled = io.BytesIO()
    pickle.Pickler(pickled, protocol=2).dump(payload)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/code/__torch__.py", "")
        archive.writestr("net/constants.pkl", pickle.dumps(()))
        archive.writestr("net/data.pkl", pickled.getvalue())
    return path


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path):
    trace = tmp_path / "ran"
    path = write(tmp_path / "evil.pt", {"state_dict": make_state(), "note": Runs(trace)})
    with pytest.raises(RecordingError, match="names (posix|nt).system, which might run code; nothing of it was run"):
        read_weights(path)
    path = hostile_archive(tmp_path / "evil2.pt", Runs(trace))
    with pytest.raises(RecordingError, match="evil2.pt names (posix|nt).system, which no saved network needs .*nothing of it was run"):
        read_weights(path)
    assert not trace.exists()


def test_a_whole_pickled_network_is_refused_with_what_to_do(tmp_path):
    path = write(tmp_path / "net.pt", make_network("os-net"))
    with pytest.raises(RecordingError, match=r"names rfseg.models.osnet.OSNet, .* torch.save\(model.state_dict\(\), FILE\)"):
        read_weights(path)


def test_an_archive_that_lies_about_its_tensors_is_refused(tmp_path):
    honest = write_script(tmp_path / "net.pt", torch.nn.Conv2d(3, 2, 1))
    with zipfile.ZipFile(honest) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    (weight,) = [name for name, data in entries.items() if "/data/" in name and len(data) == 24]

    def rewrite(name, changes):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for entry, data in (entries | changes).items():
                archive.writestr(entry, data)
        return tmp_path / name

    with pytest.raises(RecordingError, match="is a damaged TorchScript archive: storage .* has 12 bytes, expected 24"):
        read_weights(rewrite("short.pt", {weight: entries[weight][:12]}))
    order = next(name for name in entries if name.endswith("/byteorder"))
    with pytest.raises(RecordingError, match="holds numbers in 'big' order, expected 'little'"):
        read_weights(rewrite("big.pt", {order: b"big"}))
    pickled = next(name for name in entries if name.endswith("/data.pkl"))
    with pytest.raises(RecordingError, match="is a damaged TorchScript archive"):
        read_weights(rewrite("cut.pt", {pickled: entries[pickled][:40]}))
    with pytest.raises(RecordingError, match="damaged TorchScript archive: it does not hold a module"):
        read_weights(hostile_archive(tmp_path / "list.pt", [1, 2]))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({}, "holds nothing, expected the tensors of a network, or a dict with model_state_dict or state_dict"),
        ({"net": {"a": 1}, "epoch": 3}, "holds net, epoch besides tensors, expected"),
        ({"state_dict": {"a": torch.zeros(1), "b": "text"}}, "holds b besides tensors"),
        ([torch.zeros(1)], "holds a list, expected a dict of weights"),
    ],
)
def test_files_without_weights_are_refused(content, text, tmp_path):
    with pytest.raises(RecordingError, match=text):
        read_weights(write(tmp_path / "net.pt", content))


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="none.pt' does not exist; give the file that the training wrote"):
        read_weights(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(RecordingError, match="text.pt is damaged or no file of PyTorch's"):
        read_weights(tmp_path / "text.pt")


def test_one_message_says_all_that_does_not_fit(tmp_path):
    state = make_state()
    del state["conv1_1.weight"], state["bn1_1.running_mean"]
    state["head.weight"] = torch.zeros(3)
    state["conv2_1.weight"] = torch.zeros(2, 3)
    state["bn3_1.bias"][0] = torch.nan
    expected = (
        r"net.pt \(state dict, 92 tensors\) does not fit OSNet: 2 missing \(conv1_1.weight, bn1_1.running_mean\);"
        r" 1 not of this network \(head.weight\); 1 of another shape \(conv2_1.weight is 2x3, expected 128x64x3x3\);"
        r" 1 not finite \(bn3_1.bias\); name another network"
    )
    with pytest.raises(RecordingError, match=expected):
        fitted(write(tmp_path / "net.pt", state))


# -- classes and options


def test_every_network_has_a_publication_and_every_order_its_classes():
    assert set(PUBLICATIONS) == set(ARCHITECTURES)
    for publication in PUBLICATIONS.values():
        for count, order in publication.orders.items():
            assert len(order) == len(set(order)) == count and set(order) <= {"Noise", "LTE", "NR", "Radar"}
            assert publication.normalisation in NORMALISATIONS
    assert tuple(NORMALISATIONS) == KNOWN_NORMALISATIONS


def test_classes_are_named_by_label_and_kind():
    classes = parse_classes("WiFi=carrier, NR,Noise,Beacon=pulsed")
    assert [(c.label, c.kind) for c in classes] == [
        ("WiFi", ClassKind.CARRIER),
        ("NR", ClassKind.CARRIER),
        ("Noise", ClassKind.BACKGROUND),
        ("Beacon", ClassKind.PULSED),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("WiFi,Noise", "class 'WiFi' is none of Noise, LTE, NR, Radar; say what it is, such as WiFi=carrier"),
        ("LTE,LTE,Noise", "classes LTE, LTE, Noise must differ, and one of them be the background"),
        ("LTE,NR", "classes LTE, NR must differ, and one of them be the background"),
        ("LTE=wave,Noise", "--classes: class 'LTE' has kind 'wave', expected one of background, carrier, pulsed"),
    ],
)
def test_classes_that_make_no_sense_are_refused(text, said):
    with pytest.raises(OptionError, match=said):
        parse_classes(text)


@pytest.mark.parametrize(
    ("network", "classes", "options", "error", "text"),
    [
        ("net", 4, {}, OptionError, "network 'net' is unknown; choose one of rf-segmenter, os-net"),
        (None, 4, {}, OptionError, "net.pt does not say what network it is of; name it with --network: rf-segmenter, os-net"),
        ("prmnet", 4, {}, RecordingError, "has no bias 'conv_last3.bias' .* no checkpoint of prmnet; name another network"),
        ("os-net", 5, {}, OptionError, r"has 5 classes, but os-net was published with 3 \(LTE, NR, Noise\) and 4 .*--classes"),
        ("os-net", 4, {"classes": parse_classes("LTE,Noise")}, OptionError, "--classes names 2 classes, but the checkpoint has 4"),
        ("os-net", 4, {"size": 100}, OptionError, "size=100 is no size of a picture; give one of 16, 32"),
        ("os-net", 4, {"samp_rate": 1e3}, GeometryError, "holds no segment of 256 samples at 1000 Hz; choose a longer one"),
    ],
)
def test_imports_that_cannot_be_are_refused(network, classes, options, error, text, tmp_path):
    path = write(tmp_path / "net.pt", make_state("os-net", classes))
    with pytest.raises(error, match=text):
        import_checkpoint(path, network, tmp_path / "net.onnx", options=ImportOptions(**options))
    assert not (tmp_path / "net.onnx").exists()


def own_checkpoint(path, recipe):
    """What rfseg train writes, as far as an import reads it."""
    network = make_network(recipe.network, len(recipe.classes), published=recipe.published)
    progress = {"step": 7, "images": 70, "scenes": 35, "minutes": 1.5, "seed": 2}
    record = json.dumps(recipe.to_record())
    state = {"network": network.state_dict(), "average": network.state_dict(), "recipe": record, "progress": progress}
    return write(path, state), network


def test_own_checkpoints_say_themselves_what_they_were_fed(tmp_path):
    recipe = load_training_recipe("published-rf-segmenter").with_changes(
        network="os-net", classes=("LTE", "NR", "Noise"), normalised=True, scenes=load_recipe("protocol-cellular-d2s")
    )
    checkpoint, _ = own_checkpoint(tmp_path / "last.pt", recipe)
    source = _read_own(checkpoint, None, ImportOptions())
    assert (source.network, source.form, source.licence) == ("os-net", "checkpoint of rfseg train", "GPL-3.0-or-later")
    assert [c.label for c in source.outputs] == ["LTE", "NR", "Noise"]
    assert (source.fed.size, source.fed.frame_duration, source.fed.newest_first) == (128, 40e-3, False)
    assert source.fed.normalisation == "imagenet"
    assert (source.training["step"], source.training["recipe"]["network"]) == (7, "os-net")


@pytest.mark.parametrize(
    ("changes", "network", "options", "text"),
    [
        ({"input": Input.ROWS, "normalised": False}, None, {}, "was trained on rows in dBFS, not on pictures; use rfseg export"),
        ({}, "prmnet", {}, "is of the network os-net, not of prmnet; leave out --network"),
        ({}, None, {"classes": parse_classes("LTE,Noise")}, "names its classes itself .*; leave out --classes"),
    ],
)
def test_own_checkpoints_that_are_no_use_here_are_refused(changes, network, options, text, tmp_path):
    recipe = load_training_recipe("published-rf-segmenter").with_changes(network="os-net", **changes)
    checkpoint, _ = own_checkpoint(tmp_path / "last.pt", recipe)
    with pytest.raises(OptionError, match=text):
        import_checkpoint(checkpoint, network, tmp_path / "net.onnx", options=ImportOptions(**options))


def test_a_temperature_is_positive():
    with pytest.raises(OptionError, match="temperature=0.0 must be above 0; 1 leaves the confidences as they are"):
        ImportOptions(temperature=0.0)


def test_a_model_file_has_the_ending_by_which_it_is_found(tmp_path):
    with pytest.raises(OptionError, match="must end in .onnx, or rfseg does not find it"):
        import_checkpoint(tmp_path / "net.pt", "os-net", tmp_path / "net")


# -- the whole way


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A network, and what the command made of its checkpoint."""
    folder = tmp_path_factory.mktemp("imported")
    torch.manual_seed(3)
    network = make_network("os-net", 4, published=True)
    with torch.no_grad():
        network.conv7_2.weight *= 20  # so that every class wins somewhere
        network.conv7_2.bias[:] = 0
    state = {"module." + key: value for key, value in network.state_dict().items()}
    checkpoint = write(folder / "OSNet.pth", {"epoch": 49, "model_state_dict": state})
    out = folder / "mine.onnx"
    command = ["import-checkpoint", str(checkpoint), "--network", "os-net", "--out", str(out), "--size", str(SIZE)]
    printed = io.StringIO()
    stdout, sys.stdout = sys.stdout, printed
    try:
        code = main([*command, "--licence", "MIT", "--name", "theirs", "--json"])
    finally:
        sys.stdout = stdout
    assert code == 0
    return network.eval(), out, json.loads(printed.getvalue())


def test_the_command_says_what_it_made(imported):
    _, out, facts = imported
    assert facts == {
        "model": str(out),
        "name": "theirs",
        "network": "os-net",
        "form": "dict with model_state_dict",
        "outputs": ["LTE", "NR", "Radar", "Noise"],
        "classes": ["Noise", "LTE", "NR", "Radar"],
        "samp_rate": 61.44e6,
        "frame_duration": pytest.approx(2.857e-3, rel=1e-3),
        "size": SIZE,
        "notes": [],
    }


def test_the_contract_says_what_the_paper_fed(imported):
    contract = Session(imported[1], threads=1).contract
    assert (contract.family, contract.window, contract.time_direction) == ("published", "hann-symmetric", "reverse")
    assert contract.published.class_order == ("LTE", "NR", "Radar", "Noise")
    assert (contract.published.normalisation, contract.published.extremes.value) == ("none", "all")
    assert contract.licence == "MIT"
    source = contract.training["imported"]
    assert (source["checkpoint"], source["epoch"]) == ("OSNet.pth", 49)
    assert (contract.training["network"], contract.training["parameters"]) == ("os-net", 4_643_700)
    assert len(source["sha256"]) == 64


def test_the_model_is_the_network_with_the_classes_in_order(imported):
    network, out, _ = imported
    model = PictureSegmenter(network, newest_first=True, class_ids=(1, 2, 3, 0))
    rng = np.random.default_rng(5)
    rows = rng.uniform(-150, -60, (3, 1, SIZE, SIZE)).astype(np.float32)
    limits = np.array([[-160, -60], [-150, -50], [-155, -70]], np.float32)
    with torch.no_grad():
        mask, confidence = (t.numpy() for t in model(torch.from_numpy(rows), torch.from_numpy(limits)))
    found, sure = Session(out, threads=1).run(rows, limits)
    assert (found == mask).mean() > 0.999 and len(np.unique(mask)) > 1
    assert np.abs(sure.astype(int) - confidence).max() <= 2


def test_the_command_refuses_in_one_line(tmp_path, capsys):
    path = write(tmp_path / "evil.pt", {"note": Runs(tmp_path / "ran")})
    assert main(["import-checkpoint", str(path), "--network", "os-net", "--out", str(tmp_path / "a.onnx")]) == EXIT_BAD_INPUT
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("rfseg: error: ") and "might run code" in err and err.count("\n") == 1
    assert not (tmp_path / "ran").exists()
