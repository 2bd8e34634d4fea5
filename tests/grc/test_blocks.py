"""Each GRC description against the block that it describes."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from gnuradio import rfseg
from gnuradio.grc.core import Messages
from gnuradio.grc.core.platform import Platform
from gnuradio.grc.core.schema_checker import BLOCK_SCHEME, Validator
from mako.template import Template

from rfseg.inference import DEFAULT_MODEL

FOLDER = Path(__file__).parents[2] / "grc"
FILES = sorted(FOLDER.glob("*.block.yml"))
VARIABLES = [FOLDER / "rfseg_model.block.yml"]
BLOCKS = [path for path in FILES if path not in VARIABLES]
TIMEOUT = 120  # s
# What GRC leaves to the user: a variable of the flowgraph, a file to choose, a rate to be had.
NOT_PASSED = {"check", "gui_hint"}  # what the model says of rate and duration; where a widget goes
OWN_DEFAULTS = {"samp_rate", "destination", "out_rate", "recording"}


@pytest.fixture(scope="module")
def platform() -> Platform:
    """GRC itself, with these blocks and the most basic ones of its own."""
    from gnuradio import gr

    messages = []
    Messages.register_messenger(messages.append)
    platform = Platform(
        name="GNU Radio Companion", prefs=gr.prefs(), version=gr.version(), version_parts=("3", "10", "0")
    )
    installed = gr.prefs().get_string("grc", "global_blocks_path", "").split(":")
    files = (path for folder in installed for path in Path(folder).glob("*.yml"))
    core = [path for path in files if "_" not in path.name]  # options, variable, domains
    platform.build_library([str(FOLDER), *map(str, core)])
    yield platform
    assert not [m for m in messages if "rfseg" in m and "error" in m.lower()]


def load(path: Path) -> dict:
    """A description as it is written."""
    return yaml.safe_load(path.read_text())


def target(description: dict):
    """The block or factory that a description is of."""
    return getattr(rfseg, description["id"].removeprefix("rfseg_"))


def render(description: dict, template: str) -> str:
    """A template with the description's own defaults, quoted as GRC quotes them."""
    values = {"samp_rate": "30.72e6", "id": "under_test", "gui_hint": lambda: "self.top_layout.addWidget(%s)"}
    for parameter in description["parameters"]:
        text = str(parameter.get("default", ""))
        quoted = parameter["dtype"] in ("string", "file_open", "file_save")
        values.setdefault(parameter["id"], repr(text) if quoted else text)
    return Template(template).render(**values)


def make_graph(platform: Platform, *, samp_rate: str = "30.72e6"):
    """A flowgraph with nothing but a sample rate."""
    graph = platform.make_flow_graph()
    add(graph, "variable", "samp_rate", value=samp_rate)
    return graph


def add(graph, identity: str, own_name: str, /, **values: str):
    """A block of the flowgraph."""
    block = graph.new_block(identity)
    for parameter, value in {"id": own_name, **values}.items():
        block.params[parameter].set_value(value)
    return block


def errors_of(graph, block) -> list[str]:
    """What GRC says against a block, besides that nothing is connected to it."""
    graph.rewrite()
    graph.validate()
    return [e for e in block.get_error_messages() if "not connected" not in e.lower()]


def call_of(text: str) -> dict:
    """Arguments of the call with which ``text`` begins: positional ones refused."""
    call = ast.parse(text.strip()).body[0].value
    assert isinstance(call, ast.Call) and re.fullmatch(r"rfseg\.\w+", ast.unparse(call.func)), text
    assert not call.args, "make passes positional arguments"
    return {argument.arg: eval(ast.unparse(argument.value)) for argument in call.keywords}


