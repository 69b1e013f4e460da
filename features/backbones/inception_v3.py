"""The frozen InceptionV3 without its top: pixels -> bottleneck features, in one compiled call.

The graph is built here from the architecture and not from Keras's model, because that halves the
start: no 311 layers to build, batch normalisation and the recipe's scaling already folded into
the convolutions. Its rows equal those of Keras's model (`keras_model`); a test holds them together.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from features.arrays import Array
from features.backbones.engines import TENSORFLOW, Engine, FixedBatch, Plan, load_engine
from features.backbones.weight_files import read_layers
from features.errors import PrecisionError, WeightsError
from features.runtime import load_tensorflow
from features.untrusted_files import UnsafeFileError

_BATCH_NORM_EPSILON = 1e-3  # Keras's default, which InceptionV3 was trained with
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # as Linux names them in /proc/cpuinfo
_DOWN = (2, "VALID")  # stride and padding of a convolution that halves the map


class _Convolution(NamedTuple):
    """One convolution as Keras keeps it: no bias, batch normalisation without gamma."""

    kernel: Array  # (rows, columns, channels in, filters)
    beta: Array  # (filters,), like the two below
    mean: Array
    variance: Array


class InceptionV3Backbone(FixedBatch):
    """InceptionV3 (Szegedy et al. 2015, arXiv:1512.00567) as Keras has it, include_top=False.

    The network takes a fixed number of pictures, the last are filled up. Rows of one photograph in
    batches of different sizes or places agree within 1e-5 of the row's largest value in float32.

    Args:
        weights: a file that Keras wrote, .h5 or .weights.h5; None for untrained weights that
            depend on `seed` alone.
        seed: of untrained weights.
        scale: (factor, offset); the network sees `uint8 * factor + offset`.
        batch_size: photographs per call; memory grows with it, speed hardly from 8 on.
        precision: "float32"; "float16", which is stored so but computed in float32; "bfloat16",
            computed in bfloat16 where the processor has it: twice as fast, 2 to 3 digits.
        engine: one of `features.backbones.engines.ENGINES`.
        input_size: height and width of the pixels. Of others than its own, rows have the taps alone
            where there are any: a map of another size fits into no row.
        taps: names of `tap_widths`: intermediate layers whose means ("mixed4") or largest values
            ("mixed4-max") over positions, computed in the same pass, stand behind the map.

    Raises:
        EngineError: unknown engine, or its library is not installed.
        WeightsError: the file cannot be read or holds other weights.
        PrecisionError: the processor has no bfloat16 instructions.
    """

    name: ClassVar[str] = "inception_v3"
    input_size: ClassVar[tuple[int, int]] = (224, 224)
    large_size: ClassVar[tuple[int, int]] = (299, 299)
    map_shape: ClassVar[tuple[int, int, int]] = (5, 5, 2048)
    map_width: ClassVar[int] = 51_200
    weight_bytes: ClassVar[int] = 87_200_000
    close_look: ClassVar[str] = (
        "full+large+crops:mixed5-max+mixed7-max+mixed8+mixed8-max+mixed9-max"
    )
    tap_widths: ClassVar[Mapping[str, int]] = {
        tap: width
        for number, width in enumerate((256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048))
        for tap in (f"mixed{number}", f"mixed{number}-max")
    }

    def __init__(
        self,
        weights: Path | None,
        *,
        seed: int = 0,
        scale: tuple[float, float],
        batch_size: int = 32,
        precision: str = "float32",
        engine: str = TENSORFLOW,
        taps: Sequence[str] = (),
        input_size: tuple[int, int] = input_size,
    ) -> None:
        if precision == "bfloat16":
            _require_bfloat16()
        compile_network: Engine = load_engine(
            engine
        )  # before weights are read: it may not be there
        self._weights, self._seed = weights, seed
        convolutions = _random(seed) if weights is None else _load(weights)
        folded = list(_fold(convolutions, *scale))
        shape = (batch_size, *input_size, 3)
        with_map = not taps or input_size == self.input_size
        plan = Plan(architecture, folded, shape, precision, taps, with_map)
        super().__init__(compile_network(plan), shape)

    def keras_model(self) -> Any:  # noqa: ANN401 - Keras ships no types
        """Build Keras's InceptionV3 with these weights: scaled pixels in, (n, 5, 5, 2048) out."""
        if self._weights is not None:
            return _keras_model(self._weights)
        model = _keras_model(None)
        layers = {layer.name: layer for layer in model.layers if layer.weights}
        for values, pair in zip(_random(self._seed), _pairs(layers), strict=True):
            pair[0].set_weights([values.kernel])
            pair[1].set_weights([values.beta, values.mean, values.variance])
        return model


