"""Small files that ask for much memory, and files that break decoders, through every command."""

from __future__ import annotations

import io
import resource
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import Run
from models import write_parts
from PIL import Image
from toy import photograph

from features.errors import ImageError
from features.photographs.decode import decode
from features.photographs.recipe import RECIPES
from pipeline.model.selftest_images import IMAGES
from torture.bombs import chunk, png

MOST_GROWTH = 400 * 2**20
"""Bytes that a command's own process may grow by: far less than one of the bombs asks for."""


def empty_webp(side: int = 13_377) -> bytes:
    """Thirty-eight bytes that claim 179 million pixels, and hold none."""
    sides = (side - 1).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + struct.pack("<IB3x", 10, 2) + sides + b"ANIM" + bytes(4)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def flat_webp() -> bytes:
    """Give a sound file of some hundred bytes whose pixels take half a gigabyte."""
    out = io.BytesIO()
    Image.new("RGB", (13_000, 13_000)).save(out, "WEBP", lossless=True, quality=0, method=0)
    return out.getvalue()


def bombs() -> dict[str, bytes]:
    """By name; each is refused, or costs its own process alone."""
    deep = struct.pack(">IIBBBBB", 12_000, 12_000, 16, 6, 0, 0, 0)
    return {
        **{f"claims-{number}.webp": empty_webp() + bytes([number]) for number in range(4)},
        "flat.png": png(11_000, 11_000, bytes(1000)),
        "deep.png": png(9, 9, bytes(9))[:8] + chunk(b"IHDR", deep) + chunk(b"IDAT", b""),
    }


@pytest.fixture
def nothing_decoded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Pillow open nothing in this process but what it drew itself."""
    real, own = Image.open, set(IMAGES.values())

    def watched(file: object, *arguments: object, **options: object) -> Image.Image:
        content = file.getvalue() if isinstance(file, io.BytesIO) else b""
        assert content in own, "a photograph was opened in the command's own process"
        return real(file, *arguments, **options)

    monkeypatch.setattr(Image, "open", watched)


def peak() -> int:
    """Bytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_bombs_are_refused_one_by_one() -> None:
    """Each in one line."""
    for data in bombs().values():
        with pytest.raises(ImageError):
            decode(data, RECIPES["imagenet"])


@pytest.mark.skipif(sys.platform == "win32", reason="counts memory as Unix does")
def test_every_command_that_decodes_survives_bombs(
    run: Run, tmp_path: Path, nothing_decoded_here: None
) -> None:
    """Extract, groups, audit, fit with its report, predict with sheet and heatmaps, evaluate."""
    write_parts(tmp_path / "data", parts=12)
    new = tmp_path / "new"
    new.mkdir()
    for name, data in bombs().items():
        (new / name).write_bytes(data)
        (tmp_path / "data" / "defects" / name).write_bytes(data)
    (new / "sound.png").write_bytes(photograph(5))
    before = peak()
    options = ("--weights", "random", "--group-regex", r"part-(\d+)", "--max-failures", "0.9")
    code, out, err = run("extract", "data", *options)
    assert code == 3, err
    for name in bombs():
        assert name in err
    # What audit and reports meet are files that became bombs since.
    for number, file in enumerate(sorted((tmp_path / "data" / "defects").glob("part-*"))[:4]):
        file.write_bytes(empty_webp() + bytes([number]))
    for arguments in (
        ("groups", "--sheets", "5"),
        ("audit", "--out", "audit"),
        ("fit", "--head", "logistic", "--out", "model"),
        ("evaluate", "model"),
    ):
        code, out, err = run(*arguments)
        assert code == 0, (arguments, out, err)
    code, out, err = run("predict", "model", "new", "--sheet", "s.png", "--heatmaps", "maps")
    assert code == 3, err
    table = (tmp_path / "predictions.csv").read_text("utf-8")
    for name in bombs():
        line = next(line for line in table.splitlines() if name in line)
        assert "pixels" in line or "cut off" in line or "damaged" in line or "memory" in line
    assert peak() - before < MOST_GROWTH


def test_a_network_on_pixels_survives_bombs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_decoded_here: None
) -> None:
    """train-cnn decodes where everything is decoded."""
    from dataclasses import replace

    monkeypatch.setitem(RECIPES, "docs", replace(RECIPES["docs"], height=32, width=32))
    write_parts(tmp_path / "data", parts=12)
    for name, data in list(bombs().items())[:3]:
        (tmp_path / "data" / "defects" / name).write_bytes(data)
    code, out, err = run("train-cnn", "data", "--epochs", "1", "--group-regex", r"part-(\d+)")
    assert code in (0, 3), (out, err)
    assert "claims-0.webp" in err + out


def test_facts_of_a_bomb_are_a_reason(tmp_path: Path, nothing_decoded_here: None) -> None:
    """A sound file that takes half a gigabyte is measured in a process of its own."""
    from features.photographs.file import Photograph
    from features.photographs.survey import read_facts

    (tmp_path / "flat.webp").write_bytes(flat_webp())
    (tmp_path / "empty.webp").write_bytes(empty_webp())
    files = [Photograph(tmp_path / name, name) for name in ("flat.webp", "empty.webp")]
    before = peak()
    flat, empty = read_facts(files, max_pixels=10**8)
    assert "more than the 100,000,000 allowed" in flat.reason
    assert "without pixels" in empty.reason
    other = read_facts(files, ["0" * 64] * 2)
    assert {one.reason for one in other} == {"it is another file than the one that was looked at"}
    assert peak() - before < MOST_GROWTH
    assert np.isnan(flat.width)
