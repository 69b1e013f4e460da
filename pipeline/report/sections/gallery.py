"""Photographs to look at: the worst mistakes and the least certain verdicts."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from features.decoder import thumbnail_apart
from features.errors import ImageError
from features.runtime import core_count
from pipeline.judgements import Indices, Judgements
from pipeline.report.html import Html, element, join, name
from pipeline.report.page import Section, paragraphs
from pipeline.report.table import Row, folded, table
from pipeline.report.wording import count, percent

SHOWN = 8  # photographs of each kind
_LISTED = 200  # mistakes in the table
_SIDE, _QUALITY = 320, 80  # pixels of the longer side, and JPEG's quality


class _Kind(NamedTuple):
    """Photographs of one kind, those to look at first at the front."""

    title: str
    text: str
    members: Indices


class _Picture(NamedTuple):
    """A thumbnail as a data URL with its size, or why there is none."""

    url: str
    width: int
    height: int
    reason: str = ""


def section(judged: Judgements) -> Section:
    """Thumbnails with their verdicts, and the mistakes as a table.

    A photograph that is gone, or no longer the one that was judged, is not shown: its place says
    why.

    Args:
        judged: photographs that the model never saw.
    """
    kinds = _kinds(judged)
    numbers = [int(i) for kind in kinds for i in kind.members[:SHOWN]]
    with ThreadPoolExecutor(core_count()) as pool:
        pictures = dict(zip(numbers, pool.map(lambda i: _picture(judged, i), numbers), strict=True))
    body = [
        [
            element("h3", kind.title),
            paragraphs(_said(kind)),
            _grid(judged, pictures, kind.members[:SHOWN]),
        ]
        for kind in kinds
    ]
    return Section("gallery", "Gallery: photographs to look at", join([*body, _mistakes(judged)]))


def _kinds(judged: Judgements) -> list[_Kind]:
    wrong = judged.verdicts != judged.y
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
    before = np.concatenate([kind.members[:SHOWN] for kind in kinds])
    others = np.setdiff1d(np.arange(len(judged.y)), before)
    text = "Closest to the other verdict, right or wrong. These are worth a person's look."
    order = others[np.argsort(judged.margin[others], kind="stable")]
    return [*kinds, _Kind("The least certain", text, order)]


def _heading(what: str, members: Indices) -> str:
    if len(members) > SHOWN:
        return f"{what}: {SHOWN} of {len(members):,}"
    return f"{what}: {len(members):,}"


def _said(kind: _Kind) -> str:
    if not len(kind.members):
        return "There are none."
    return kind.text


def _grid(judged: Judgements, pictures: dict[int, _Picture], members: Indices) -> Html | None:
    cards = [element("li", _card(judged, i, pictures[i])) for i in members.tolist()]
    return element("ul", cards, class_="gallery") if cards else None


def _card(judged: Judgements, number: int, picture: _Picture) -> Html:
    sample, names = judged.samples[number], judged.classes.names
    truth, verdict = names[judged.y[number]], names[judged.verdicts[number]]
    chance = f"{_what(judged)} {percent(float(judged.shown[number]))}"
    if picture.reason:
        shown = element("p", f"No picture: {picture.reason}.", class_="missing")
    else:
        shown = element(
            "img",
            src=picture.url,
            width=picture.width,
            height=picture.height,
            alt=f"{sample.path}: is {truth}, verdict {verdict}, {chance}",
        )
    sign = "✓ right" if truth == verdict else "✗ wrong"
    return element(
        "figure",
        element("div", shown, class_="frame"),
        element(
            "figcaption",
            element("b", sign, class_="right" if truth == verdict else "wrong"),
            element("span", "is ", name(truth), ", verdict ", name(verdict)),
            element("span", chance),
            element("span", name(sample.path), class_="path"),
            element("span", "part ", name(sample.group), class_="path") if sample.group else None,
        ),
    )


def _what(judged: Judgements) -> str:
    return "probability of a defect" if judged.classes.binary else "probability of the verdict"


def _picture(judged: Judgements, number: int) -> _Picture:
    sample = judged.samples[number]
    try:
        data = (judged.root / sample.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != sample.digest:
            return _Picture("", 0, 0, "the file is no longer the one that was judged")
        small = thumbnail_apart(data, _SIDE)
    except OSError as error:
        return _Picture("", 0, 0, f"the file cannot be opened ({error.strerror or error})")
    except ImageError as error:
        return _Picture("", 0, 0, str(error))
    small.save(out := io.BytesIO(), "JPEG", quality=_QUALITY, optimize=True)
    url = f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
    return _Picture(url, small.width, small.height)


def _mistakes(judged: Judgements) -> Html | None:
    wrong = np.flatnonzero(judged.verdicts != judged.y)
    if not len(wrong):
        return None
    order = wrong[np.argsort(-judged.margin[wrong], kind="stable")]
    names = judged.classes.names
    rows: list[Row] = [
        [
            name(judged.samples[i].path),
            name(judged.samples[i].group),
            name(names[judged.y[i]]),
            name(names[judged.verdicts[i]]),
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
