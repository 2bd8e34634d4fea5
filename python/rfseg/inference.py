"""Running a model file: load it, hold it to its contract, turn rows into masks."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .contract import Contract, golden_limits, golden_rows
from .errors import BackendUnavailableError, ContractError, GeometryError, OptionError
from .providers import AUTO, PROVIDERS, choose_providers, provider_options
from .spectrogram import POWER_RANGE

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["DEFAULT_MODEL", "GOLDEN_AGREEMENT", "MODEL_PATH_VARIABLE", "Session", "absent_folders", "find_model", "list_models"]

DEFAULT_MODEL = "rf-segmenter"
MODEL_PATH_VARIABLE = "RFSEG_MODEL_PATH"  # folders to search before the installed one, as PATH has them
GOLDEN_AGREEMENT = 0.995  # share of golden pixels that must agree; survives other processors and int8
GOLDEN_SIGNAL_AGREEMENT = 0.8  # the same of those that either mask gives a signal: few, and what damage makes noise of
_ROWS_DB_RANGE = tuple(10.0 * np.log10(POWER_RANGE))

_log = logging.getLogger(__name__)


def _named_folders() -> list[Path]:
    return [Path(p) for p in os.environ.get(MODEL_PATH_VARIABLE, "").split(os.pathsep) if p]


def _model_folders() -> list[Path]:
    """Where models are looked for: the variable's folders, the installation, the source tree."""
    prefixes = [sys.prefix, *[p.parents[3] for p in [Path(__file__).parent] if len(p.parents) > 3]]
    installed = [Path(p) / "share" / "rfseg" / "models" for p in prefixes]
    return [*_named_folders(), *installed, Path(__file__).resolve().parents[2] / "models"]


def absent_folders() -> list[Path]:
    """What the variable ``RFSEG_MODEL_PATH`` names and is no folder."""
    return [folder for folder in _named_folders() if not folder.is_dir()]


def list_models() -> dict[str, Path]:
    """Models that can be named: name to file."""
    found: dict[str, Path] = {}
    for folder in _model_folders():
        for path in sorted(folder.glob("*.onnx")):
            found.setdefault(path.stem, path)
    return found


def find_model(name_or_file: str | Path) -> Path:
    """File of a model given by name (``rf-segmenter``) or by path.

    Raises
    ------
    ContractError
        If there is no such file or name; the message lists the names there are.
    """
    path = Path(name_or_file)
    if path.suffix == ".onnx" or path.parent != Path("."):
        if path.is_dir():
            remedy = f"give a .onnx file, or set {MODEL_PATH_VARIABLE} to the folder and give a model's name"
            raise ContractError(f"model {str(path)!r} is a folder; {remedy}")
        if not path.is_file():
            raise ContractError(f"model file {str(path)!r} does not exist; give an existing .onnx file or a model's name")
        if not os.access(path, os.R_OK):
            raise ContractError(f"model file {str(path)!r} may not be read; change its permissions")
        return path
    models = list_models()
    if str(name_or_file) not in models:
        known = ", ".join(sorted(models)) or f"none installed; set {MODEL_PATH_VARIABLE} to a folder that holds models"
        absent = "".join(f"; {MODEL_PATH_VARIABLE} names {folder}, which is no folder" for folder in absent_folders())
        raise ContractError(f"model {str(name_or_file)!r} is unknown; known: {known}; or give the path of a .onnx file{absent}")
    return models[str(name_or_file)]


