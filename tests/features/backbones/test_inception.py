"""The compiled InceptionV3 computes what Keras's own model computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from features.backbones import inception_v3 as inception
from features.backbones.inception_v3 import InceptionV3Backbone
from features.errors import PrecisionError, WeightsError
from features.photographs.recipe import RECIPES

SCALE = RECIPES["imagenet"].scale
BATCH = 4
TOLERANCE = 1e-4  # of the largest value of the row

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]


def difference(rows: Rows, expected: Rows) -> float:
    """Give the largest absolute difference in a row as a part of its largest value, worst row."""
    largest = np.abs(expected).max(axis=1)
    assert largest.min() > 0, "rows of nothing but zeros would agree with anything"
    return float((np.abs(rows - expected).max(axis=1) / largest).max())


def keras_rows(model: Any, pixels: Pixels, scale: tuple[float, float] = SCALE) -> Rows:
    """Say what Keras makes of the same pixels."""
    factor, offset = scale
    scaled = pixels.astype(np.float32) * np.float32(factor) + np.float32(offset)
    rows: Rows = model.predict(scaled, batch_size=BATCH, verbose=0)
    return rows.reshape(len(pixels), -1)


def cosines(rows: Rows, expected: Rows) -> npt.NDArray[np.float32]:
    """Cosine of each pair of rows."""
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(expected, axis=1)
    result: npt.NDArray[np.float32] = (rows * expected).sum(axis=1) / lengths
    return result


@pytest.fixture(scope="module")
def backbone() -> InceptionV3Backbone:
    return InceptionV3Backbone(None, scale=SCALE, batch_size=BATCH)


@pytest.fixture(scope="module")
def model(backbone: InceptionV3Backbone) -> Any:
    return backbone.keras_model()


@pytest.fixture(scope="module")
def trained_model(model: Any) -> Any:
    """Keras's model with batch normalisation that does something, unlike untrained weights."""
    import keras

    copy = keras.applications.InceptionV3(
        weights=None, include_top=False, input_shape=(224, 224, 3)
    )
    generator = np.random.default_rng(7)
    copy.set_weights(model.get_weights())
    for layer in copy.layers:
        if type(layer).__name__ == "BatchNormalization":
            beta = layer.get_weights()[0]
            mean = generator.normal(0.0, 0.2, beta.shape)
            layer.set_weights([beta, mean, generator.uniform(0.5, 1.5, beta.shape)])
    return copy


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 256, (BATCH + 1, 14, 14, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


@pytest.fixture(scope="module")
def rows(backbone: InceptionV3Backbone, pixels: Pixels) -> Rows:
    return backbone.run(pixels[:BATCH])


def test_rows_are_kerass(model: Any, rows: Rows, pixels: Pixels) -> None:
    """Rows are those of Keras's model on the scaled pixels, within 1e-4 of the largest value."""
    assert rows.shape == (BATCH, InceptionV3Backbone.map_width)
    assert rows.dtype == np.float32
    assert np.prod(InceptionV3Backbone.map_shape) == InceptionV3Backbone.map_width
    assert difference(rows, keras_rows(model, pixels[:BATCH])) < TOLERANCE
    assert cosines(rows[:1], rows[1:2])[0] < 0.999, "photographs must differ in their rows"


def test_rows_do_not_depend_on_the_batch(
    backbone: InceptionV3Backbone, rows: Rows, pixels: Pixels
) -> None:
    """A photograph's row is the same, within 1e-5, alone, or elsewhere in a batch."""
    assert difference(backbone.run(pixels[1:2]), rows[1:2]) < 1e-5
    assert difference(backbone.run(pixels[1:]), np.roll(rows, -1, axis=0)[:BATCH]) > 1e-3
    assert difference(backbone.run(pixels[1:])[:3], rows[1:]) < 1e-5
    assert backbone.run(pixels[:0]).shape == (0, InceptionV3Backbone.map_width)


def test_rows_do_not_depend_on_the_batch_size(rows: Rows, pixels: Pixels) -> None:
    """A backbone compiled for one photograph makes the same row within 1e-5."""
    alone = InceptionV3Backbone(None, scale=SCALE, batch_size=1)
    assert difference(alone.run(pixels[:1]), rows[:1]) < 1e-5


def test_taps_are_means_and_peaks_of_kerass_blocks(model: Any, rows: Rows, pixels: Pixels) -> None:
    """Behind the same map, in the order asked for, stand the named blocks over all positions."""
    import keras

    taps = tuple(InceptionV3Backbone.tap_widths)
    backbone = InceptionV3Backbone(None, scale=SCALE, batch_size=BATCH, taps=taps)
    found = backbone.run(pixels[:BATCH])
    assert difference(found[:, : rows.shape[1]], rows) < 1e-6
    names = [tap.removesuffix("-max") for tap in taps]
    blocks = keras.Model(model.input, [model.get_layer(name).output for name in names])
    scaled = pixels[:BATCH].astype(np.float32) * np.float32(SCALE[0]) + np.float32(SCALE[1])
    maps = blocks.predict(scaled, batch_size=BATCH, verbose=0)
    start = rows.shape[1]
    for tap, block in zip(taps, maps, strict=True):
        width = InceptionV3Backbone.tap_widths[tap]
        assert block.shape[-1] == width
        expected = block.max(axis=(1, 2)) if tap.endswith("-max") else block.mean(axis=(1, 2))
        assert difference(found[:, start : start + width], expected) < TOLERANCE, tap
        start += width
    assert found.shape[1] == start


def test_a_batch_that_is_too_large_is_refused(
    backbone: InceptionV3Backbone, pixels: Pixels
) -> None:
    """More photographs than the batch size raise ValueError; none is dropped silently."""
    with pytest.raises(ValueError, match="5 pictures; expected up to 4"):
        backbone.run(pixels)


def test_seed_decides_untrained_weights(rows: Rows, pixels: Pixels) -> None:
    """The same seed gives the same rows to the bit, another seed gives other rows."""
    same = InceptionV3Backbone(None, seed=0, scale=SCALE, batch_size=BATCH)
    other = InceptionV3Backbone(None, seed=1, scale=SCALE, batch_size=BATCH)
    assert np.array_equal(same.run(pixels[:BATCH]), rows)
    assert difference(other.run(pixels[:BATCH]), rows) > 0.1


def write_legacy(model: Any, path: Path) -> None:
    """Weights alone in the layout of Keras 2 and of Keras's own download: names are bytes."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([layer.name.encode() for layer in model.layers])
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0".encode() for weight in layer.weights]
            group.attrs["weight_names"] = np.array(names, dtype="S" if names else "S1")
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name.decode()] = value


@pytest.mark.parametrize(
    "name", ["plain.weights.h5", "whole_model.h5", "legacy.h5", "unnamed.weights.h5"]
)
def test_files_that_keras_wrote(
    trained_model: Any, pixels: Pixels, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layout that Keras writes gives the rows of the model that it was written from.

    The scaling is folded into the first convolution: the recipe `docs` stands for any scale.
    """
    path = tmp_path / name
    if name.endswith(".weights.h5"):
        trained_model.save_weights(path)
    elif name == "legacy.h5":
        write_legacy(trained_model, path)
    else:
        trained_model.save(path)
    if name.startswith("unnamed"):  # as Keras wrote them before it kept the layers' names
        monkeypatch.setattr(inception, "read_layers", lambda path: {})
    scale = RECIPES["docs"].scale
    rows = InceptionV3Backbone(path, scale=scale, batch_size=BATCH).run(pixels[:BATCH])
    assert difference(rows, keras_rows(trained_model, pixels[:BATCH], scale)) < TOLERANCE


@pytest.mark.parametrize("kind", ["foreign", "truncated", "another model"])
def test_a_file_that_does_not_fit_is_refused(model: Any, tmp_path: Path, kind: str) -> None:
    """Anything but weights of InceptionV3 raises WeightsError: one line, found and expected."""
    import keras

    path = tmp_path / "file.weights.h5"
    if kind == "foreign":
        path.write_bytes(b"these are no weights")
    elif kind == "truncated":
        model.save_weights(path)
        with path.open("rb+") as file:
            file.truncate(path.stat().st_size // 2)
    else:
        layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)]
        keras.Sequential(layers).save_weights(path)
    with pytest.raises(WeightsError) as caught:
        InceptionV3Backbone(path, scale=SCALE)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert "include_top=False" in message
    assert "--weights" in message