@pytest.mark.parametrize("path", BLOCKS, ids=lambda p: p.stem)
class TestDescription:
    """One GRC file."""

    def test_it_keeps_gnu_radios_schema(self, path):
        checker = Validator(BLOCK_SCHEME)
        assert checker.run(load(path)), checker.messages

    def test_make_passes_every_parameter_by_its_name_and_the_block_takes_it(self, path):
        description = load(path)
        arguments = call_of(render(description, description["templates"]["make"]))
        assert list(arguments) == [p["id"] for p in description["parameters"] if p["id"] not in NOT_PASSED]
        inspect.signature(target(description)).bind(**arguments)
        wanted = {n for n, p in inspect.signature(target(description)).parameters.items()}
        assert wanted == set(arguments)

    def test_defaults_are_those_of_the_signature(self, path):
        description = load(path)
        arguments = call_of(render(description, description["templates"]["make"]))
        for name, parameter in inspect.signature(target(description)).parameters.items():
            if parameter.default is not inspect.Parameter.empty:
                assert arguments[name] == parameter.default, name
            else:
                assert name in OWN_DEFAULTS

    def test_callbacks_are_the_setters_of_the_block(self, path):
        description = load(path)
        factory = target(description)
        block = factory if inspect.isclass(factory) else getattr(rfseg.rfseg_python, factory.__name__)
        parameters = set(inspect.signature(factory).parameters)
        called = set()
        for callback in description["templates"].get("callbacks", []):
            text = render(description, callback)
            name, argument = re.fullmatch(r"(set_\w+)\((.+)\)", text).groups()
            called.add(name)
            if block is factory:
                inspect.signature(getattr(block, name)).bind(None, eval(argument))
        assert called == {name for name in dir(block) if name.startswith("set_") and name[4:] in parameters}

    def test_texts_and_checks_are_there(self, path):
        description = load(path)
        assert description["id"] == "rfseg_" + path.name.removesuffix(".block.yml").removeprefix("rfseg_")
        assert "category" not in description and "rfseg" not in description["label"].lower()
        assert len(description["documentation"]) > 200
        assert description["asserts"]
        for check in description["asserts"]:
            assert re.fullmatch(r"\$\{ .*[^ ]#[A-Z].* \}", check), check
        headings = ("Stream in", "Stream out", "Messages in", "Messages out", "Tags", "Latency", "Threads")
        docstring = inspect.getdoc(target(description))
        positions = [docstring.index(f"{heading}:") for heading in headings]
        assert positions == sorted(positions)

    def test_checks_hold_for_the_defaults(self, path):
        description = load(path)
        arguments = call_of(render(description, description["templates"]["make"]))
        for check in description["asserts"]:
            assert eval(re.fullmatch(r"\$\{ (.*) \}", check).group(1), {"rfseg": rfseg}, arguments), check

    def test_the_tree_names_it(self, path):
        (tree,) = FOLDER.glob("*.tree.yml")
        assert load(path)["id"] in next(iter(yaml.safe_load(tree.read_text()).values()))


def test_the_tree_names_nothing_else():
    (tree,) = FOLDER.glob("*.tree.yml")
    assert len(next(iter(yaml.safe_load(tree.read_text()).values()))) == len(FILES)


def test_every_block_of_the_module_has_a_description():
    described = {load(path)["id"].removeprefix("rfseg_") for path in FILES}
    assert described == set(rfseg.__all__) - {"frame_geometry", "keys"}


@pytest.mark.parametrize("path", BLOCKS, ids=lambda p: p.stem)
def test_grc_loads_it_and_finds_its_ports_and_its_documentation(platform, path, threshold_model_folder):
    identity = load(path)["id"]
    graph = make_graph(platform)
    block = add(graph, identity, "under_test")
    if "model" in block.params:
        block.params["model"].set_value("threshold")
    assert not errors_of(graph, block)
    assert all("Hz" in p.name for k, p in block.params.items() if k == "samp_rate")
    streams = {p.name: p.vlen for p in block.sinks + block.sources if p.domain == "stream"}
    sizes = {"mask": 128, "confidence": 128, "rows": 256}
    if identity == "rfseg_spectrogram_sink":
        assert streams["out"] == 256
    assert all(streams[name] == size for name, size in sizes.items() if name in streams)


@pytest.mark.parametrize(
    "name, value, text",
    [
        ("queue_depth", "0", "Queue Depth must be at least 1 frame"),
        ("workers", "0", "Frames at Once must be at least 1"),
        ("min_confidence", "2", "Minimum Confidence must lie in 0 to 1"),
        ("hold", "0", "Hold must be above 0 s"),
        ("frame_duration", "-1", "Frame Duration must be above 0 s"),
        ("frame_duration", "1", "frame_duration=1 s is outside the 0.001 to 0.04 s of model"),
        ("model", "no-such-model", "model 'no-such-model' is unknown; known: "),
    ],
)
def test_a_wrong_value_is_refused_in_words(platform, threshold_model_folder, name, value, text):
    graph = make_graph(platform)
    block = add(graph, "rfseg_rf_segmenter", "under_test", **{name: value})
    assert any(text in message for message in errors_of(graph, block))


