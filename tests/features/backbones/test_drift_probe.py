"""The drift probe tells settings apart and accepts processors; blind weights are found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import ToyBackbone, photograph, toy_settings

from features.backbones import drift_probe, inception_v3
from features.backbones.drift_probe import (
    TOLERANCES,
    SightCheck,
    difference,
    is_coarse,
    moved,
    probe_pixels,
)
from features.backbones.engines import to_bfloat16
from features.backbones.inception_v3 import InceptionV3Backbone
from features.backbones.weights import Weights
from features.cache.cache import Cache
from features.errors import PrecisionError, WeightsError
from features.extract import extract
from features.extract_outcome import RunOptions
from features.photographs.file import Photograph
from features.photographs.recipe import RECIPES

SCALE = RECIPES["imagenet"].scale
Toy = type[ToyBackbone]


@pytest.fixture
def row() -> np.ndarray:
    """Like a row: half of it zeros, the rest spread over some sizes."""
    generator = np.random.default_rng(4)
    values = np.maximum(generator.standard_normal(51_200), 0) * generator.gamma(1.0, 1.0, 51_200)
    return values.astype(np.float32)


def test_rows_are_rounded_to_bfloat16_as_its_type_does() -> None:
    """To even, whatever the bits; the rows that are given stay as they are."""
    bits = np.random.default_rng(0).integers(0, 2**32, 10_000, np.uint32)
    rows = bits.view(np.float32)[np.isfinite(bits.view(np.float32))][::2]
    kept = rows.copy()
    expected = rows.astype(pytest.importorskip("ml_dtypes").bfloat16).astype(np.float32)
    np.testing.assert_array_equal(to_bfloat16(rows), expected)
    np.testing.assert_array_equal(rows, kept)


def test_precisions_are_told_apart_by_their_grid(row: np.ndarray) -> None:
    """float32 rows do not pass as bfloat16, however close they are; nor the other way round."""
    coarse = to_bfloat16(row)
    assert not is_coarse(row)
    assert is_coarse(coarse)
    assert is_coarse(coarse.astype(np.float16).astype(np.float32)), "as the cache keeps it"
    assert moved(coarse, coarse, "bfloat16") is None
    text = moved(row, coarse, "bfloat16")
    assert text is not None
    assert "float32" in text
    assert moved(coarse, row, "float32") is not None
    assert moved(row, row, "float32") is None


def test_other_rounding_is_accepted_and_other_weights_are_not(row: np.ndarray) -> None:
    """Noise of a processor's size passes; a row that is scaled, or another's, does not."""
    noise = np.random.default_rng(5).standard_normal(row.size).astype(np.float32) * row
    for precision in ("float32", "bfloat16"):
        within, beyond = (row + noise * np.float32(TOLERANCES[precision] * f) for f in (0.5, 2))
        if precision == "bfloat16":
            within, beyond = to_bfloat16(within), to_bfloat16(beyond)
        assert moved(within, row, precision) is None
        assert moved(beyond, row, precision) is not None
    assert moved(np.roll(row, 1), row, "float32") is not None
    assert moved(row[1:], row, "float32") == "rows have 51,199 values, and had 51,200"
    assert np.isnan(difference(row[1:], row))


def test_a_real_network_in_bfloat16(tmp_path: Path) -> None:
    """Its rows lie on bfloat16's grid; those in float32 of the same weights do not."""
    pixels = probe_pixels(224, 224)[None]
    try:
        coarse = InceptionV3Backbone(None, scale=SCALE, batch_size=1, precision="bfloat16")
    except PrecisionError as error:
        pytest.skip(str(error))
    fine = InceptionV3Backbone(None, scale=SCALE, batch_size=1).run(pixels)[0]
    assert is_coarse(coarse.run(pixels)[0])
    assert not is_coarse(fine)
    assert difference(coarse.run(pixels)[0], fine) > TOLERANCES["float32"]


