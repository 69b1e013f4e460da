"""The three reports as HTML: which sections each of them has, and in which order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from features.errors import OutputError
from features.files import write_whole
from pipeline.bundle import Bundle, versions
from pipeline.comparison import HeadComparison
from pipeline.dataset import Dataset
from pipeline.evaluate import Evaluation
from pipeline.fit import Assessment, Fit, judge_side
from pipeline.grouping.rules import GroupRule
from pipeline.judgements import Indices, Judgements
from pipeline.report import commands, facts
from pipeline.report.heads_verdict import comparison_verdict
from pipeline.report.html import Child, name
from pipeline.report.page import Page, Section, Verdict
from pipeline.report.sections import (
    confusion,
    cost,
    data,
    gallery,
    heads,
    ranking,
    reliability,
    reproduce,
    scores,
    training,
)
from pipeline.report.verdict import model_verdict
from pipeline.report.wording import count

_CLOSE = "The numbers are then the same, up to small differences between processors and versions."


def fit_report(dataset: Dataset, done: Fit) -> str:
    """The report of a trained model on the photographs that it was not trained on."""
    warnings = [
        *facts.untrained(done.about), *facts.split_warning(done.about["split"]["kind"]),
        *dataset.warnings,
    ]  # fmt: skip
    train, test = done.sides
    sections = [
        _photographs(dataset, {"training": train, "held out": test}),
        scores.section(
            {"held out": done.held_out, "training": done.train}, done.judged,
            "The photographs held out were scored once, and nothing was chosen on them.",
        ),
        *_judged(done.judged),
        training.section(done.head.history),
        reproduce.section(reproduce.Reproduction(
            [commands.extract_command(dataset), commands.fit_command(dataset, done)],
            facts.model_facts(done.about, done.head.chosen), versions(), _CLOSE,
        )),
    ]  # fmt: skip
    about = [("model", name(str(done.folder))), ("scored", f"{_size(done.judged)}, held out")]
    apart = facts.apart(dataset.about["group_rule"], done.about["split"]["kind"])
    verdict = model_verdict(done.judged, done.held_out, warnings, apart=apart)
    return _page(f"Model report: {done.head.title}", about, verdict, sections)


def comparison_report(dataset: Dataset, found: HeadComparison) -> str:
    """The report of a comparison of heads, with a closer look at the best of them."""
    result = found.result
    best = result.table()[0]
    every = np.arange(len(dataset))
    judged = judge_side(dataset, every, result.out_of_fold(best.head), Path(dataset.about["root"]))
    pooled = Assessment.of(dataset.y, dataset.groups, judged.probabilities, seed=result.seed)
    warnings = [
        *facts.untrained(dataset.about), *facts.split_warning(found.split), *dataset.warnings
    ]  # fmt: skip
    sections = [
        _photographs(dataset, {}),
        heads.section(result, found.split),
        scores.section(
            {"out of fold": pooled}, judged,
            f"From here on: {best.title}, the best head. Each photograph was judged by the one "
            "that was trained without its fold, in the first round of folds, and all of them are "
            "scored together; the table above is a mean over folds, so the two differ a little.",
        ),
        *_judged(judged),
        reproduce.section(reproduce.Reproduction(
            [commands.extract_command(dataset), commands.compare_command(dataset, found)],
            facts.comparison_facts(dataset, found), versions(), _CLOSE,
        )),
    ]  # fmt: skip
    about = [("folder", name(str(found.folder))), ("compared on", _size(judged))]
    apart = facts.apart(dataset.about["group_rule"], found.split)
    verdict = comparison_verdict(result, judged, pooled, warnings, apart=apart)
    return _page(f"Comparison of {count(len(result.heads), 'head')}", about, verdict, sections)


def evaluation_report(bundle: Bundle, found: Evaluation) -> str:
    """The report of a model on its holdout, or on a new labelled folder."""
    about, judged = bundle.about, found.judged
    warnings = facts.untrained(about)
    if found.data is None:
        warnings += facts.split_warning(about["split"]["kind"])
    apart = facts.apart(asdict(found.group_rule), about["split"]["kind"])
    if found.group_rule.kind == "none":
        warnings.append(
            "Nobody said which photographs show one part. Every photograph counts as a part of "
            "its own, which makes the intervals narrower than they are"
        )
    sections = [
        data.section(data.Data(
            judged.classes, judged.samples, judged.y, judged.groups, found.group_rule.describe(),
            unreadable=found.unreadable, notes=found.notes,
        )),
        scores.section({found.what: found.assessment}, judged),
        *_judged(judged),
        reproduce.section(reproduce.Reproduction(
            [commands.evaluate_command(bundle, found)],
            facts.model_facts(about, bundle.head.chosen), about["versions"],
            f"The versions are those that the model was made with. {_CLOSE}",
        )),
    ]  # fmt: skip
    shown: list[tuple[str, Child]] = [
        ("model", name(str(bundle.folder))), ("scored", [_size(judged), ": ", name(found.what)])
    ]  # fmt: skip
    verdict = model_verdict(judged, found.assessment, warnings, apart=apart)
    return _page(f"Evaluation: {bundle.head.title}", shown, verdict, sections)


def write_report(path: Path, page: str) -> Path:
    """Write a report, whole or not at all, and say where.

    Raises:
        OutputError: it cannot be written there.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder; expected a file for the report, as report.html")
    write_whole(path, page)
    return path


def _photographs(dataset: Dataset, sides: dict[str, Indices]) -> Section:
    rule = GroupRule(**dataset.about["group_rule"])
    return data.section(data.Data(
        dataset.classes, dataset.samples, dataset.y, dataset.groups, rule.describe(),
        sides=sides, unreadable=dataset.unreadable(),
    ))  # fmt: skip


def _judged(judged: Judgements) -> list[Section | None]:
    """What there is to say of photographs that a model never saw."""
    return [
        ranking.section(judged),
        confusion.section(judged),
        reliability.section(judged),
        cost.section(judged),
        gallery.section(judged),
    ]


def _size(judged: Judgements) -> str:
    parts = len(np.unique(judged.groups))
    return f"{count(len(judged.y), 'photograph')} of {count(parts, 'part')}"


def _page(
    title: str,
    about: Sequence[tuple[str, Child]],
    verdict: Verdict,
    sections: Sequence[Section | None],
) -> str:
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    footer = (
        f"Made by Onepass {versions()['onepass']} on {now}. This file is complete: it loads "
        "nothing from anywhere and runs no script."
    )
    return Page(title, [*about, ("made", now)], verdict, sections, footer).html()