@pytest.mark.parametrize(
    "identity",
    ["rfseg_rf_segmenter", "rfseg_spectrogram_sink", "rfseg_segmenter", "rfseg_mask_to_bands", "rfseg_band_tagger"],
)
def test_a_rate_that_the_model_does_not_cover_is_refused_before_anything_runs(platform, threshold_model_folder, identity):
    graph = make_graph(platform, samp_rate="32000")  # what an empty canvas begins with
    block = add(graph, identity, "under_test")
    messages = errors_of(graph, block)
    (message,) = [m for m in messages if m.startswith("Param - Model, Sample Rate and Frame Duration")]
    assert "samp_rate=32000 Hz is outside the 15.36e6 to 122.88e6 Hz of model 'rf-segmenter'; resample by 480" in message


def test_the_blocks_of_a_flowgraph_take_all_that_they_must_agree_on_from_one_model(platform, threshold_model_folder):
    graph = make_graph(platform)
    network = add(graph, "rfseg_model", "network", name="threshold", samp_rate="61.44e6", frame_duration="5e-3")
    fields = {"model": "network", "samp_rate": "network.samp_rate", "frame_duration": "network.frame_duration"}
    blocks = [
        add(graph, f"rfseg_{name}", name, **fields)
        for name in ("rf_segmenter", "spectrogram_sink", "segmenter", "mask_to_bands", "band_tagger")
    ]
    assert not [message for block in [network, *blocks] for message in errors_of(graph, block)]
    assert blocks[1].sources[0].vlen == blocks[2].sinks[0].vlen == 512
    names = [network.params[key].name for key in ("promises", "classes")]
    assert names == ["15.36 to 122.88 MS/s, 256 bins, frames of 5 ms", "Noise, LTE, NR, Radar"]
    made: dict = {}
    exec(network.get_var_make(), {"rfseg": rfseg, "self": SimpleNamespace()}, made)
    assert made["network"] == "threshold" and made["network"].bins == 256


def test_a_model_from_a_file_and_what_is_wrong_with_one(platform, threshold_model_folder):
    graph = make_graph(platform)
    file = threshold_model_folder / "threshold.onnx"
    network = add(graph, "rfseg_model", "network", source="file", file=str(file))
    assert not errors_of(graph, network)
    assert (network.params["name"].hide, network.params["file"].hide) == ("all", "none")
    assert f"name={str(file)!r}" in network.get_var_make()
    network.params["file"].set_value("")
    assert any("Model File must name a .onnx file" in m for m in errors_of(graph, network))
    network.params["source"].set_value("name")
    network.params["samp_rate"].set_value("10e6")
    assert any("samp_rate=1e+07 Hz is outside" in m for m in errors_of(graph, network))
    assert network.params["promises"].name == "-"


def test_the_model_block_keeps_the_rules_of_the_others():
    (path,) = VARIABLES
    description = load(path)
    checker = Validator(BLOCK_SCHEME)
    assert checker.run(description), checker.messages
    defaults = {p["id"]: p["default"] for p in description["parameters"] if "default" in p}
    signature = inspect.signature(rfseg.model).parameters
    assert defaults["name"] == signature["name"].default and defaults["frame_duration"] == "None"
    arguments = call_of(render(description, description["templates"]["var_make"]).removeprefix("self.under_test = under_test = "))
    assert list(arguments) == list(signature) and len(description["documentation"]) > 200


def test_what_is_installed_offers_every_shipped_model():
    shipped = sorted(path.stem for path in (FOLDER.parent / "models").glob("*.onnx"))
    installed = Path(sys.prefix) / "share" / "gnuradio" / "grc" / "blocks"
    for path in FILES:
        for parameter in load(path)["parameters"]:
            if parameter.get("default") == DEFAULT_MODEL:
                (same,) = [p for p in load(installed / path.name)["parameters"] if p["id"] == parameter["id"]]
                assert parameter["options"] == [DEFAULT_MODEL] and sorted(same["options"]) == shipped, path.name



def test_where_the_module_is_missing_companion_says_so_and_lives(tmp_path):
    # The system's interpreter has GNU Radio, and not what is installed in the environment of these tests.
    example = FOLDER.parent / "examples" / "live_chain.grc"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GRC_BLOCKS_PATH": str(FOLDER)}
    done = subprocess.run(
        ["/usr/bin/python3", shutil.which("grcc"), "-o", tmp_path, example],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    text = done.stdout + done.stderr
    assert "No module named 'gnuradio.rfseg'" in text and "Compilation error" in text


@pytest.mark.parametrize("path", BLOCKS, ids=lambda p: p.stem)
def test_it_says_that_there_is_no_cpp_output(platform, path):
    graph = make_graph(platform)
    graph.options_block.params["output_language"].set_value("cpp")
    block = add(graph, load(path)["id"], "under_test")
    assert "This block does not support C++ output." in errors_of(graph, block)