# ---- the architecture -------------------------------------------------------------------------


def architecture(ops: Any, x: Any) -> Any:  # noqa: ANN401 - whatever `ops` computes with
    """Lay out InceptionV3 up to mixed10, its convolutions in the order in which Keras creates them.

    Args:
        ops: `conv(x, filters, rows, columns, stride, padding)` with batch normalisation and ReLU,
            `max_pool` (3×3, stride 2, no padding), `average_pool` (3×3, stride 1, padding that
            does not count) and `concat(name, parts)` along the channels, under the block's name.
        x: the scaled photographs, as `ops` represents them.
    """

    def chain(x: Any, *steps: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a library's objects, which have no types
        """Put convolutions (filters, rows, columns, stride, padding) one behind the other."""
        for filters, rows, columns, *rest in steps:
            x = ops.conv(x, filters, rows, columns, *(rest or (1, "SAME")))
        return x

    x = chain(x, (32, 3, 3, *_DOWN), (32, 3, 3, 1, "VALID"), (64, 3, 3))
    x = chain(ops.max_pool(x), (80, 1, 1), (192, 3, 3, 1, "VALID"))
    x = ops.max_pool(x)
    for number, pooled in enumerate((32, 64, 64)):
        x = ops.concat(f"mixed{number}", [
            chain(x, (64, 1, 1)),
            chain(x, (48, 1, 1), (64, 5, 5)),
            chain(x, (64, 1, 1), (96, 3, 3), (96, 3, 3)),
            chain(ops.average_pool(x), (pooled, 1, 1)),
        ])  # fmt: skip
    x = ops.concat("mixed3", [
        chain(x, (384, 3, 3, *_DOWN)),
        chain(x, (64, 1, 1), (96, 3, 3), (96, 3, 3, *_DOWN)),
        ops.max_pool(x),
    ])  # fmt: skip
    for number, n in enumerate((128, 160, 160, 192), start=4):
        x = ops.concat(f"mixed{number}", [
            chain(x, (192, 1, 1)),
            chain(x, (n, 1, 1), (n, 1, 7), (192, 7, 1)),
            chain(x, (n, 1, 1), (n, 7, 1), (n, 1, 7), (n, 7, 1), (192, 1, 7)),
            chain(ops.average_pool(x), (192, 1, 1)),
        ])  # fmt: skip
    x = ops.concat("mixed8", [
        chain(x, (192, 1, 1), (320, 3, 3, *_DOWN)),
        chain(x, (192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3, *_DOWN)),
        ops.max_pool(x),
    ])  # fmt: skip
    for name in ("mixed9", "mixed10"):
        parts = [chain(x, (320, 1, 1))]
        for stem in ([(384, 1, 1)], [(448, 1, 1), (384, 3, 3)]):
            forked = chain(x, *stem)
            parts += [chain(forked, (384, 1, 3)), chain(forked, (384, 3, 1))]
        x = ops.concat(name, [*parts, chain(ops.average_pool(x), (192, 1, 1))])
    return x


class _Shapes:
    """Walks the architecture with channel counts in place of tensors; collects kernel shapes."""

    def __init__(self) -> None:
        self.kernels: list[tuple[int, int, int, int]] = []
        architecture(self, 3)

    def conv(self, x: int, filters: int, rows: int, columns: int, *_: object) -> int:
        """Note the kernel's shape; give the channels that come out."""
        self.kernels.append((rows, columns, x, filters))
        return filters

    def max_pool(self, x: int) -> int:
        """Pass the channels on."""
        return x

    average_pool = max_pool

    def concat(self, _name: str, parts: list[int]) -> int:
        """Add up the channels."""
        return sum(parts)


def _fold(
    convolutions: list[_Convolution], factor: float, offset: float
) -> Iterator[tuple[Array, Array]]:
    """Fold batch normalisation and the scaling into the (kernel, bias) of each convolution."""
    for number, (kernel, beta, mean, variance) in enumerate(convolutions):
        gain = 1.0 / np.sqrt(variance.astype(np.float64) + _BATCH_NORM_EPSILON)
        bias = beta - mean * gain
        if number == 0:
            # Exact, because the first convolution pads nothing: every tap sees a pixel.
            bias += offset * gain * kernel.sum(axis=(0, 1, 2), dtype=np.float64)
            gain = gain * factor
        yield kernel * gain.astype(np.float32), bias.astype(np.float32)


# ---- the weights ------------------------------------------------------------------------------


def _random(seed: int) -> list[_Convolution]:
    """Draw untrained weights: He-normal (He et al. 2015), so that activations do not vanish."""
    generator = np.random.default_rng(seed)
    convolutions = []
    for shape in _Shapes().kernels:
        kernel = generator.standard_normal(shape, np.float32)
        kernel *= np.float32(np.sqrt(2.0 / np.prod(shape[:3])))
        beta = 0.1 * generator.standard_normal(shape[3], np.float32)
        zeros, ones = np.zeros(shape[3], np.float32), np.ones(shape[3], np.float32)
        convolutions.append(_Convolution(kernel, beta, zeros, ones))
    return convolutions


def _load(path: Path) -> list[_Convolution]:
    """Read a file's convolutions: plainly where it names its layers, else through Keras."""
    try:
        convolutions = _as_convolutions(read_layers(path))
    except UnsafeFileError as error:
        raise WeightsError(
            f"{path} is no weights file that Keras wrote ({error}); do not use it; "
            "name another file with --weights FILE"
        ) from error
    if convolutions is None:
        layers = {layer.name: layer.get_weights() for layer in _keras_model(path).layers}
        convolutions = _as_convolutions(layers)
        assert convolutions is not None
    return _checked(path, convolutions)


def _checked(path: Path, convolutions: list[_Convolution]) -> list[_Convolution]:
    """Raise WeightsError for weights that are no numbers, or no normalisation."""
    finite = all(np.isfinite(array).all() for values in convolutions for array in values)
    if not finite or min(float(values.variance.min()) for values in convolutions) < 0:
        raise WeightsError(
            f"{path} holds weights that are not finite, or negative variances; expected trained "
            "weights of InceptionV3; name another file with --weights FILE"
        )
    return convolutions


def _as_convolutions(layers: Mapping[str, list[Any]]) -> list[_Convolution] | None:
    """Give the arrays in the order of the architecture; None where they are not InceptionV3's."""
    pairs = _pairs({name: arrays for name, arrays in layers.items() if arrays})
    found = [[*kernels, *statistics] for kernels, statistics in pairs]
    wanted = [[shape, *[shape[3:]] * 3] for shape in _Shapes().kernels]
    if [[np.shape(array) for array in arrays] for arrays in found] != wanted:
        return None
    return [_Convolution(*(np.asarray(array, np.float32) for array in arrays)) for arrays in found]


def _pairs(layers: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Pair (convolution, batch normalisation) in the order in which Keras created them.

    Keras numbers the names of a class's layers as they are created: conv2d, conv2d_1, … The
    order inside a file or of `model.layers` is another one (by depth).
    """

    def numbered(kind: str) -> list[Any]:
        """Sort Keras's layers of a kind by their number: conv2d, conv2d_1, …, conv2d_10."""
        names = [name for name in layers if name.rstrip("0123456789").rstrip("_") == kind]
        return [layers[name] for name in sorted(names, key=lambda name: (len(name), name))]

    return list(zip(numbered("conv2d"), numbered("batch_normalization"), strict=False))


def _keras_model(path: Path | None) -> Any:  # noqa: ANN401 - a library's objects, which have no types
    """Build Keras's InceptionV3 with the weights in `path`, or with what Keras starts with."""
    load_tensorflow()
    import keras

    shape = (*InceptionV3Backbone.input_size, 3)
    model = keras.applications.InceptionV3(weights=None, include_top=False, input_shape=shape)
    if path is None:
        return model
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras: dozens of lines before the error that counts
            model.load_weights(path)
    except Exception as error:
        raise WeightsError(
            f"{path} holds no weights of InceptionV3 without its top "
            f"({' '.join(str(error).split())[:160]}); expected an .h5 or .weights.h5 that Keras "
            "wrote for include_top=False; name another file with --weights FILE"
        ) from error
    return model


def _require_bfloat16() -> None:
    """Raise PrecisionError unless Linux lists bfloat16 instructions among the processor's flags.

    Other systems have no such list; TensorFlow itself would compute bfloat16 on any processor,
    slower than float32.
    """
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        flags = set()
    if not flags & _BFLOAT16_FLAGS:
        found = "this processor has none" if flags else "this system does not say what it has"
        raise PrecisionError(
            f"--precision bfloat16 needs a processor with avx512_bf16 or amx_bf16, {found}; "
            "use --precision float32, or float16 for a cache of half the size"
        )
