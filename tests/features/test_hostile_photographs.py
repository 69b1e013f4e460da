"""Hostile photographs: each is a row or has a reason, in bounded time and memory."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import encode, pool, ramp
from PIL import Image
from toy import photograph, toy_settings

from features.errors import ImageError
from features.extract import extract
from features.extract_outcome import RunOptions
from features.photographs import colour
from features.photographs import decode as images
from features.photographs import decode_worker_pool as decoder
from features.photographs import png as png_reader
from features.photographs.decode import decode
from features.photographs.file import Photograph, read_photograph
from features.photographs.file_header import MAX_PASSES, read_declared
from features.photographs.recipe import RECIPES
from torture.bombs import chunk, jpeg_of_scans, png, tiff
from torture.corpus import corpus, draw_seeds
from torture.photographs import decoding, extracting

IMAGENET = RECIPES["imagenet"]
COUNT = 200


def test_two_hundred_hostile_files_are_rows_or_reasons() -> None:
    """Cut, flipped, spliced, inflated, foreign: nothing escapes but a row or one line of reason."""
    found = decoding(COUNT)
    assert (found.tries, found.losses) == (COUNT, 0)
    assert 0 < found.faults < COUNT


def test_extract_of_hostile_files_accounts_for_every_one() -> None:
    """As many samples as files, each with a row or a reason, in a cache that opens."""
    found = extracting(80)
    assert (found.tries, found.losses) == (80, 0)


def test_the_corpus_is_the_same_for_the_same_seed() -> None:
    """What failed once can be made again; another seed makes other files."""
    first, again, other = (list(corpus(seed, 60)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len({mutant.kind for mutant in first}) > 25


def test_a_sound_file_declares_what_the_decoder_finds() -> None:
    """The header that is read first never refuses, nor mistakes, a photograph that is sound."""
    for suffix, data in draw_seeds(np.random.default_rng(3)):
        declared = read_declared(data)
        assert declared is not None, suffix
        with Image.open(io.BytesIO(data)) as image:
            assert {declared.width, declared.height} == set(image.size)
        assert decode(data, IMAGENET).shape == (224, 224, 3)


@pytest.mark.parametrize("kind", ["GIF", "PPM", "TGA", "ICO", "JPEG2000", "EPS", "PCX", "SGI"])
def test_other_formats_are_refused_before_they_are_parsed(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A format that is not on the list never reaches Pillow, whatever the file is called."""
    data = encode(ramp(64, 64), kind)
    monkeypatch.setattr(images.Image, "open", lambda *_a, **_k: pytest.fail("was parsed"))
    with pytest.raises(ImageError, match="not a photograph"):
        decode(data, IMAGENET)


def test_only_the_format_that_it_begins_like_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """One plug-in sees the file."""
    seen = []
    real = images.Image.open
    monkeypatch.setattr(
        images.Image, "open", lambda f, formats: (seen.append(formats), real(f, formats=formats))[1]
    )
    for kind in ("JPEG", "PNG", "BMP", "TIFF", "WEBP"):
        decode(encode(ramp(64, 64), kind), IMAGENET)
    assert list(dict.fromkeys(seen)) == [("JPEG",), ("PNG",), ("BMP",), ("TIFF",), ("WEBP",)]


