"""Facts of files: measured as they were made, and never an exception from a hostile file."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from toy import photograph

from features.errors import ImageError
from features.photographs.file import Photograph
from features.photographs.metadata import FileFacts, facts_of
from features.photographs.survey import read_facts


def encode(pixels: np.ndarray, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, kind, **options)
    return out.getvalue()


def plain(value: int, size: tuple[int, int] = (40, 60)) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def camera_fields() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Maker", "Model 7\x00", "Editor"
    exif[0x0132] = "2020:01:01 00:00:00"
    inner = {0x829A: 0.005, 0x829D: 2.8, 0x8827: 400, 0x920A: 35.0, 0x9209: 1}
    exif[0x8769] = inner | {0x9003: "2024:03:05 14:30:00"}
    return exif.tobytes()


def test_size_format_and_light_of_a_known_picture() -> None:
    """Brightness, contrast, clipped shares and the border are those that were drawn."""
    pixels = plain(100)
    pixels[:2] = pixels[-2:] = pixels[:, :2] = pixels[:, -2:] = (200, 50, 50)
    pixels[10:20, 10:30] = 255
    data = encode(pixels)
    facts = facts_of(data)
    assert (facts.width, facts.height, facts.format, facts.mode) == (60, 40, "PNG", "RGB")
    assert facts.bytes == len(data)
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=float)
    assert facts.brightness == pytest.approx(grey.mean())
    assert facts.contrast == pytest.approx(grey.std())
    assert facts.white == pytest.approx(200 / 2400)
    assert facts.black == 0
    assert facts.border_red == pytest.approx(150)
    assert facts.border_blue == pytest.approx(0)
    assert facts.border_brightness == pytest.approx(grey[0, 0])
    assert (facts.brightest, facts.darkest) == (255, grey[0, 0])
    assert not facts.has_exif


@pytest.mark.parametrize("quality", [30, 50, 75, 95])
def test_jpeg_quality_is_the_one_it_was_saved_with(quality: int) -> None:
    """The IJG scale is recovered from the tables; other tables have another digest."""
    facts = facts_of(encode(plain(90), "JPEG", quality=quality))
    assert facts.jpeg_quality == pytest.approx(quality, abs=1)
    assert facts.jpeg_tables != facts_of(encode(plain(90), "JPEG", quality=60)).jpeg_tables
    assert math.isnan(facts_of(encode(plain(90))).jpeg_quality)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_is_read_from_every_format(kind: str) -> None:
    """Camera, exposure and time of capture; the time taken goes before the time changed."""
    facts = facts_of(encode(plain(90), kind, exif=camera_fields()))
    assert (facts.camera, facts.software, facts.flash) == ("Maker Model 7", "Editor", "fired")
    assert facts.exposure == pytest.approx(0.005)
    assert (facts.aperture, facts.iso, facts.focal_length) == (pytest.approx(2.8), 400, 35)
    assert facts.captured == 1709649000
    assert facts.has_exif


def test_sharpness_falls_with_blur_and_not_with_exposure() -> None:
    """A blurred copy has far less fine detail; a darker one has about as much."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(60, 200, (120, 120, 3), dtype=np.uint8))
    sharp = facts_of(encode(np.asarray(noise))).sharpness
    darker = facts_of(encode(np.asarray(noise) // 2)).sharpness
    blurred = noise.resize((20, 20)).resize((120, 120), Image.Resampling.BICUBIC)
    assert darker == pytest.approx(sharp, rel=0.1)
    assert facts_of(encode(np.asarray(blurred))).sharpness < sharp / 20


def test_absurd_exif_is_left_out() -> None:
    """Values that no camera writes become unknown; the photograph itself is read."""
    exif = Image.Exif()
    exif[0x010F] = "x\x1b[31m" * 500
    exif[0x0132] = "yesterday"
    exif[0x8769] = {0x829A: 0.0, 0x8827: 0}
    facts = facts_of(encode(plain(90), "JPEG", exif=exif))
    assert len(facts.camera) <= 60
    assert facts.camera.isprintable()
    assert all(map(math.isnan, (facts.exposure, facts.iso, facts.captured)))


def test_hostile_and_missing_files_have_a_reason(tmp_path: Path) -> None:
    """In order, on threads, nothing raised: empty, cut off, text, gone, a folder, a pipe."""
    (tmp_path / "good.png").write_bytes(photograph(1))
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.jpg").write_bytes(photograph(1, kind="JPEG", size=(200, 200))[:2000])
    (tmp_path / "text.jpg").write_text("no photograph")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    names = ["good.png", "empty.png", "cut.jpg", "text.jpg", "gone.jpg", "folder.jpg", "pipe.jpg"]
    seen = []
    found = read_facts(
        [Photograph(tmp_path / name, name) for name in [*names, "nul\0.jpg"]],
        workers=3,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [bool(facts.reason) for facts in found] == [False] + [True] * 7
    assert "empty" in found[1].reason
    assert "cut off" in found[2].reason
    assert found[4] == FileFacts(reason="it cannot be opened (No such file or directory)")
    assert seen[-1] == (8, 8)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_damaged_bytes_give_facts_or_a_reason(data: st.DataObject) -> None:
    """Whatever bytes are changed or cut, there are facts or an ImageError."""
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "TIFF", "WEBP"]))
    whole = bytearray(encode(plain(120, (16, 16)), kind, exif=camera_fields()))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert facts_of(bytes(whole[: data.draw(st.integers(1, len(whole)))])).width >= 1
    except ImageError as error:
        assert str(error)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 2)])
def test_slivers_are_measured(size: tuple[int, int]) -> None:
    """Pictures with no inside have a border and no sharpness, not a division by zero."""
    facts = facts_of(encode(plain(77, size)))
    assert facts.brightness == pytest.approx(77)
    assert facts.border_brightness == pytest.approx(77)
    assert math.isnan(facts.sharpness)


def test_sides_are_those_of_the_upright_photograph() -> None:
    """A photograph stored lying is as wide as a model sees it, and how it was held is one fact."""
    pixels = plain(100)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored, lying = encode(pixels, "JPEG"), encode(np.rot90(pixels), "JPEG", exif=exif)
    upright, turned = facts_of(stored), facts_of(lying)
    assert (turned.width, turned.height) == (upright.width, upright.height) == (60, 40)
    assert (upright.orientation, turned.orientation) == ("", "turned 90°")