class Session:
    """A loaded model that has passed its self-test.

    Creating one takes up to a second and holds the interpreter lock; :meth:`run` releases it.
    :meth:`run` may be called from several threads.

    Parameters
    ----------
    model : str or Path
        Name of a model, or path of an ONNX file.
    threads : int
        Threads of one inference; 0 lets the backend choose: one a core.
    providers : str
        What computes: ``auto`` for the first that starts of TensorRT, CUDA and the processor, as far as the
        installed ONNX Runtime has them; or one or more of ``tensorrt``, ``cuda``, ``openvino``, ``cpu``, with commas
        between them.

    Raises
    ------
    BackendUnavailableError
        If ONNX Runtime is not installed, or lacks a provider that is asked for by name, or none of those asked for starts.
    OptionError
        If there is no such provider, or the number of threads is negative.
    ContractError
        If the file is missing, no ONNX model, carries no valid contract, disagrees with it, or
        fails its self-test.
    """

    def __init__(self, model: str | Path = DEFAULT_MODEL, *, threads: int = 0, providers: str = AUTO) -> None:
        if threads < 0:
            raise OptionError(f"threads={threads!r} must be 0 (the backend chooses) or more")
        self.path = find_model(model)
        self._session, self.provider = _open(self.path, threads, providers)
        metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        self.contract = Contract.from_metadata(metadata, source=str(self.path))
        self._check_graph()
        self._self_test()

    def run(self, rows: np.ndarray, limits: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Segment frames.

        Parameters
        ----------
        rows : float32 ``(N, C, T, F)``
            dBFS.  Values that are not finite are read as the lowest power.
        limits : float32 ``(N, 2)`` or None
            Models of the family ``published`` only: what becomes 0 and 255, on the scale of the rows.

        Returns
        -------
        mask, confidence : uint8 ``(N, T, F)``
            Class ids, and the probability of the chosen class with 255 for 1.

        Raises
        ------
        GeometryError
            If a shape is not the contract's, or limits are missing, not finite, or given where there are none.
        """
        contract = self.contract
        expected = (len(contract.reductions), contract.rows)
        bins = "F" if contract.published is None else contract.rows
        if rows.ndim != 4 or rows.shape[1:3] != expected or rows.shape[3] != (rows.shape[3] if bins == "F" else bins):
            raise GeometryError(f"rows have shape {rows.shape}, expected (N, {expected[0]}, {expected[1]}, {bins})")
        rows = np.ascontiguousarray(rows, np.float32)
        if not np.isfinite(rows).all():
            low, high = _ROWS_DB_RANGE
            rows = np.nan_to_num(rows, nan=low, posinf=high, neginf=low)
        inputs = {contract.input_name: rows, **self._limits(limits, len(rows))}
        return tuple(self._session.run([contract.mask_name, contract.confidence_name], inputs))

    def _limits(self, limits: np.ndarray | None, frames: int) -> dict[str, np.ndarray]:
        """The second input by its name, of models that have one."""
        rule = self.contract.published
        if rule is None:
            if limits is not None:
                raise GeometryError(f"limits are given, but model {self.contract.name!r} scales its rows itself; leave them out")
            return {}
        if limits is None or limits.shape != (frames, 2) or not np.isfinite(limits).all():
            what = "are missing" if limits is None else f"of shape {limits.shape} are not ({frames}, 2) finite values"
            raise GeometryError(
                f"limits {what}: model {self.contract.name!r} needs the dB of each frame that become 0 and 255"
                " (rfseg.published.picture_rows makes them)"
            )
        return {rule.limits_name: np.ascontiguousarray(limits, np.float32)}

    def _check_graph(self) -> None:
        """Refuse a graph whose inputs and outputs are not what the contract says."""
        contract, rule = self.contract, self.contract.published
        bins = None if rule is None else contract.rows
        shapes: dict[str, tuple[int | None, ...]] = {contract.input_name: (None, len(contract.reductions), contract.rows, bins)}
        if rule is not None:
            shapes[rule.limits_name] = (None, 2)
        inputs = {i.name: i for i in self._session.get_inputs()}
        outputs = {o.name: o for o in self._session.get_outputs()}
        if set(inputs) != set(shapes):
            promised = ", ".join(map(repr, shapes))
            raise ContractError(f"{self.path} has inputs {sorted(inputs)}, its contract promises {promised}")
        missing = {contract.mask_name, contract.confidence_name} - set(outputs)
        if missing:
            raise ContractError(f"{self.path} lacks the outputs {sorted(missing)} that its contract promises")
        for name, shape in shapes.items():
            _check_tensor(self.path, inputs[name], "tensor(float)", shape)
        for name in (contract.mask_name, contract.confidence_name):
            _check_tensor(self.path, outputs[name], "tensor(uint8)", (None, contract.rows, bins))

    def _self_test(self) -> None:
        """Run the golden vector and compare."""
        contract, golden = self.contract, self.contract.golden
        rows = golden_rows(golden.seed, golden.bins, channels=len(contract.reductions), rows=contract.rows)
        limits = None if contract.published is None else golden_limits(rows)[None]
        try:
            mask, confidence = self.run(rows[None], limits)
        except Exception as error:  # the backend's exceptions share no base class
            raise ContractError(f"{self.path} fails on its own golden vector: {error}") from error
        if mask.shape != (1, contract.rows, golden.bins) or confidence.shape != mask.shape:
            raise ContractError(
                f"{self.path} returns mask {mask.shape} and confidence {confidence.shape},"
                f" expected {(1, contract.rows, golden.bins)}"
            )
        expected = golden.mask(contract.rows)
        is_signal = (mask[0] > 0) | (expected > 0)  # class 0 is the background
        parts = [("pixels", slice(None), GOLDEN_AGREEMENT), ("pixels of signals", is_signal, GOLDEN_SIGNAL_AGREEMENT)]
        for what, part, least in parts if is_signal.any() else parts[:1]:
            agreement = float(np.mean(mask[0][part] == expected[part]))
            if agreement < least:
                raise ContractError(
                    f"{self.path} fails its self-test: {agreement:.1%} of the golden {what} agree, expected at least"
                    f" {least:.1%}; the file or the backend is damaged"
                )
        if mask.max() >= len(contract.classes):
            raise ContractError(f"{self.path} gives class id {mask.max()}, its contract has {len(contract.classes)} classes")


def _open(path: Path, threads: int, providers: str) -> tuple[onnxruntime.InferenceSession, str]:
    """A session and the short name of what computes in it."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read on import; its Linux builds report to their maker
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendUnavailableError("running a model needs ONNX Runtime: pip install onnxruntime") from error
    names = choose_providers(providers, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait take the core that the samples need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3 if names == ["cpu"] else 4  # errors only; what matters is raised
    reasons = []
    for place, name in enumerate(names):
        chain = [(PROVIDERS[n], provider_options(n, threads)) for n in names[place:]]  # the later ones run what the first cannot
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=chain)
        except Exception as error:  # the backend's exceptions share no base class
            reasons.append((name, str(error).splitlines()[0]))
            continue
        if session.get_providers()[0] == PROVIDERS[name]:
            return session, name
        reasons.append((name, "it does not start; its libraries or its device are missing"))  # a silent change to the processor
    if reasons[-1][0] == "cpu":
        remedy = "give a whole .onnx file exported by rfseg"
        raise ContractError(f"{path} is not an ONNX model that ONNX Runtime can load; {remedy} ({reasons[-1][1]})")
    raise BackendUnavailableError(
        f"providers={providers!r}: {'; '.join(': '.join(reason) for reason in reasons)}; leave providers at {AUTO}, or say cpu"
    )


def _check_tensor(path: Path, tensor: onnxruntime.NodeArg, dtype: str, shape: tuple[int | None, ...]) -> None:
    """Compare a graph's input or output with the promise; None stands for any size."""
    sizes = tensor.shape
    fits = len(sizes) == len(shape) and all(
        expected is None or not isinstance(size, int) or size == expected for size, expected in zip(sizes, shape)
    )
    if tensor.type != dtype or not fits:
        raise ContractError(f"{path}: {tensor.name!r} is {tensor.type} {sizes}, its contract promises {dtype} {list(shape)}")
