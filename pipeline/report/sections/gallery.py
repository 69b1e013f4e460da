"""Photographs to look at, with heatmaps: the worst mistakes and the least certain verdicts."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from features.arrays import Flags, Floats, Indices
from features.errors import ImageError, OnepassError
from features.photographs.decode_worker_pool import thumbnail_apart
from features.photographs.file import read_photograph
from features.runtime import core_count
from pipeline.cnn.cnn import Cnn
from pipeline.evaluation.band import REVIEW, beside, verdict_name
from pipeline.evaluation.predictions import Predictions
from pipeline.heatmaps.drawing import Picture, heatmap_picture, how_to_read, legend_picture
from pipeline.heatmaps.explain import Frame, explain, frame_of
from pipeline.model.bundle import Bundle, load_bundle
from pipeline.output.wording import NBSP, count, percent
from pipeline.report.html import Child, Html, Row, element, folded, join, name, table
from pipeline.report.page import Section, paragraphs
from pipeline.thresholds.facts import meaning

SHOWN = 8  # photographs of each kind
_LISTED = 200  # mistakes in the table
_SIDE, _QUALITY = 320, 80  # pixels of the longer side, and JPEG's quality


class _Kind(NamedTuple):
    """Photographs of one kind, those to look at first at the front."""

    title: str
    text: str
    members: Indices


class _Pictures(NamedTuple):
    """A photograph and its heatmap as elements, or why there are none."""

    shown: Sequence[Html] = ()
    reason: str = ""


def section(predicted: Predictions, cells_of: CellsOf | None = None) -> Section:
    """Show thumbnails with their verdicts, and the mistakes as a table.

    A photograph that is gone, or no longer the one that was judged, is not shown: its place says
    why.

    Args:
        predicted: photographs that the model never saw.
        cells_of: where the model looks; None for no heatmaps, and no word of them.
    """
    kinds = _kinds(predicted)
    numbers = [int(i) for kind in kinds for i in kind.members[:SHOWN]]
    cells = cells_of(predicted, numbers) if cells_of is not None and numbers else Cells()
    with ThreadPoolExecutor(core_count()) as pool:
        made = pool.map(lambda i: _pictures(predicted, i, cells), numbers)
        pictures = dict(zip(numbers, made, strict=True))
    body: list[Child] = [_limits(predicted), _how_to_read(cells)]
    body += [
        [
            element("h3", kind.title),
            paragraphs(_said(kind)),
            _grid(predicted, pictures, kind.members[:SHOWN]),
        ]
        for kind in kinds
    ]
    return Section(
        "gallery", "Gallery: photographs to look at", join([*body, _mistakes(predicted)])
    )


def _limits(predicted: Predictions) -> Html | None:
    """Say, of two classes, what the numbers under the photographs are compared with."""
    if not predicted.classes.binary:
        return None
    said = meaning(predicted.band, predicted.classes.names)
    whose = "its"
    first = None
    if predicted.unit == "part":
        whose = "its part's"
        first = (
            "Each photograph stands for its part: of all of them it says most nearly what they say "
            "together, and the verdict is about the part."
        )
    return paragraphs(
        first,
        f"Under each photograph stands {whose} probability of a defect beside the limit that "
        f"decided: {said}.",
    )


def _how_to_read(cells: Cells) -> Html | None:
    """Give the legend of the heatmaps, or why there are none."""
    if cells.frame is None:
        return paragraphs(f"There are no heatmaps: {cells.reason}.") if cells.reason else None
    legend = legend_picture(cells.frame)
    shape = next(iter(cells.cells.values())).shape
    return join([
        element("h3", "Where the model looks"),
        paragraphs(
            "Beside each photograph is the same under its heatmap: "
            f"{how_to_read(cells.frame, (shape[0], shape[1]))} A white line surrounds what has at "
            "least half of full colour."
        ),
        element("div", _image(legend), class_="heat-legend"),
    ])  # fmt: skip


def _kinds(predicted: Predictions) -> list[_Kind]:
    wrong = _wrong(predicted)
    if predicted.classes.binary:
        p = predicted.shown
        missed = np.flatnonzero(wrong & (predicted.y == 1))
        alarms = np.flatnonzero(wrong & (predicted.y == 0))
        kinds = [
            _Kind(
                _heading("Missed defects", missed),
                "Defective, and called healthy; those that the model was surest of come first.",
                missed[np.argsort(p[missed], kind="stable")],
            ),
            _Kind(
                _heading("False alarms", alarms),
                "Healthy, and called defective; those that the model was surest of come first. "
                "Look closely: some may be labelled wrongly.",
                alarms[np.argsort(-p[alarms], kind="stable")],
            ),
        ]
    else:
        numbers = np.flatnonzero(wrong)
        kinds = [
            _Kind(
                _heading("Wrong verdicts", numbers),
                "Those that the model was surest of come first.",
                numbers[np.argsort(-predicted.shown[numbers], kind="stable")],
            )
        ]
    if predicted.band.has_review:
        numbers = np.flatnonzero(predicted.verdicts == REVIEW)
        text = "Between the two thresholds. The likeliest defects come first."
        order = numbers[np.argsort(-predicted.shown[numbers], kind="stable")]
        return [*kinds, _Kind(_heading("For a person to look at", numbers), text, order)]
    before = np.concatenate([kind.members[:SHOWN] for kind in kinds])
    others = np.setdiff1d(np.arange(len(predicted.y)), before)
    text = "Closest to the other verdict, right or wrong. These are worth a person's look."
    order = others[np.argsort(predicted.margin[others], kind="stable")]
    return [*kinds, _Kind("The least certain", text, order)]


def _wrong(predicted: Predictions) -> Flags:
    """Find whose verdict is not their class (n,); what a person has to look at is no mistake."""
    wrong: Flags = (predicted.verdicts != predicted.y) & (predicted.verdicts != REVIEW)
    return wrong


def _heading(what: str, members: Indices) -> str:
    if len(members) > SHOWN:
        return f"{what}: {SHOWN} of {len(members):,}"
    return f"{what}: {len(members):,}"


def _said(kind: _Kind) -> str:
    if not len(kind.members):
        return "There are none."
    return kind.text


def _grid(predicted: Predictions, pictures: dict[int, _Pictures], members: Indices) -> Html | None:
    cards = [element("li", _card(predicted, i, pictures[i])) for i in members.tolist()]
    double = any(len(pictures[i].shown) > 1 for i in members.tolist())
    return element("ul", cards, class_="gallery double" if double else "gallery") if cards else None


def _card(predicted: Predictions, number: int, pictures: _Pictures) -> Html:
    table_row, names = predicted.table_rows[number], predicted.classes.names
    truth, verdict = names[predicted.y[number]], _verdict(predicted, number)
    chance = _chance(predicted, number)
    shown = list(pictures.shown) or [
        element("p", f"No picture: {pictures.reason}.", class_="missing")
    ]
    return element(
        "figure",
        element("div", [element("div", one, class_="frame") for one in shown], class_="frames"),
        element(
            "figcaption",
            _sign(predicted, number),
            element("span", "is ", name(truth), ", verdict ", name(verdict)),
            element("span", chance),
            element("span", name(table_row.path), class_="path"),
            element("span", _part(table_row.group), class_="path") if table_row.group else None,
        ),
    )


def _part(group: str) -> Child:
    """Give the name of a part, which says that it is one."""
    return name(group) if group.lower().startswith("part") else ["part ", name(group)]


def _sign(predicted: Predictions, number: int) -> Html:
    if predicted.verdicts[number] == REVIEW:
        return element("b", "? for a person")
    right = predicted.verdicts[number] == predicted.y[number]
    return element("b", "✓ right" if right else "✗ wrong", class_="right" if right else "wrong")


def _verdict(predicted: Predictions, number: int) -> str:
    return verdict_name(predicted.classes.names, int(predicted.verdicts[number]))


def _chance(predicted: Predictions, number: int) -> str:
    """Give the probability that is told; of two classes beside the limit that decided."""
    p = float(predicted.shown[number])
    value = beside(p, predicted.band) if predicted.classes.binary else percent(p)
    return f"{_what(predicted)} {value.replace(' ', NBSP)}"


def _what(predicted: Predictions) -> str:
    return "probability of a defect" if predicted.classes.binary else "probability of the verdict"


def _pictures(predicted: Predictions, number: int, cells: Cells) -> _Pictures:
    table_row = predicted.table_rows[number]
    try:
        data = read_photograph(predicted.root / table_row.path)
        if hashlib.sha256(data).hexdigest() != table_row.digest:
            return _Pictures(reason="the file is no longer the one that was judged")
        shown = [_image(_photograph(predicted, number, data))]
        if cells.frame is not None:
            heatmap = heatmap_picture(
                data, cells.cells[number], cells.frame, table_row.path, side=_SIDE
            )
            shown.append(_image(heatmap))
    except ImageError as error:
        return _Pictures(reason=str(error))
    return _Pictures(shown)


def _photograph(predicted: Predictions, number: int, data: bytes) -> Picture:
    truth = predicted.classes.names[predicted.y[number]]
    chance = _chance(predicted, number)
    small = thumbnail_apart(data, _SIDE)
    small.save(out := io.BytesIO(), "JPEG", quality=_QUALITY, optimize=True)
    path, verdict = predicted.table_rows[number].path, _verdict(predicted, number)
    alt = f"{path}: is {truth}, verdict {verdict}, {chance}"
    return Picture(out.getvalue(), "image/jpeg", small.size, alt)


def _image(picture: Picture) -> Html:
    """Give a picture that is part of the page."""
    content = base64.b64encode(picture.content).decode()
    width, height = picture.size
    return element(
        "img",
        src=f"data:{picture.media_type};base64,{content}",
        width=width,
        height=height,
        alt=picture.alt,
    )


def _mistakes(predicted: Predictions) -> Html | None:
    wrong = np.flatnonzero(_wrong(predicted))
    if not len(wrong):
        return None
    order = wrong[np.argsort(-predicted.margin[wrong], kind="stable")]
    names = predicted.classes.names
    rows: list[Row] = [
        [
            name(predicted.table_rows[i].path),
            name(predicted.table_rows[i].group),
            name(names[predicted.y[i]]),
            name(_verdict(predicted, i)),
            percent(float(predicted.shown[i])),
        ]
        for i in order[:_LISTED].tolist()
    ]
    columns: Sequence[str] = ["photograph", "part", "is", "verdict", _what(predicted)]
    more = len(wrong) - len(rows)
    return folded(
        f"All {count(len(wrong), 'mistake')} as a table",
        table("Mistakes, the most certain first", columns, rows, texts=[1, 2, 3]),
        paragraphs(f"… and {more:,} more.") if more else None,
    )


@dataclass(frozen=True)
class Cells:
    """Heatmaps of some photographs.

    Attributes:
        cells: by number of the photograph, float64 (height, width) of `explain`.
        frame: how they are drawn and read; None where there are none.
        reason: why there are none.
    """

    cells: dict[int, Floats] = field(default_factory=dict)
    frame: Frame | None = None
    reason: str = ""


CellsOf = Callable[[Predictions, Sequence[int]], Cells]
"""From the judged photographs and the numbers of those that are shown to where the model looks."""


def cells_of_bundle(bundle: Bundle, cache_path: Path) -> CellsOf:
    """Make the maker of cells of a loaded model, whose rows are in this cache."""

    def cells_of(predicted: Predictions, numbers: Sequence[int]) -> Cells:
        """Compute the cells of these photographs, or say why there are none."""
        if isinstance(bundle.head, Cnn):
            return Cells(reason="this model sees pixels, and has no cells to ask")
        try:
            frame = frame_of(bundle)
            chosen = [predicted.table_rows[number] for number in numbers]
            probabilities = predicted.probabilities[list(numbers)]
            cells = explain(bundle, cache_path, chosen, probabilities)
        except OnepassError as error:
            return Cells(reason=str(error))
        return Cells(dict(zip(numbers, cells, strict=True)), frame)

    return cells_of


def cells_of_folder(folder: Path, cache_path: Path) -> CellsOf:
    """Make the maker of cells of a model that has just been saved there."""

    def cells_of(predicted: Predictions, numbers: Sequence[int]) -> Cells:
        """Load the model, and ask it."""
        try:
            bundle = load_bundle(folder, trust=True)  # it was made in this run
        except OnepassError as error:
            return Cells(reason=str(error))
        return cells_of_bundle(bundle, cache_path)(predicted, numbers)

    return cells_of
