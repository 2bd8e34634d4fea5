"""Each GRC description against the block that it describes."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import yaml
from gnuradio import rfseg
from gnuradio.grc.core import Messages
from gnuradio.grc.core.platform import Platform
from gnuradio.grc.core.schema_checker import BLOCK_SCHEME, Validator
from mako.template import Template

FOLDER = Path(__file__).parents[2] / "grc"
FILES = sorted(FOLDER.glob("*.block.yml"))
# What GRC leaves to the user: a variable of the flowgraph, a file to choose, a rate to be had.
OWN_DEFAULTS = {"samp_rate", "destination", "out_rate"}


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
    values = {"samp_rate": "30.72e6"}
    for parameter in description["parameters"]:
        text = str(parameter["default"])
        quoted = parameter["dtype"] in ("string", "file_open", "file_save")
        values.setdefault(parameter["id"], repr(text) if quoted else text)
    return Template(template).render(**values)


def make_graph(platform: Platform):
    """A flowgraph with nothing but a sample rate."""
    graph = platform.make_flow_graph()
    variable = graph.new_block("variable")
    variable.params["id"].set_value("samp_rate")
    variable.params["value"].set_value("30.72e6")
    return graph


def call_of(text: str) -> inspect.BoundArguments | dict:
    """Arguments of the one call in ``text``: positional ones refused."""

    def capture(*args, **kwargs) -> dict:
        assert not args, "make passes positional arguments"
        return kwargs

    name = text.strip().split("(")[0]
    assert re.fullmatch(r"(rfseg|block)\.\w+", name), text
    module, attribute = name.split(".")
    holder = type(module, (), {attribute: staticmethod(capture)})
    return eval(text.strip(), {module: holder})


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
class TestDescription:
    """One GRC file."""

    def test_it_keeps_gnu_radios_schema(self, path):
        checker = Validator(BLOCK_SCHEME)
        assert checker.run(load(path)), checker.messages

    def test_make_passes_every_parameter_by_its_name_and_the_block_takes_it(self, path):
        description = load(path)
        arguments = call_of(render(description, description["templates"]["make"]))
        assert list(arguments) == [p["id"] for p in description["parameters"]]
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

    def test_callbacks_are_setters_of_the_block(self, path):
        description = load(path)
        block = target(description)
        for callback in description["templates"].get("callbacks", []):
            text = render(description, callback)
            name, argument = re.fullmatch(r"(set_\w+)\((.+)\)", text).groups()
            assert name.removeprefix("set_") in inspect.signature(block).parameters
            inspect.signature(getattr(block, name)).bind(None, eval(argument))

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
            assert eval(re.fullmatch(r"\$\{ (.*) \}", check).group(1), {}, arguments), check

    def test_the_tree_names_it(self, path):
        (tree,) = FOLDER.glob("*.tree.yml")
        assert load(path)["id"] in next(iter(yaml.safe_load(tree.read_text()).values()))


def test_the_tree_names_nothing_else():
    (tree,) = FOLDER.glob("*.tree.yml")
    assert len(next(iter(yaml.safe_load(tree.read_text()).values()))) == len(FILES)


def test_every_block_of_the_module_has_a_description():
    described = {load(path)["id"].removeprefix("rfseg_") for path in FILES}
    assert described == set(rfseg.__all__) - {"frame_geometry", "keys"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_grc_loads_it_and_finds_its_ports_and_its_documentation(platform, path, monkeypatch, threshold_model_folder):
    identity = load(path)["id"]
    graph = make_graph(platform)
    block = graph.new_block(identity)
    block.params["id"].set_value("under_test")
    if "model" in block.params:
        block.params["model"].set_value("threshold")
    graph.rewrite()
    graph.validate()
    errors = [e for e in block.get_error_messages() if "not connected" not in e.lower()]
    assert not errors
    streams = {p.name: p.vlen for p in block.sinks + block.sources if p.domain == "stream"}
    sizes = {"mask": 128, "confidence": 128, "rows": 256}
    if identity == "rfseg_spectrogram_sink":
        assert streams["out"] == 256
    assert all(streams[name] == size for name, size in sizes.items() if name in streams)


@pytest.mark.parametrize(
    "name, value, text",
    [
        ("queue_depth", "0", "Queue Depth must be at least 1 frame"),
        ("min_confidence", "2", "Minimum Confidence must lie in 0 to 1"),
        ("hold", "0", "Hold must be above 0 s"),
        ("frame_duration", "-1", "Frame Duration must be above 0 s"),
    ],
)
def test_a_wrong_value_is_refused_in_words(platform, threshold_model_folder, name, value, text):
    graph = make_graph(platform)
    block = graph.new_block("rfseg_rf_segmenter")
    block.params[name].set_value(value)
    graph.rewrite()
    graph.validate()
    assert any(text in message for message in block.get_error_messages())
