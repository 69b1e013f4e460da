"""Register the targets that a model can be written for, and what each writes."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.errors import EngineError, ExportError
from pipeline.export.graph import PHOTOGRAPHS, Written

FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
PRECISIONS = (FLOAT32, FLOAT16, INT8)
"""float16: the backbone's weights in half the space, computed in float32. int8: the backbone's
weights and maps in 8 bits, by what they are on training photographs."""

Shown = npt.NDArray[np.uint8]
"""uint8 (n, pictures, height, width, 3)."""


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes:
        name: what `--to` takes.
        title: for people.
        packages: that it needs here, and the runtime first, that it needs there.
        file: of the model, in the folder that is written.
        write: called as `write(written, precision, training pictures, notes, path)`.
        precisions: those that it has.
        taken: memory that writing and proving it takes at most, for each byte of the weights.
        one_at_a_time: whether the file takes one photograph a call, and no more.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    file: str
    write: Callable[[Written, str, Sequence[Shown], Mapping[str, str], Path], None]
    taken: float
    precisions: tuple[str, ...] = PRECISIONS
    one_at_a_time: bool = False

    def require(self, precision: str) -> None:
        """See that a model can be written in a precision.

        Raises:
            ExportError: not in this one.
            EngineError: a package that it needs is not installed.
        """
        if precision not in self.precisions:
            raise ExportError(
                f"unknown precision {precision!r} of --to {self.name}; expected one of "
                f"{', '.join(self.precisions)}"
            )
        needed = [*self.packages, *(["nncf"] if precision == INT8 else [])]
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            raise EngineError(
                f"--to {self.name} needs {', '.join(missing)}, which is not installed; "
                'run: pip install "onepass[export]"'
            )

    def version(self) -> str:
        """Read the version of the runtime."""
        from importlib import metadata

        return metadata.version(self.packages[0])


def _write_onnx(
    written: Written,
    precision: str,
    training: Sequence[Shown],
    notes: Mapping[str, str],
    path: Path,
) -> None:
    model = written.model(half=precision == FLOAT16, notes=notes)
    if precision == INT8:
        model = quantised(model, [{PHOTOGRAPHS: one[None]} for one in training])
    path.write_bytes(model.SerializeToString(deterministic=True))


def _write_openvino(
    written: Written,
    precision: str,
    training: Sequence[Shown],
    notes: Mapping[str, str],
    path: Path,
) -> None:
    from features.backbones.openvino_engine import openvino

    plain = written.model(half=precision == FLOAT16, notes=notes)
    model = openvino.Core().read_model(plain.SerializeToString(), b"")
    if precision == INT8:
        model = quantised(model, [{PHOTOGRAPHS: one[None]} for one in training])
    for name, text in notes.items():
        model.set_rt_info(text, ["onepass", name])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def _write_litert(
    written: Written,
    precision: str,
    _training: Sequence[Shown],
    _notes: Mapping[str, str],
    path: Path,
) -> None:
    from pipeline.export.litert import to_litert

    path.write_bytes(to_litert(written.model(), half=precision == FLOAT16))


def quantised(model: Any, seen: Sequence[Any]) -> Any:  # noqa: ANN401 - objects of a library that has few types
    """Quantise the backbone of an ONNX or OpenVINO model by NNCF; the head stays as it is.

    Args:
        model: of either library.
        seen: what it is measured on, as it is called.

    Raises:
        ExportError: there is nothing to measure on.
    """
    if not seen:
        raise ExportError(
            "int8 is measured on training photographs, none of which are where they were; expected "
            "some; name their folder with --data, or take --precision float16"
        )
    from features.backbones.openvino_engine import openvino  # and no telemetry

    del openvino
    nncf = importlib.import_module("nncf")
    nncf.set_log_level(40)  # errors
    data = nncf.Dataset(list(seen), lambda one: one)
    backbone_alone = nncf.IgnoredScope(patterns=["head/.*", "familiar/.*"], validate=False)
    # The largest values that were seen, not their mean: heads look at largest values of layers, and
    # what is cut off there cost twice the difference (0.38 against 0.17 of a probability).
    ranges = importlib.import_module("nncf.quantization.range_estimator")
    advanced = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=ranges.RangeEstimatorParametersSet.MINMAX
    )
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        return nncf.quantize(
            model,
            data,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(seen),
            ignored_scope=backbone_alone,
            advanced_parameters=advanced,
        )


TARGETS = {
    target.name: target
    for target in (
        Target("onnx", "ONNX", ("onnxruntime", "onnx"), "model.onnx", _write_onnx, 12),
        Target(
            "openvino",
            "OpenVINO",
            ("openvino", "onnx", "onnxruntime"),
            "model.xml",
            _write_openvino,
            16,
        ),
        Target(
            "tflite",
            "LiteRT",
            ("ai_edge_litert", "onnx", "onnxruntime"),
            "model.tflite",
            _write_litert,
            64,
            precisions=(FLOAT32, FLOAT16),
            one_at_a_time=True,
        ),
    )
}
"""By name. A new target is one entry, and how `check.py` runs it."""


def target_named(name: str) -> Target:
    """Find a target.

    Raises:
        ExportError: there is none of this name.
    """
    if name not in TARGETS:
        raise ExportError(f"unknown target {name!r}; expected --to {', '.join(TARGETS)}")
    return TARGETS[name]
