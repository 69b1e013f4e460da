"""features.cache.thumbnails: what is kept of a photograph beside its row, and caches without it."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from toy import ToyBackbone, photograph, toy_settings, write_folder

from features.cache.cache import Cache
from features.cache.thumbnail_table import thumbnails_of
from features.cache.thumbnails import MISSING, NO_TIME, SIDE, thumbnail_of
from features.extract import extract
from features.photographs.decode import capture_time, decode
from features.photographs.file import Photograph
from features.photographs.recipe import RECIPES


def with_time(text: str, fraction: str = "", kind: str = "JPEG") -> bytes:
    """Give a photograph whose EXIF says when it was taken."""
    image = Image.new("RGB", (40, 30), "grey")
    exif = Image.Exif()
    exif[0x010F] = "a camera"  # Pillow writes no EXIF without a field of the first directory
    camera = exif.get_ifd(0x8769)
    camera[0x9003] = text
    if fraction:
        camera[0x9291] = fraction
    image.save(out := io.BytesIO(), kind, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_capture_time_is_the_cameras(kind: str) -> None:
    """Milliseconds since 1970 by the camera's clock, from each format that Pillow writes it to."""
    assert capture_time(with_time("1970:01:02 00:00:01", "25", kind)) == 86_401_250


@pytest.mark.parametrize(
    "data",
    [photograph(1), with_time("0000:00:00 00:00:00"), with_time("yesterday"), b"", b"\xff\xd8\xff"],
    ids=["no EXIF", "camera's clock not set", "no time", "empty", "cut off"],
)
def test_no_capture_time_is_no_error(data: bytes) -> None:
    """Files that do not say, or lie, have none."""
    assert capture_time(data) == NO_TIME


def test_the_small_picture_is_the_mean_of_blocks() -> None:
    """Each of its pixels is the mean grey of a block, in place."""
    pixels = np.zeros((448, 448, 3), dtype=np.uint8)
    pixels[:7, 7:14] = (30, 60, 90)
    thumbnail = thumbnail_of(pixels, NO_TIME)
    assert thumbnail.grey.shape == (SIDE, SIDE)
    assert thumbnail.grey[0, 1] == 60
    assert thumbnail.grey.sum() == 60


def test_the_small_picture_is_of_means_to_the_bit() -> None:
    """Its greys are of NumPy's own means, as in caches of earlier versions."""
    pixels = np.random.default_rng(0).integers(0, 256, (3 * SIDE, 2 * SIDE, 3), dtype=np.uint8)
    grey = pixels.mean(axis=2, dtype=np.float32)
    tall = np.add.reduceat(grey, np.arange(0, 3 * SIDE, 3), axis=0) / np.int64(3)
    expected = np.round(np.add.reduceat(tall, np.arange(0, 2 * SIDE, 2), axis=1) / np.int64(2))
    assert np.array_equal(thumbnail_of(pixels, NO_TIME).grey, expected)


def missing(cache: Cache) -> set[int]:
    return set(np.flatnonzero(~thumbnails_of(cache).known).tolist())


def run_extract(root: Path, cache: Path) -> None:
    files = sorted(root.rglob("*.png"))
    found = [Photograph(f, f.relative_to(root).as_posix(), f.parent.name) for f in files]
    extract(found, toy_settings(), cache, note={"root": str(root)})


def test_extract_keeps_thumbnails(tmp_path: Path) -> None:
    """Every row has its photograph's small picture and time, readable with plain h5py."""
    root = write_folder(tmp_path / "data", {"a": 5})
    (root / "a/copy.png").write_bytes((root / "a/part-000_view-0.png").read_bytes())
    run_extract(root, tmp_path / "c.h5")
    with Cache.read(tmp_path / "c.h5") as cache:
        assert missing(cache) == set()
        table_row = cache.table_rows[3]
        found = thumbnails_of(cache, [table_row.row])
    pixels = decode((root / table_row.path).read_bytes(), RECIPES["imagenet"])
    assert np.array_equal(found.grey[0], thumbnail_of(pixels, NO_TIME).grey)
    with h5py.File(tmp_path / "c.h5") as file:
        assert file["glimpse_grey"].shape == (5, SIDE, SIDE)
        assert file["glimpse_taken"][:].tolist() == [NO_TIME] * 5


def test_a_cache_without_thumbnails_gets_them_once(
    tmp_path: Path, toy: type[ToyBackbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache of an earlier version opens; extract adds what is missing, without the backbone."""
    root, path = write_folder(tmp_path / "data", {"a": 6}), tmp_path / "c.h5"
    monkeypatch.setattr(
        "features.cache.sample_table._TICK_NS", 0
    )  # unchanged files count as such at once
    run_extract(root, path)
    with Cache.read(path) as cache:
        before = thumbnails_of(cache, range(6))
    with h5py.File(path, "r+") as file:
        del file["glimpse_grey"], file["glimpse_taken"]
    with Cache.read(path) as cache:
        assert missing(cache) == set(range(6))
        assert (thumbnails_of(cache, [2]).capture_time == MISSING).all()
    toy.reset()
    time.sleep(0.01)
    run_extract(root, path)
    assert toy.calls == 0
    with Cache.read(path) as cache:
        assert np.array_equal(thumbnails_of(cache, range(6)).grey, before.grey)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("looked at again")

    monkeypatch.setattr(sys.modules["features.extract"], "look_apart", refuse)
    run_extract(root, path)


def test_rows_that_another_version_appended_have_none(tmp_path: Path) -> None:
    """An earlier version adds rows only; theirs are missing, all others stay."""
    root, path = write_folder(tmp_path / "data", {"a": 4}), tmp_path / "c.h5"
    run_extract(root, path)
    with Cache.write(path, toy_settings().fields, 48, "float32") as cache:
        cache.append(["f" * 64], np.zeros((1, 48), np.float32))
        cache.commit()
    with Cache.read(path) as cache:
        assert missing(cache) == {4}
        assert thumbnails_of(cache, [0, 4]).known.tolist() == [True, False]
