"""Thumbnails in the cache's layout: through gc, merge, repair, damage and the decoder's process."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from caches import FIELDS, WIDTH, digest, fill, fill_as_version_1, holds, row, table_row
from PIL import Image
from toy import ToyBackbone, toy_settings, write_folder

from features.arrays import Row
from features.cache.cache import Cache
from features.cache.maintenance import collect, merge, verify
from features.cache.repair import repair
from features.cache.thumbnail_table import keep_thumbnails, thumbnails_of
from features.cache.thumbnails import MISSING, NO_TIME, SIDE, Thumbnail, Thumbnails, thumbnail_of
from features.extract import extract
from features.photographs.decode import capture_time
from features.photographs.decode_worker_pool import look_apart
from features.photographs.recipe import RECIPES
from pipeline.data.folder import scan_folder


def thumbnail(number: int) -> Thumbnail:
    grey = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    return Thumbnail(grey, 1_000 + number)


def fill_thumbnails(path: Path, numbers: range) -> None:
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        values = np.stack([row(n) for n in numbers])
        thumbnails = [thumbnail(n) for n in numbers]
        cache.append([digest(n) for n in numbers], values, thumbnails=thumbnails)
        cache.commit()


def read(path: Path) -> Thumbnails:
    with Cache.read(path) as cache:
        return thumbnails_of(cache)


def agrees(found: Thumbnails, numbers: list[int | None]) -> bool:
    """Whether these are the thumbnails of these photographs; None: blank."""
    for at, number in enumerate(numbers):
        wanted = Thumbnails.blank(1) if number is None else Thumbnails.of([thumbnail(number)])
        if found.capture_time[at] != wanted.capture_time[0] or not np.array_equal(
            found.grey[at], wanted.grey[0]
        ):
            return False
    return len(found.capture_time) == len(numbers)


def dated(stamp: str) -> bytes:
    """Give a JPEG whose camera noted `stamp`."""
    picture, exif = Image.new("RGB", (40, 30), (200, 100, 0)), Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = stamp
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif)
    return out.getvalue()


def lengths(path: Path) -> set[int]:
    with h5py.File(path) as h5:
        return {len(h5[name]) for name in h5 if name not in ("samples", "probe")}


def test_every_append_keeps_all_columns_equally_long(tmp_path: Path) -> None:
    """Rows without a thumbnail, as the drift probe's, are blank; others keep theirs."""
    path = tmp_path / "c.h5"
    fill_thumbnails(path, range(3))
    fill(path, range(3, 5))
    fill_thumbnails(path, range(5, 7))
    assert lengths(path) == {7}
    assert agrees(read(path), [0, 1, 2, None, None, 5, 6])
    assert holds(path, range(7))
    assert verify(path, full=True).sound


def test_gc_merge_and_repair_take_thumbnails_along(tmp_path: Path) -> None:
    """Each new file has those of the rows that it has."""
    one, two, out = (tmp_path / name for name in ("one.h5", "two.h5", "out.h5"))
    fill_thumbnails(one, range(4))
    fill(two, range(3, 6))
    merge(one, two, out)
    assert agrees(read(out), [0, 1, 2, 3, None, None])
    with Cache.write(one, FIELDS, WIDTH, "float32") as cache:
        cache.replace_table([table_row("A/1.png", 1, 1), table_row("A/3.png", 3, 3)], {"root": "r"})
        cache.commit()
    collect(one, apply=True)
    assert agrees(read(one), [1, 3])
    data = bytearray(one.read_bytes())
    data[data.index(row(1).tobytes()) + 2] ^= 1
    one.write_bytes(data)
    assert repair(one).dropped == [0]
    assert agrees(read(one), [3])


