"""The sheet: every photograph in its cell, whole and upright, and every verdict legible."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.classes import Classes
from pipeline.evaluation.band import Band
from pipeline.heatmaps import prediction_sheet as sheet
from pipeline.heatmaps.prediction_sheet import prediction_sheet
from pipeline.model.part_predictions import PartPrediction
from pipeline.model.predict import Prediction, verdict
from pipeline.output import photograph_grid
from pipeline.output.photograph_grid import CELL, COLUMNS, GAP, SheetEntry, draw_sheet

EMPTY = (232, 232, 232)
BLUE, VERMILION = (0, 92, 150), (190, 65, 0)
TEAL = (30, 160, 140)


def write(path: Path, size: tuple[int, int] = (640, 480), orientation: int = 1) -> Path:
    """Give a photograph whose left half is teal and whose right half is black."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2] = TEAL
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, exif=exif, quality=95)
    return path


def draw(*entries: SheetEntry, title: str = "what it says") -> np.ndarray:
    png = draw_sheet(entries, title)
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image).astype(int)


def place(number: int, pixels: np.ndarray, count: int) -> tuple[int, int]:
    """Left and top of a cell, worked out from the bottom of the picture."""
    rows = -(-count // COLUMNS)
    pitch = CELL + 70 + GAP
    top = pixels.shape[0] - GAP - (rows - number // COLUMNS) * pitch
    return GAP + (number % COLUMNS) * (CELL + GAP), top


def cell(number: int, pixels: np.ndarray, count: int) -> np.ndarray:
    left, top = place(number, pixels, count)
    return pixels[top : top + CELL, left : left + CELL]


def caption(number: int, pixels: np.ndarray, count: int) -> np.ndarray:
    left, top = place(number, pixels, count)
    return pixels[top + CELL : top + CELL + 70, left : left + CELL]


def is_colour(pixels: np.ndarray, colour: tuple[int, int, int], within: int = 12) -> np.ndarray:
    return np.abs(pixels - np.array(colour)).max(axis=-1) <= within


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is drawn."""
    drawn: list[str] = []
    original = photograph_grid.ImageDraw.ImageDraw.text

    def spy(self, xy, text, *args, **kwargs):
        drawn.append(text)
        return original(self, xy, text, *args, **kwargs)

    monkeypatch.setattr(photograph_grid.ImageDraw.ImageDraw, "text", spy)
    return drawn


@pytest.mark.parametrize(("count", "rows"), [(0, 0), (1, 1), (5, 1), (6, 2), (20, 4), (41, 9)])
def test_five_in_a_row(tmp_path: Path, count: int, rows: int) -> None:
    """Any number of entries, five in a row, each photograph in its own cell and no other."""
    file = write(tmp_path / "a.jpg", (64, 64))
    pixels = draw(*[SheetEntry(file, "Healthy 3 %")] * count)
    assert pixels.shape[1] == COLUMNS * (CELL + GAP) + GAP
    assert pixels.shape[0] == draw().shape[0] + rows * (CELL + 70 + GAP)
    for number in range(count):
        assert is_colour(cell(number, pixels, count), TEAL).mean() > 0.45
    if count % COLUMNS:
        left, top = place(count, pixels, count)
        assert (pixels[top:, left:] == 255).all()


@pytest.mark.parametrize(("size", "shape"), [((640, 480), (165, 220)), ((300, 900), (220, 73))])
def test_photographs_keep_their_shape(
    tmp_path: Path, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    """The longer side fills the cell, the other is in proportion, the rest is grey."""
    pixels = draw(SheetEntry(write(tmp_path / "a.png", size), "x"))
    shown = ~is_colour(cell(0, pixels, 1), EMPTY, 2)
    assert (shown.any(axis=1).sum(), shown.any(axis=0).sum()) == shape


def test_photographs_stand_upright(tmp_path: Path) -> None:
    """EXIF orientation 6 turns the photograph clockwise: what was left is on top."""
    pixels = draw(SheetEntry(write(tmp_path / "a.jpg", (400, 200), orientation=6), "x"))
    teal = is_colour(cell(0, pixels, 1), TEAL)
    assert teal[10:100, 60:160].mean() > 0.95
    assert teal[120:210].mean() < 0.01


def test_captions_say_verdict_truth_and_name(tmp_path: Path, texts: list[str]) -> None:
    """Verdict with its percentage, truth with a sign and a word, and the file's name."""
    file = write(tmp_path / "part-01.jpg")
    draw(
        SheetEntry(file, "defects 97 %", "defects", True),
        SheetEntry(file, "Healthy 3 %", "defects", False),
        SheetEntry(file, "Healthy 4 %"),
        title="verdict and probability of a defect",
    )
    assert texts == [
        "verdict and probability of a defect",
        "✓", "defects 97 %", "is defects  ✓ right", "part-01.jpg",
        "✗", "Healthy 3 %", "is defects  ✗ wrong", "part-01.jpg",
        "Healthy 4 %", "part-01.jpg",
    ]  # fmt: skip


def test_right_and_wrong_differ_in_colour_and_shape(tmp_path: Path) -> None:
    """Right is a blue disc, wrong a vermilion square; with truth unknown there is neither."""
    file = write(tmp_path / "a.jpg")
    pixels = draw(*(SheetEntry(file, "x", "y", right) for right in (True, False, None)))
    right, wrong, unknown = (cell(number, pixels, 3) for number in range(3))
    blue, vermilion = is_colour(right, BLUE), is_colour(wrong, VERMILION)
    assert 200 < blue.sum() < vermilion.sum()
    assert vermilion[11, CELL - 34]  # the square's corner, which the disc does not reach
    assert not blue[11, CELL - 34]
    assert not is_colour(unknown, BLUE).any()
    assert not is_colour(unknown, VERMILION).any()


def test_unreadable_photographs_are_grey_with_their_reason(
    tmp_path: Path, texts: list[str]
) -> None:
    """The given reason, or the one found while drawing; never another photograph's pixels."""
    good, bad = write(tmp_path / "a.jpg"), tmp_path / "b.jpg"
    bad.write_bytes(b"<html>")
    pixels = draw(
        SheetEntry(good, None, error="larger than allowed"),
        SheetEntry(bad, "defects 97 %"),
        SheetEntry(tmp_path / "gone.jpg", "defects 97 %"),
        SheetEntry(good, "Healthy 3 %"),
    )
    for number in range(3):
        grey = is_colour(cell(number, pixels, 4), EMPTY, 0).mean()
        assert 0.8 < grey < 1  # the rest is text
    assert is_colour(cell(3, pixels, 4), TEAL).mean() > 0.3
    assert "larger than allowed" in texts
    assert "unreadable" in texts
    assert any(text.startswith("not a photograph") for text in texts)
    assert "No such file or directory" in " ".join(texts)


@pytest.mark.parametrize(
    "name",
    [
        "line\nbreak\ttab.jpg",
        "red\x1b[31m.jpg",
        "turned\u202egpj.exe.jpg",
        "größe_Ω_деталь_部品_🔩.jpg",
        "broken\udcff.jpg",
        "n" * 240 + ".jpg",
        "W" * 240 + ".jpg",
    ],
)
def test_hostile_names_stay_in_their_cell(tmp_path: Path, texts: list[str], name: str) -> None:
    """Control characters are shown as escapes, long names lose their middle, nothing overlaps."""
    file = write(tmp_path / "a.jpg")
    entries = [SheetEntry(file, "x"), SheetEntry(tmp_path / name, name, name, False, name)]
    pixels = draw(*entries, SheetEntry(file, "x"), title=f"about {name}")
    plain = draw(*[SheetEntry(file, "x")] * 3)
    for number in (0, 2):
        assert np.array_equal(caption(number, pixels, 3), caption(number, plain, 3))
    left, top = place(1, pixels, 3)
    assert (pixels[top:, left - GAP : left] == 255).all()
    assert (pixels[top:, left + CELL : left + CELL + GAP] == 255).all()
    assert all(text.isprintable() for text in texts)


def test_long_names_keep_both_ends(tmp_path: Path, texts: list[str]) -> None:
    """Of a long name the beginning and the end are shown, which tell files apart."""
    draw(SheetEntry(tmp_path / ("camera-7_" + "x" * 99 + "_000123.jpg"), None, error="gone"))
    shown = texts[-1]
    assert shown.startswith("camera-7_")
    assert shown.endswith("_000123.jpg")
    assert "…" in shown


def test_numbers_are_never_cut(tmp_path: Path, texts: list[str]) -> None:
    """A probability close to its limit has many digits: the class is shortened instead."""
    classes = Classes(("Healthy", "defects"), {"Healthy": 0, "defects": 1})
    p, file = 0.4431, write(tmp_path / "a.jpg")
    found = verdict(classes, np.array([1 - p, p]), Band.at(0.4429), "a.jpg", file)
    prediction_sheet(classes, [found])
    (caption,) = (text for text in texts if "≥" in text)
    assert caption.endswith(f"  {found.said}")
    assert "…" in caption.removesuffix(found.said)


def test_long_legends_wrap(texts: list[str]) -> None:
    """A legend wider than the sheet takes more lines and loses no word."""
    title = " ".join(f"word{n}" for n in range(60))
    assert draw(title=title).shape[0] > draw(title="short").shape[0]
    assert " ".join(text for text in texts if text != "short") == title


def test_a_verdict_below_a_half_is_understood(tmp_path: Path, texts: list[str]) -> None:
    """49 % is rejected where the limit is 2 %: both stand in the caption."""
    classes = Classes(("Healthy", "defects"), {"Healthy": 0, "defects": 1})
    file = write(tmp_path / "a.jpg")
    found = [
        verdict(classes, np.array([1 - p, p]), band, "a.jpg", file)
        for p, band in ((0.49, Band.at(0.0201)), (0.012, Band.at(0.0201)), (0.3, Band(0.2, 0.4)))
    ]
    prediction_sheet(classes, found)
    for said in ("defects  49 % ≥ 2 %", "Healthy  1 % < 2 %", "review  30 % in 20–40 %"):
        assert said in texts
    assert "probability of a defect, beside the limit that decided" in " ".join(texts)


def test_what_was_trained_on_is_neither_right_nor_wrong(tmp_path: Path, texts: list[str]) -> None:
    """A model is no better for knowing a photograph that it learned from."""
    classes = Classes(("Healthy", "defects"), {"Healthy": 0, "defects": 1})
    file = write(tmp_path / "a.jpg")
    made = verdict(classes, np.array([0.1, 0.9]), Band.at(0.5), "a.jpg", file, "defects")
    prediction_sheet(classes, [made, replace(made, trained_on=True)])
    assert texts.count("is defects  ✓ right") == texts.count("✓") == 1
    assert "is defects (trained on it)" in texts
    assert "1 of the 1 with known class and not trained on are right" in " ".join(texts)


def test_what_a_person_should_look_at_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mistakes, then what is unlike, then review, then doubt; what was trained on comes last.

    The photographs of a part stand together, under its verdict.
    """
    classes, band = Classes(("good", "bad"), {"good": 0, "bad": 1}), Band(0.4, 0.6)

    def photograph(name: str, p: float, **more: object) -> Prediction:
        made = verdict(classes, np.array([1 - p, p]), band, name, tmp_path / name, "good")
        return replace(made, **more)  # type: ignore[arg-type]

    found = [
        photograph("learned", 0.9, trained_on=True),
        photograph("sure", 0.01),
        photograph("near", 0.39),
        photograph("review", 0.5),
        photograph("strange", 0.1, strangeness=2.0),
        photograph("wrong", 0.95),
    ]
    drawn: list[SheetEntry] = []
    monkeypatch.setattr(sheet, "draw_sheet", lambda entries, _title: drawn.extend(entries) or b"")
    prediction_sheet(classes, found)
    order = ["wrong", "strange", "review", "near", "sure", "learned"]
    assert [entry.file.name for entry in drawn] == order
    assert [entry.right for entry in drawn] == [False, True, None, True, True, None]
    drawn.clear()
    part = PartPrediction("p1", (found[5], found[1]), "review", 0.5, truth="good", said="50 %")
    others = [PartPrediction(one.path, (one,), one.verdict, truth=one.truth) for one in found[2:3]]
    prediction_sheet(classes, found, parts=[*others, part])
    assert [(entry.file.name, entry.verdict) for entry in drawn] == [
        ("wrong", "review"), ("sure", "review"), ("near", "good"),
    ]  # fmt: skip
    assert [entry.said for entry in drawn][:2] == ["50 %", "50 %"]  # never a photograph's beside it
    drawn.clear()
    clear = PartPrediction("p1", (found[2], found[1]), "good", 0.1, margin=0.3)
    close = PartPrediction("p2", (found[1], found[1]), "good", 0.38, margin=0.02)
    prediction_sheet(classes, found, parts=[clear, close])  # by the part's doubt, not by that of
    assert [entry.file.name for entry in drawn] == ["sure", "sure", "near", "sure"]  # a photograph


def test_a_reject_near_the_limit_is_more_doubtful_than_many_that_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a limit of 31 %, in log-odds: in probability twenty good ones were all nearer to it."""
    classes, band = Classes(("good", "bad"), {"good": 0, "bad": 1}), Band.at(0.31)
    found = [
        verdict(classes, np.array([1 - p, p]), band, f"{p}", tmp_path / f"{p}")
        for p in (0.05, 0.02, 0.12, 0.2, 0.6, 0.8, 0.99)
    ]
    drawn: list[SheetEntry] = []
    monkeypatch.setattr(sheet, "draw_sheet", lambda entries, _title: drawn.extend(entries) or b"")
    prediction_sheet(classes, found)
    order = ["0.2", "0.12", "0.6", "0.05", "0.8", "0.02", "0.99"]
    assert [entry.file.name for entry in drawn] == order


@pytest.mark.parametrize(
    ("sizes", "each"), [((6,) * 7, 3), ((1, 1, 1, 17), 17), ((4, 4, 4), 4), ((30, 2), 18), ((), 3)]
)
def test_many_parts_are_seen_and_no_room_is_left(sizes: tuple[int, ...], each: int) -> None:
    assert sheet._most_of_each(sizes, 20) == each


def test_of_a_part_those_are_shown_that_speak_for_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six views each of four parts: a defect that one view shows is on the sheet, and each part."""
    classes, band = Classes(("good", "bad"), {"good": 0, "bad": 1}), Band.at(0.31)
    parts = []
    for name, high in (("a", 0.05), ("b", 0.1), ("c", 0.04), ("d", 0.9)):
        chances = [0.01, high, 0.03, high, 0.02, high]
        found = [
            verdict(classes, np.array([1 - p, p]), band, f"{name}{n}", tmp_path / f"{name}{n}")
            for n, p in enumerate(chances)
        ]
        parts.append(PartPrediction(name, tuple(found), "good", high, margin=high))
    drawn: list[SheetEntry] = []
    said: list[str] = []
    monkeypatch.setattr(
        sheet,
        "draw_sheet",
        lambda entries, title: said.append(title) or drawn.extend(entries) or b"",
    )
    prediction_sheet(classes, [one for part in parts for one in part.photographs], 12, parts=parts)
    names = [entry.file.name for entry in drawn]
    assert names == [f"{part}{n}" for part in "cabd" for n in (1, 3, 5)]
    assert said[0].startswith(
        "12 of 24 photographs of 4 parts, with one verdict each (at most 3 of"
    )


def test_a_small_picture_stands_in_for_a_file_and_nothing_for_no_cell(tmp_path: Path) -> None:
    """As on sheets of groups, whose photographs may have gone while the cache is there."""
    small = np.full((64, 64), 77, dtype=np.uint8)
    png = draw_sheet([SheetEntry(tmp_path / "gone.jpg", "x", small=small), None], "what it says")
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    middle = pixels[CELL // 2 + 50]
    assert (middle[GAP + CELL // 2] == 77).all()
    assert (middle[GAP + CELL + GAP : 2 * (GAP + CELL)] == 255).all()
