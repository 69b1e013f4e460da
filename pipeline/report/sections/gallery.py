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
import numpy.typing as npt

from features.arrays import Floats, Indices
from features.errors import ImageError, OnepassError
from features.photographs.decode_worker_pool import thumbnail_apart
from features.runtime import core_count
from pipeline.cnn.cnn import Cnn
from pipeline.evaluation.band import REVIEW, verdict_name
from pipeline.evaluation.judgements import Judgements
from pipeline.evaluation.probability_text import beside
from pipeline.heatmaps.drawing import Picture, heatmap_picture, legend_picture
from pipeline.heatmaps.explain import Frame, explain, frame_of
from pipeline.model.bundle import Bundle, load_bundle
from pipeline.report.html import Child, Html, Row, element, folded, join, name, table
from pipeline.report.page import Section, paragraphs
from pipeline.report.wording import NBSP, count, percent
from pipeline.terminal.thresholds import meaning

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


def section(judged: Judgements, look: Looker | None = None) -> Section:
    """Thumbnails with their verdicts, and the mistakes as a table.

    A photograph that is gone, or no longer the one that was judged, is not shown: its place says
    why.

    Args:
        judged: photographs that the model never saw.
        look: where the model looks; None for no heatmaps, and no word of them.
    """
    kinds = _kinds(judged)
    numbers = [int(i) for kind in kinds for i in kind.members[:SHOWN]]
    looks = look(judged, numbers) if look is not None and numbers else Looks()
    with ThreadPoolExecutor(core_count()) as pool:
        made = pool.map(lambda i: _pictures(judged, i, looks), numbers)
        pictures = dict(zip(numbers, made, strict=True))
    body: list[Child] = [_limits(judged), _how_to_read(looks)]
    body += [
        [
            element("h3", kind.title),
            paragraphs(_said(kind)),
            _grid(judged, pictures, kind.members[:SHOWN]),
        ]
        for kind in kinds
    ]
    return Section("gallery", "Gallery: photographs to look at", join([*body, _mistakes(judged)]))


def _limits(judged: Judgements) -> Html | None:
    """Of two classes: what the numbers under the photographs are compared with."""
    if not judged.classes.binary:
        return None
    said = meaning(judged.band, judged.classes.names)
    return paragraphs(
        "Under each photograph stands its probability of a defect beside the limit that decided: "
        f"{said}."
    )


def _how_to_read(looks: Looks) -> Html | None:
    """The legend of the heatmaps, or why there are none."""
    if looks.frame is None:
        return paragraphs(f"There are no heatmaps: {looks.reason}.") if looks.reason else None
    legend = legend_picture(looks.frame)
    against = "an average healthy part" if looks.frame.subject == "a defect" else "the average"
    return join([
        element("h3", "Where the model looks"),
        paragraphs(
            "Beside each photograph is the same under its heatmap. Each cell of it is compared "
            f"with the same place of {against}; a white line surrounds what has at least half of "
            "full colour. A cell sees far beyond its square: read a direction, not an outline."
        ),
        element("div", _image(legend), class_="heat-legend"),
    ])  # fmt: skip


def _kinds(judged: Judgements) -> list[_Kind]:
    wrong = _wrong(judged)
    if judged.classes.binary:
        p = judged.shown
        missed = np.flatnonzero(wrong & (judged.y == 1))
        alarms = np.flatnonzero(wrong & (judged.y == 0))
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
                numbers[np.argsort(-judged.shown[numbers], kind="stable")],
            )
        ]
    if judged.band.has_review:
        numbers = np.flatnonzero(judged.verdicts == REVIEW)
        text = "Between the two thresholds. The likeliest defects come first."
        order = numbers[np.argsort(-judged.shown[numbers], kind="stable")]
        return [*kinds, _Kind(_heading("For a person to look at", numbers), text, order)]
    before = np.concatenate([kind.members[:SHOWN] for kind in kinds])
    others = np.setdiff1d(np.arange(len(judged.y)), before)
    text = "Closest to the other verdict, right or wrong. These are worth a person's look."
    order = others[np.argsort(judged.margin[others], kind="stable")]
    return [*kinds, _Kind("The least certain", text, order)]


def _wrong(judged: Judgements) -> npt.NDArray[np.bool_]:
    """Whose verdict is not their class (n,); what a person has to look at is no mistake."""
    wrong: npt.NDArray[np.bool_] = (judged.verdicts != judged.y) & (judged.verdicts != REVIEW)
    return wrong


def _heading(what: str, members: Indices) -> str:
    if len(members) > SHOWN:
        return f"{what}: {SHOWN} of {len(members):,}"
    return f"{what}: {len(members):,}"


def _said(kind: _Kind) -> str:
    if not len(kind.members):
        return "There are none."
    return kind.text


def _grid(judged: Judgements, pictures: dict[int, _Pictures], members: Indices) -> Html | None:
    cards = [element("li", _card(judged, i, pictures[i])) for i in members.tolist()]
    double = any(len(pictures[i].shown) > 1 for i in members.tolist())
    return element("ul", cards, class_="gallery double" if double else "gallery") if cards else None