def test_weights_that_are_not_finite_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One NaN among the weights would make every row NaN: it raises WeightsError instead."""
    values = inception._random(0)
    values[40].beta[3] = np.nan
    layers: dict[str, list[Any]] = {}
    for number, (kernel, *statistics) in enumerate(values):
        layers |= {f"conv2d_{number}": [kernel], f"batch_normalization_{number}": statistics}
    monkeypatch.setattr(inception, "read_layers", lambda path: layers)
    with pytest.raises(WeightsError, match="not finite"):
        InceptionV3Backbone(tmp_path / "nan.h5", scale=SCALE)


def test_float16_computes_in_float32(rows: Rows, pixels: Pixels) -> None:
    """`float16` is how rows are stored: they are computed exactly as in float32."""
    backbone = InceptionV3Backbone(None, scale=SCALE, batch_size=BATCH, precision="float16")
    assert np.array_equal(backbone.run(pixels[:BATCH]), rows)


def test_bfloat16_is_close_or_refused(rows: Rows, pixels: Pixels) -> None:
    """bfloat16 rows are float32, other than float32's, at a cosine above 0.999 to them."""
    try:
        backbone = InceptionV3Backbone(None, scale=SCALE, batch_size=BATCH, precision="bfloat16")
    except PrecisionError as error:
        pytest.skip(str(error))
    coarse = backbone.run(pixels[:BATCH])
    assert coarse.dtype == np.float32
    assert not np.array_equal(coarse, rows)
    assert cosines(coarse, rows).min() > 0.999


@pytest.mark.parametrize(
    ("flags", "message"),
    [("flags : sse avx512f", "this processor has none"), (None, "does not say")],
)
def test_bfloat16_without_the_instructions(
    monkeypatch: pytest.MonkeyPatch, flags: str | None, message: str
) -> None:
    """Where the processor has no bfloat16, or nothing says so, it is refused before any work."""

    def read_text(path: Path, **_: str) -> str:
        if flags is None:
            raise FileNotFoundError(path)
        return flags

    monkeypatch.setattr(Path, "read_text", read_text)
    with pytest.raises(PrecisionError, match=message):
        InceptionV3Backbone(None, scale=SCALE, precision="bfloat16")