def webp(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = (
        b"VP8X" + struct.pack("<IB3x", 10, 2) + sides + b"VP8 " + struct.pack("<I", 32) + bytes(32)
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def bmp(width: int, height: int) -> bytes:
    body = struct.pack("<IIIHHIIIIII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(99)
    return b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 54) + body


_SIZED = [(256, 4, 1, 30_000), (257, 4, 1, 30_000)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png(30_000, 30_000, bytes(9)), "900,000,000 pixels"),
        (png(2**31, 2**31, bytes(9)), "pixels, more than"),
        (bmp(30_000, 30_000), "900,000,000 pixels"),
        (bmp(30_000, 2**32 - 30_000), "900,000,000 pixels"),
        (webp(2**24, 2**24), "pixels, more than"),
        (tiff(_SIZED), "900,000,000 pixels"),
        (jpeg_of_scans(65_500, 65_500, 1), "4,290,250,000 pixels"),
        (png(1, 600_000, bytes(9)), "a side of 600,000 pixels"),
        (png(0, 9, bytes(9)), "no pixels"),
        (jpeg_of_scans(4000, 4000, 10_000), "10,000 passes"),
        (b"\xff\xd8" + b"\xff\xe1\0\2" * 20_000, "10,000 segments"),
        (tiff([(256, 4, 1, 9), (257, 4, 1, 9), (322, 4, 1, 2**20), (323, 4, 1, 2**20)]), "pixels"),
        (tiff([(256, 4, 1, 9), (257, 4, 1, 9), (273, 4, 2**30, 8)]), "strips or tiles"),
        (tiff([(256, 4, 1, 9), (257, 4, 1, 9), (700, 7, 2**31, 8)]), "claim more bytes"),
        (tiff([(256, 4, 1, 9), (256, 4, 1, 2**31), (257, 4, 1, 9)]), "pixels, more than"),
        (tiff([(270, 4, 1, 9)]), "does not say its size"),
        # A BigTIFF whose tags lie beyond what an offset can be: found by the fuzzer.
        (b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(64), "cut off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_claims_too_much_is_refused_before_it_is_opened(
    data: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixels, sides, passes, segments, tiles, tags: refused on the header, in no time."""
    monkeypatch.setattr(images.Image, "open", lambda *_a, **_k: pytest.fail("was opened"))
    started = time.thread_time()
    with pytest.raises(ImageError, match=reason):
        decode(data, IMAGENET)
    assert time.thread_time() - started < 1


def test_metadata_that_inflates_is_bounded() -> None:
    """Compressed comments of a gigabyte in a small file are left out, not unpacked."""
    text = b"c\0\0" + zlib.compress(bytes(10**6), 9)
    data = png(8, 8, bytes(72), *[chunk(b"zTXt", text)] * 1000)
    started = time.thread_time()
    assert decode(data, IMAGENET).max() == 0
    assert time.thread_time() - started < 5


def test_a_progressive_photograph_of_any_size_is_still_read() -> None:
    """The cap on passes is far from what cameras and programs write."""
    data = encode(ramp(600, 400), "JPEG", progressive=True)
    declared = read_declared(data)
    assert declared is not None
    assert 2 < declared.passes < MAX_PASSES


def test_transparency_in_strips_is_transparency(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversion in strips of rows gives the very pixels of conversion at once."""
    rng = np.random.default_rng(0)
    clear = Image.fromarray(rng.integers(0, 256, (700, 90, 4), dtype=np.uint8))
    deep = Image.fromarray(rng.integers(0, 65536, (700, 90), dtype=np.uint16))
    found = [decode(encode(image, "PNG"), IMAGENET) for image in (clear, deep)]
    monkeypatch.setattr(colour, "_STRIP", 10**6)
    monkeypatch.setattr(png_reader, "ROWS", 10**6)
    for image, pixels in zip((clear, deep), found, strict=True):
        assert np.array_equal(decode(encode(image, "PNG"), IMAGENET), pixels)


def test_a_file_larger_than_any_photograph_is_not_read(tmp_path: Path) -> None:
    """A sparse file of a terabyte, a pipe and a device are reasons, not reads."""
    sparse = tmp_path / "huge.jpg"
    with sparse.open("wb") as file:
        file.truncate(2**40)
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name, reason in (
        ("huge.jpg", "more than the"),
        ("pipe.jpg", "no regular file"),
        ("zero.jpg", "no regular file"),
        ("nul\0.jpg", "cannot be opened"),
    ):
        with pytest.raises(ImageError, match=reason):
            read_photograph(tmp_path / name)


def test_a_decoder_that_dies_costs_one_photograph_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`extract` goes on past a file that ends its decoder, and names it."""
    deadly = pool("if b'deadly' in data: os.abort()\n    return images.decode(data, recipe)")
    monkeypatch.setattr(decoder, "_POOL", deadly)
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(photograph(number))
    (tmp_path / "3.png").write_bytes(photograph(3) + b"deadly")
    files = [Photograph(tmp_path / f"{n}.png", f"{n}.png") for n in range(6)]
    done = extract(files, toy_settings(), tmp_path / "c.h5", RunOptions(max_failures=0.5))
    deadly.close()
    assert [s.path for s in done.failed] == ["3.png"]
    assert "crashed the decoder" in done.failed[0].reason
    assert done.extracted == 5