def _card(judged: Judgements, number: int, pictures: _Pictures) -> Html:
    sample, names = judged.samples[number], judged.classes.names
    truth, verdict = names[judged.y[number]], _verdict(judged, number)
    chance = _chance(judged, number)
    shown = list(pictures.shown) or [
        element("p", f"No picture: {pictures.reason}.", class_="missing")
    ]
    return element(
        "figure",
        element("div", [element("div", one, class_="frame") for one in shown], class_="frames"),
        element(
            "figcaption",
            _sign(judged, number),
            element("span", "is ", name(truth), ", verdict ", name(verdict)),
            element("span", chance),
            element("span", name(sample.path), class_="path"),
            element("span", _part(sample.group), class_="path") if sample.group else None,
        ),
    )


def _part(group: str) -> Child:
    """The name of a part, which says that it is one."""
    return name(group) if group.lower().startswith("part") else ["part ", name(group)]


def _sign(judged: Judgements, number: int) -> Html:
    if judged.verdicts[number] == REVIEW:
        return element("b", "? for a person")
    right = judged.verdicts[number] == judged.y[number]
    return element("b", "✓ right" if right else "✗ wrong", class_="right" if right else "wrong")


def _verdict(judged: Judgements, number: int) -> str:
    return verdict_name(judged.classes.names, int(judged.verdicts[number]))


def _chance(judged: Judgements, number: int) -> str:
    """The probability that is told; of two classes beside the limit that decided."""
    p = float(judged.shown[number])
    value = beside(p, judged.band, " %") if judged.classes.binary else percent(p)
    return f"{_what(judged)} {value.replace(' ', NBSP)}"


def _what(judged: Judgements) -> str:
    return "probability of a defect" if judged.classes.binary else "probability of the verdict"


def _pictures(judged: Judgements, number: int, looks: Looks) -> _Pictures:
    sample = judged.samples[number]
    try:
        data = (judged.root / sample.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != sample.digest:
            return _Pictures(reason="the file is no longer the one that was judged")
        shown = [_image(_photograph(judged, number, data))]
        if looks.frame is not None:
            heatmap = heatmap_picture(
                data, looks.cells[number], looks.frame, sample.path, side=_SIDE
            )
            shown.append(_image(heatmap))
    except OSError as error:
        return _Pictures(reason=f"the file cannot be opened ({error.strerror or error})")
    except ImageError as error:
        return _Pictures(reason=str(error))
    return _Pictures(shown)


def _photograph(judged: Judgements, number: int, data: bytes) -> Picture:
    truth = judged.classes.names[judged.y[number]]
    chance = _chance(judged, number)
    small = thumbnail_apart(data, _SIDE)
    small.save(out := io.BytesIO(), "JPEG", quality=_QUALITY, optimize=True)
    alt = f"{judged.samples[number].path}: is {truth}, verdict {_verdict(judged, number)}, {chance}"
    return Picture(out.getvalue(), "image/jpeg", small.size, alt)


def _image(picture: Picture) -> Html:
    """A picture that is part of the page."""
    content = base64.b64encode(picture.content).decode()
    width, height = picture.size
    return element(
        "img",
        src=f"data:{picture.media_type};base64,{content}",
        width=width,
        height=height,
        alt=picture.alt,
    )


def _mistakes(judged: Judgements) -> Html | None:
    wrong = np.flatnonzero(_wrong(judged))
    if not len(wrong):
        return None
    order = wrong[np.argsort(-judged.margin[wrong], kind="stable")]
    names = judged.classes.names
    rows: list[Row] = [
        [
            name(judged.samples[i].path),
            name(judged.samples[i].group),
            name(names[judged.y[i]]),
            name(_verdict(judged, i)),
            percent(float(judged.shown[i])),
        ]
        for i in order[:_LISTED].tolist()
    ]
    columns: Sequence[str] = ["photograph", "part", "is", "verdict", _what(judged)]
    more = len(wrong) - len(rows)
    return folded(
        f"All {count(len(wrong), 'mistake')} as a table",
        table("Mistakes, the most certain first", columns, rows, texts=[1, 2, 3]),
        paragraphs(f"… and {more:,} more.") if more else None,
    )


@dataclass(frozen=True)
class Looks:
    """Heatmaps of some photographs.

    Attributes:
        cells: by number of the photograph, float64 (height, width) of `explain`.
        frame: how they are drawn and read; None where there are none.
        reason: why there are none.
    """

    cells: dict[int, Floats] = field(default_factory=dict)
    frame: Frame | None = None
    reason: str = ""


Looker = Callable[[Judgements, Sequence[int]], Looks]
"""From the judged photographs and the numbers of those that are shown to where the model looks."""


def looks_of_bundle(bundle: Bundle, cache_path: Path) -> Looker:
    """Of a loaded model, whose rows are in this cache."""

    def look(judged: Judgements, numbers: Sequence[int]) -> Looks:
        if isinstance(bundle.head, Cnn):
            return Looks(reason="this model sees pixels, and has no cells to ask")
        try:
            frame = frame_of(bundle)
            chosen = [judged.samples[number] for number in numbers]
            probabilities = judged.probabilities[list(numbers)]
            cells = explain(bundle, cache_path, chosen, probabilities)
        except OnepassError as error:
            return Looks(reason=str(error))
        return Looks(dict(zip(numbers, cells, strict=True)), frame)

    return look


def looks_of_folder(folder: Path, cache_path: Path) -> Looker:
    """Of a model that has just been saved there."""

    def look(judged: Judgements, numbers: Sequence[int]) -> Looks:
        try:
            bundle = load_bundle(folder, trust=True)  # it was made in this run
        except OnepassError as error:
            return Looks(reason=str(error))
        return looks_of_bundle(bundle, cache_path)(judged, numbers)

    return look
