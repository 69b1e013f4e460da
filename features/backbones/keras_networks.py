"""The networks of keras.applications as data, and Keras's functional graph as a backbone.

Each sees what its own weights were trained on: input size and scaling are part of its entry, and
so of every row's fingerprint. Networks that want their channels reversed (VGG, ResNet before V2)
are not among them.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from features.arrays import Scale
from features.backbones.engines import TENSORFLOW, FixedBatch, load_engine, tap_source
from features.backbones.weight_files import read_layers
from features.backbones.weights import KerasWeights
from features.errors import WeightsError
from features.runtime import load_tensorflow
from features.untrusted_files import UnsafeFileError

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, of values 0 to 1
_SCALES: dict[str, Scale] = {
    "signed": (1 / 127.5, -1.0),
    "raw": (1.0, 0.0),  # the network's own first layers do the scaling
    "standard": (
        tuple(1 / (255 * deviation) for deviation in _DEVIATION),
        tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
    ),
}


@dataclass(frozen=True)
class KerasNetwork:
    """One network of keras.applications; called, it builds a backbone.

    Attributes:
        function: its name in keras.applications.
        input_size: height and width, as its weights were trained.
        scale: (factor, offset) of the pixels, numbers or one per channel.
        map_shape: of the last map.
        layers: channels of the layers worth tapping, by Keras's names: the last of each map size.
        trained: Keras's download of the ImageNet weights without the top.
        engines: TensorFlow builds it in any case, and others take seconds to convert it.
    """

    function: str
    input_size: tuple[int, int]
    scale: Scale
    map_shape: tuple[int, int, int]
    layers: Mapping[str, int]
    trained: KerasWeights
    engines: ClassVar[tuple[str, ...]] = ("tensorflow",)

    @property
    def tap_widths(self) -> Mapping[str, int]:
        """Count the values that a tap adds: a layer's means, or under "-max" its largest values."""
        return {tap: width for name, width in self.layers.items() for tap in (name, f"{name}-max")}

    def __call__(
        self,
        weights: Path | None,
        *,
        seed: int = 0,
        scale: Scale,
        batch_size: int = 32,
        precision: str = "float32",
        engine: str = TENSORFLOW,
        taps: Sequence[str] = (),
    ) -> FixedBatch:
        """Build it; see `features.backbones.registry.BackboneEntry`.

        Raises:
            EngineError: unknown engine, or its library is not installed.
            WeightsError: the file holds other weights.
        """
        assert scale == self.scale, scale
        compile_graph = load_engine(engine, "compile_graph")
        shape = (batch_size, *self.input_size, 3)
        model = self.keras_model(weights, seed, precision)
        graph = _graph(model, scale, taps, batch_size)
        return FixedBatch(compile_graph(graph, shape, precision), shape)

    def keras_model(
        self,
        weights: Path | None,
        seed: int,
        precision: str = "float32",
    ) -> Any:  # noqa: ANN401 - Keras ships no types
        """Build Keras's own model: scaled pixels in, the last map out."""
        load_tensorflow()
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("bfloat16" if precision == "bfloat16" else "float32")
        try:
            model = getattr(keras.applications, self.function)(
                weights=None, include_top=False, input_shape=(*self.input_size, 3)
            )
        finally:
            keras.config.set_dtype_policy(before)
        if weights is None:
            _draw_weights(model, seed)
        else:
            _load_weights(model, weights, self.function)
        return model


def _graph(model: Any, scale: Scale, taps: Sequence[str], batch_size: int) -> Any:  # noqa: ANN401 - a library's objects, which have no types
    """Make the function from pixels to rows that an engine compiles."""
    tf = load_tensorflow()
    import keras

    sources = [tap_source(tap) for tap in taps]
    outputs = [model.output, *(model.get_layer(name).output for name, _ in sources)]
    tapped = keras.Model(model.input, outputs)
    factor, offset = (np.asarray(part, np.float32) for part in scale)

    def graph(pixels: Any) -> Any:  # noqa: ANN401 - a library's objects, which have no types
        """Scale pixels and run the network: the last map flat, the taps behind it."""
        scaled = tf.cast(pixels, tf.float32) * factor + offset
        found = tapped(scaled, training=False)
        maps, *blocks = [tf.cast(x, tf.float32) for x in (found if taps else [found])]
        rows = [tf.reshape(maps, (batch_size, -1))]
        for (_, largest), block in zip(sources, blocks, strict=True):
            rows.append((tf.reduce_max if largest else tf.reduce_mean)(block, axis=(1, 2)))
        return tf.concat(rows, axis=1)

    return graph


def _draw_weights(model: Any, seed: int) -> None:  # noqa: ANN401 - a library's objects, which have no types
    """Draw untrained kernels from the seed alone; normalisation and biases stay as Keras starts."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        if "kernel" in variable.name and len(shape) > 1:
            depthwise = "depthwise" in variable.path
            inputs = np.prod(shape[:2] if depthwise and len(shape) == 4 else shape[:-1])
            drawn = generator.standard_normal(shape, np.float32)
            variable.assign(drawn * np.float32(np.sqrt(1.0 / inputs)))


def _load_weights(model: Any, path: Path, function: str) -> None:  # noqa: ANN401 - a library's objects, which have no types
    """Load a file that Keras wrote, once it is known to reach nowhere outside itself."""
    wanted = (
        f"expected an .h5 or .weights.h5 that Keras wrote for {function} with include_top=False; "
        "name another file with --weights FILE"
    )
    try:
        read_layers(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras: dozens of lines before the error that counts
            model.load_weights(path)
    except UnsafeFileError as error:
        raise WeightsError(f"{path} is no weights file ({error}); {wanted}") from error
    except Exception as error:  # Keras raises whatever its readers raise
        raise WeightsError(
            f"{path} holds no weights of {function} ({' '.join(str(error).split())[:160]}); "
            f"{wanted}"
        ) from error
    if not all(np.isfinite(np.asarray(weight, np.float32)).all() for weight in model.weights):
        raise WeightsError(f"{path} holds weights that are not finite; {wanted}")


def _read_entries() -> dict[str, KerasNetwork]:
    """Read the entries from the table beside this file."""
    table = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    entries = {}
    for name, row in table.items():
        function, size, (height, width, channels) = row["function"], row["size"], row["map"]
        entries[name] = KerasNetwork(
            function,
            (size, size),
            _SCALES[row["scale"]],
            (height, width, channels),
            row["layers"],
            KerasWeights(function, row["file"], row["checksum"], size),
        )
    return entries


KERAS_NETWORKS = _read_entries()
"""By the name of `--backbone`. A test holds each entry against Keras's own function."""