def test_damaged_thumbnails_cost_no_row(tmp_path: Path) -> None:
    """Reading them says so, opening does not; repair blanks their chunk and keeps the others."""
    path = tmp_path / "c.h5"
    fill_thumbnails(path, range(40))
    data = bytearray(path.read_bytes())
    data[data.index(thumbnail(20).grey.tobytes()) + 5] ^= 1
    path.write_bytes(data)
    assert holds(path, range(40))
    assert not verify(path, full=True).sound
    done = repair(path)
    assert (done.rows, done.dropped, len(done.lost)) == (40, [], 1)
    assert agrees(read(path), [n if n // 16 != 1 else None for n in range(40)])
    assert verify(path, full=True).sound


def test_caches_of_earlier_versions_have_none_until_they_are_filled_in(tmp_path: Path) -> None:
    """They read as blank; the first that are kept make the columns, whole, and the file is safe."""
    path = tmp_path / "old.h5"
    fill_as_version_1(path, 30)
    blank: list[int | None] = [None] * 30
    assert agrees(read(path), blank)
    out = tmp_path / "new.h5"
    fill(out, range(30))
    with h5py.File(out, "r+") as h5:
        del h5["glimpse_grey"], h5["glimpse_taken"]
    assert agrees(read(out), blank)
    with Cache.write(out, FIELDS, WIDTH, "float32") as cache:
        keep_thumbnails(cache, {7: thumbnail(7), 8: thumbnail(8), 29: thumbnail(29)})
        cache.commit()
    assert agrees(read(out), [n if n in (7, 8, 29) else None for n in range(30)])
    assert lengths(out) == {30}


def test_smaller_pictures_of_earlier_versions_are_shown_twice_as_large(tmp_path: Path) -> None:
    """They serve as they are; with the first that is kept, all are written in today's size."""
    path, side = tmp_path / "c.h5", SIDE // 2
    fill(path, range(20))
    small = np.random.default_rng(5).integers(0, 256, (20, side, side), dtype=np.uint8)
    with h5py.File(path, "r+") as h5:
        del h5["glimpse_grey"], h5["glimpse_taken"]
        shape, chunks = (None, side, side), (16, side, side)
        h5.create_dataset("glimpse_grey", data=small, maxshape=shape, chunks=chunks)
        times = np.arange(20, dtype=np.int64)
        h5.create_dataset("glimpse_taken", data=times, maxshape=(None,), chunks=(16,))
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    assert np.array_equal(read(path).grey, large)
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        keep_thumbnails(cache, {7: thumbnail(7)})
        cache.commit()
    found = read(path)
    assert np.array_equal(found.grey[7], thumbnail(7).grey)
    assert np.array_equal(np.delete(found.grey, 7, axis=0), np.delete(large, 7, axis=0))
    assert found.capture_time.tolist() == [n if n != 7 else 1_007 for n in range(20)]
    assert verify(path, full=True).sound


def test_extract_keeps_a_thumbnail_of_every_photograph(tmp_path: Path) -> None:
    """Where they are missing, they are made without the backbone."""
    write_folder(tmp_path / "data", {"A": 3, "B": 2})
    (tmp_path / "data" / "A" / "dated.jpg").write_bytes(dated("2024:05:06 07:08:09"))
    path, photographs = tmp_path / "c.h5", scan_folder(tmp_path / "data").photographs

    def watch(_: Row, __: Row | None) -> None: ...

    extract(photographs, toy_settings(), path, note={"root": "r"}, watch=watch)
    first = read(path)
    assert first.known.sum() == 6
    assert (first.capture_time == MISSING).sum() == 0
    assert (first.capture_time == NO_TIME).sum() == 5
    assert 1_714_979_289_000 in first.capture_time.tolist()
    with h5py.File(path, "r+") as h5:
        del h5["glimpse_grey"], h5["glimpse_taken"]
    ToyBackbone.reset()
    done = extract(photographs, toy_settings(), path, note={"root": "r"}, watch=watch)
    assert (done.extracted, done.reused, ToyBackbone.loads) == (0, 6, 0)
    again = read(path)
    assert np.array_equal(first.capture_time, again.capture_time)
    assert np.array_equal(first.grey, again.grey)


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2024:05:06 07:08:09", 1_714_979_289_000),
        ("1969:12:31 23:59:59", NO_TIME),
        ("0000:00:00 00:00:00", NO_TIME),
        ("yesterday", NO_TIME),
    ],
)
def test_the_camera_says_when(stamp: str, expected: int) -> None:
    """In this process and through the decoder's; what is no time, or before 1970, is none."""
    assert capture_time(dated(stamp)) == expected
    assert look_apart(dated(stamp), RECIPES["imagenet"]).capture_time == expected


def test_a_thumbnail_is_the_mean_grey_of_each_cell() -> None:
    """Also of a photograph with fewer pixels than cells."""
    rows = (np.arange(448) // 2).astype(np.uint8)
    pixels = np.repeat(rows[:, None, None], 3, axis=2).repeat(448, axis=1)
    found = thumbnail_of(pixels, 5)
    assert found.capture_time == 5
    means = rows.reshape(SIDE, 7).mean(axis=1)
    assert np.array_equal(found.grey[:, 0], np.round(means))
    assert (thumbnail_of(np.full((8, 8, 3), 9, np.uint8), 0).grey == 9).all()