_PLAY = """
import sys
import numpy as np
from features.backbones.drift_probe import probe_pixels
from features.backbones.efficientnet_lite import EfficientNetLite0Backbone as Lite
path, pixels = Lite.trained.find(), probe_pixels(224, 224)[None]
backbone = Lite(path, batch_size=1, engine=sys.argv[1], precision=sys.argv[2])
np.save(sys.argv[3], backbone.run(pixels)[0])
"""
ALL = "ONEPASS_ALL_BACKBONES"
ISAS = ("SSE41", "AVX2", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16")


@pytest.mark.skipif(ALL not in os.environ, reason=f"takes minutes; set {ALL}=1")
def test_all_instruction_sets_that_this_processor_can_play(tmp_path: Path) -> None:
    """Rows of one precision pass on each of them, in both engines; those of the other do not."""
    rows: dict[str, list[np.ndarray]] = {"float32": [], "bfloat16": []}
    for precision, found in rows.items():
        for engine in ("tensorflow", "openvino"):
            for isa in ISAS:
                file = tmp_path / f"{precision}-{engine}-{isa}.npy"
                played = subprocess.run(
                    [sys.executable, "-c", _PLAY, engine, precision, str(file)],
                    cwd=Path(__file__).resolve().parents[3],
                    env=os.environ | {"ONEDNN_MAX_CPU_ISA": isa},
                    capture_output=True,
                    check=False,
                )
                if played.returncode == 0:
                    found.append(np.load(file))
                else:  # bfloat16 without its instructions
                    assert precision == "bfloat16", played.stderr.decode()[-500:]
                    assert b"Error: " in played.stderr
    assert len(rows["float32"]) == 2 * len(ISAS)
    for precision, other in (("float32", "bfloat16"), ("bfloat16", "float32")):
        for row in rows[precision]:
            assert all(moved(row, one, precision) is None for one in rows[precision])
            assert all(moved(one, row, precision) is not None for one in rows[other])


# ---- weights that see nothing -----------------------------------------------------------------


def blind(value: float) -> Any:
    """Give a network that gives one row whatever it is shown."""

    def run(_self: ToyBackbone, pixels: np.ndarray) -> np.ndarray:
        return np.full((len(pixels), 48), value, np.float32) + np.arange(48, dtype=np.float32)

    return run


def write(folder: Path, contents: list[bytes]) -> list[Photograph]:
    files = [folder / f"{number}.png" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return [Photograph(file, file.name) for file in files]


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, np.inf, -np.inf])
def test_blind_networks_are_refused_after_the_first_batch(
    tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """One row for every photograph, or rows that are not finite, is an error; none is kept."""
    monkeypatch.setattr(toy, "run", blind(value))
    photographs = write(tmp_path, [photograph(number) for number in range(5)])
    with pytest.raises(WeightsError, match=r"the weights random \(untrained, seed 0\)") as caught:
        extract(photographs, toy_settings(), tmp_path / "f.h5", RunOptions(batch_size=2))
    assert "\n" not in str(caught.value)


def test_rows_that_only_tell_the_probe_apart_see_nothing(
    tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but a trace of a picture's spread is left, and the probe's is another."""

    def run(_self: ToyBackbone, pixels: np.ndarray) -> np.ndarray:
        spread = pixels.std(axis=(1, 2, 3), dtype=np.float64)[:, None] / 255
        return (np.arange(1.0, 49.0) + 0.1 * spread).astype(np.float32)

    monkeypatch.setattr(toy, "run", run)
    photographs = write(tmp_path, [photograph(number) for number in range(4)])
    with pytest.raises(WeightsError, match="sees nothing"):
        extract(
            photographs, toy_settings(), tmp_path / "f.h5", RunOptions(batch_size=5),
            watch=lambda _row, _known: None,
        )  # fmt: skip
    with Cache.read(tmp_path / "f.h5") as kept:
        assert len(kept) == 0


def test_one_photograph_is_enough_to_see_that_nothing_is_seen(
    tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held against the drift probe, which is computed beside it and not only remembered."""
    monkeypatch.setattr(toy, "run", blind(7.0))
    with pytest.raises(WeightsError, match="sees nothing"):
        extract(
            write(tmp_path, [photograph(0)]), toy_settings(), tmp_path / "f.h5", RunOptions(),
            watch=lambda _row, _known: None,
        )  # fmt: skip


def test_equal_photographs_are_no_error(tmp_path: Path, toy: Toy) -> None:
    """A folder of pictures that look alike, in files that differ, is computed like any other."""
    import io

    from PIL import Image

    contents = []
    for quality in range(1, 5):
        out = io.BytesIO()
        Image.new("RGB", (30, 30), "grey").save(
            out, "PNG", compress_level=quality, dpi=(quality,) * 2
        )
        contents.append(out.getvalue())
    assert len(set(contents)) == 4
    done = extract(
        write(tmp_path, contents), toy_settings(), tmp_path / "f.h5", RunOptions(batch_size=4)
    )
    assert done.extracted == 4


def test_values_that_float16_cannot_hold(tmp_path: Path) -> None:
    """A value beyond 65,504 is no row of a float16 cache."""
    rows = np.array([[7e4, 1], [1, 2]], np.float32)
    SightCheck("w", np.dtype(np.float32)).check(lambda _: rows, rows, [probe_pixels(8, 8)] * 2)
    with pytest.raises(WeightsError, match="too large for float16"):
        SightCheck("w", np.dtype(np.float16)).check(lambda _: rows, rows, [probe_pixels(8, 8)] * 2)


@pytest.mark.parametrize("damage", ["zeros", "denormal", "huge", "negative variance"])
def test_damaged_weights_of_the_real_network(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels of nothing, a value of 3e38 and negative variances do not become rows."""
    values = inception_v3._random(0)
    changed = {
        "zeros": lambda c: c._replace(kernel=c.kernel * 0),
        "denormal": lambda c: c._replace(kernel=np.full_like(c.kernel, 1e-42)),
        "huge": lambda c: c._replace(kernel=np.full_like(c.kernel, 3e38)),
        "negative variance": lambda c: c._replace(variance=c.variance - 2),
    }[damage]
    values[3] = changed(values[3])
    monkeypatch.setattr(inception_v3, "_load", lambda path: inception_v3._checked(path, values))
    pixels = np.stack([probe_pixels(224, 224), probe_pixels(224, 224)[::-1]])
    with pytest.raises(WeightsError):
        backbone = InceptionV3Backbone(Path("damaged.h5"), scale=SCALE, batch_size=2)
        rows = backbone.run(pixels)
        SightCheck("damaged.h5", np.dtype(np.float32)).check(backbone.run, rows, list(pixels))


def test_the_probe_is_the_same_everywhere() -> None:
    """Its digest is the key of rows in caches that exist."""
    assert drift_probe.probe_digest(224, 224) == (
        "1babb9431919959a65ef594146f12f43af33767854a76a3387719a259408b86f"
    )
    assert Weights("random", None, "random:0").describe() == "random (untrained, seed 0)"
