"""The three reports as HTML: which sections each of them has, and in which order."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from features.arrays import Indices
from features.files import write_whole
from pipeline.data.dataset import Dataset
from pipeline.evaluation.band import DEFAULT_THRESHOLD, Band
from pipeline.evaluation.judgements import Assessment, Judgements, judge_side, judged_parts
from pipeline.evaluation.part_rules import by_part
from pipeline.groups.rules import GroupRule
from pipeline.model.bundle import Bundle, versions
from pipeline.model.evaluate import Evaluation, not_scored
from pipeline.output.overwrite import REPORT, check_overwritable
from pipeline.report import commands
from pipeline.report import provenance as facts
from pipeline.report.html import Child, name
from pipeline.report.page import Page, Section, Verdict
from pipeline.report.sections import (
    audit,
    confusion,
    cost,
    data,
    gallery,
    groups,
    heads,
    ranking,
    reliability,
    reproduce,
    scores,
    thresholds,
    training,
)
from pipeline.report.sections.gallery import Looker, looks_of_bundle, looks_of_folder
from pipeline.report.verdict import comparison_verdict, model_verdict
from pipeline.report.wording import count
from pipeline.terminal import groups as grouping_text
from pipeline.terminal.thresholds import contradicted
from pipeline.thresholds.decision import Decision, Unseen
from pipeline.thresholds.outcome import Outcome
from pipeline.training.compare_heads import HeadComparison
from pipeline.training.fit import Fit
from pipeline.training.split_gap import Gap, has_parts
from pipeline.training.training_curves import read_curves

_CLOSE = "The numbers are then the same, up to small differences between processors and versions."


AUDIT = Path("audit") / "audit.json"
"""Where `audit` puts its findings unless it is told otherwise."""


def fit_report(dataset: Dataset, done: Fit, *, audit_file: Path = AUDIT) -> str:
    """The report of a trained model on the photographs that it was not trained on.

    Args:
        dataset: what it was trained on.
        done: of `pipeline.training.fit.fit`.
        audit_file: an audit, shown if it is of the same photographs.
    """
    audited = _audited(dataset, audit_file)
    warnings = [
        *facts.untrained(done.about), *facts.split_warning(*_split(done.about)),
        *facts.proposed_warning(dataset.about["group_rule"]),
        *audit.warnings(audited), *dataset.warnings, *contradicted(done.decision),
    ]  # fmt: skip
    train, test = done.sides
    look = looks_of_folder(done.folder, dataset.cache_path)
    sections = [
        _photographs(dataset, {"training": train, "held out": test}),
        _groups(dataset, done.gap),
        audit.section(audited),
        scores.section(
            _sides("held out", done.held_out, done.held_out_parts) | {"training": done.train},
            done.judged,
            "The photographs held out were scored once, and nothing was chosen on them.",
        ),
        thresholds.section(done.decision, done.classes.names, _outcome("held out", done.decision)),
        *_judged(done.judged, done.decision, look, done.decision.unseen),
        training.section(done.head.history),
        reproduce.section(reproduce.Reproduction(
            [*_before(dataset, audited, audit_file), commands.fit_command(dataset, done)],
            facts.model_facts(done.about, done.head.chosen), versions(), _CLOSE,
        )),
    ]  # fmt: skip
    about = [("model", name(str(done.folder))), ("scored", f"{_size(done.judged)}, held out")]
    apart = facts.apart(dataset.about["group_rule"], *_split(done.about))
    verdict = model_verdict(
        done.parts or done.judged, done.held_out_parts or done.held_out, warnings, apart=apart,
        decision=done.decision,
    )  # fmt: skip
    return _page(f"Model report: {done.head.title}", about, verdict, sections)


def comparison_report(dataset: Dataset, found: HeadComparison, *, audit_file: Path = AUDIT) -> str:
    """The report of a comparison of heads, with a closer look at the best of them.

    Args:
        dataset: what they were compared on.
        found: of `pipeline.training.compare_heads.compare_heads`.
        audit_file: an audit, shown if it is of the same photographs.
    """
    audited = _audited(dataset, audit_file)
    result = found.result
    best = result.table()[0]
    every = np.arange(len(dataset))
    judged = judge_side(
        dataset,
        every,
        found.photographs.out_of_fold(best.head),
        Path(dataset.about["root"]),
        Band.at(DEFAULT_THRESHOLD),
    )
    parts, part_scores = None, None
    if result is not found.photographs:
        parts = judged_parts(
            judged, by_part(dataset.y, judged.probabilities, dataset.groups, found.part_rule)
        )
        part_scores = Assessment.of_judged(parts, seed=result.seed)
    pooled = Assessment.of(dataset.y, dataset.groups, judged.probabilities, seed=result.seed)
    warnings = [
        *facts.untrained(dataset.about), *facts.split_warning(found.split),
        *facts.proposed_warning(dataset.about["group_rule"]), *dataset.warnings,
        *audit.warnings(audited),
    ]  # fmt: skip
    sections = [
        _photographs(dataset, {}),
        _groups(dataset, found.gap),
        audit.section(audited),
        heads.section(result, found.split),
        scores.section(
            _sides("out of fold", pooled, part_scores), judged,
            f"From here on: {best.title}, the best head. Each photograph was judged by the one "
            "that was trained without its fold, in the first round of folds, and all of them are "
            "scored together; the table above is a mean over folds, so the two differ a little.",
        ),
        *_judged(judged),
        reproduce.section(reproduce.Reproduction(
            [*_before(dataset, audited, audit_file), commands.compare_command(dataset, found)],
            facts.comparison_facts(dataset, found), versions(), _CLOSE,
        )),
    ]  # fmt: skip
    about = [("folder", name(str(found.folder))), ("compared on", _size(judged))]
    apart = facts.apart(dataset.about["group_rule"], found.split)
    verdict = comparison_verdict(
        result, parts or judged, part_scores or pooled, warnings, apart=apart
    )
    return _page(f"Comparison of {count(len(result.heads), 'head')}", about, verdict, sections)


def evaluation_report(bundle: Bundle, found: Evaluation) -> str:
    """The report of a model on its holdout, or on a new labelled folder."""
    about, judged = bundle.about, found.judged
    decision = replace(bundle.decision, holdout=found.outcome)
    warnings = [*facts.untrained(about), *contradicted(decision, found.what)]
    if found.data is None:
        warnings += facts.split_warning(*_split(about))
    apart = facts.apart(asdict(found.group_rule), *_split(about))
    warnings += facts.proposed_warning(asdict(found.group_rule))
    warnings += grouping_text.alike(found.known)
    warnings += not_scored(found.strange, bundle.classes.names)
    warnings += [found.unlike.partition(": ")[2].capitalize()] if found.unlike else []
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
        groups.section(groups.Grouped(
            judged.classes, judged.samples, judged.y, judged.groups, found.group_rule,
            found.proposal,
        )),
        scores.section(_sides(found.what, found.assessment, found.part_assessment), judged),
        thresholds.section(decision, judged.classes.names, _outcome(found.what, decision)),
        *_judged(judged, decision, looks_of_bundle(bundle, found.cache_path)),
        training.section(_history(bundle)),
        reproduce.section(reproduce.Reproduction(
            [commands.evaluate_command(bundle, found)],
            facts.model_facts(about, bundle.head.chosen), about["versions"],
            f"The versions are those that the model was made with. {_CLOSE}",
        )),
    ]  # fmt: skip
    shown: list[tuple[str, Child]] = [
        ("model", name(str(bundle.folder))), ("scored", [_size(judged), ": ", name(found.what)])
    ]  # fmt: skip
    verdict = model_verdict(
        found.parts or judged, found.part_assessment or found.assessment, warnings, apart=apart,
        decision=decision,
    )  # fmt: skip
    return _page(f"Evaluation: {bundle.head.title}", shown, verdict, sections)


def _sides(what: str, photographs: Assessment, parts: Assessment | None) -> dict[str, Assessment]:
    """By part, which is what is decided, and by photograph; these alone where a part has one."""
    if parts is None:
        return {what: photographs}
    return {f"{what}, by part": parts, "by photograph": photographs}


def write_report(path: Path, page: str, *, force: bool = False) -> Path:
    """Write a report, whole or not at all, and say where.

    Raises:
        OutputError: it cannot be written there, or a file would be lost that is no report.
    """
    check_overwritable(path, REPORT, force=force)
    write_whole(path, page)
    return path


def _photographs(dataset: Dataset, sides: dict[str, Indices]) -> Section:
    rule = GroupRule(**dataset.about["group_rule"])
    return data.section(data.Data(
        dataset.classes, dataset.samples, dataset.y, dataset.groups, rule.describe(),
        sides=sides, unreadable=dataset.unreadable(),
    ))  # fmt: skip


def _groups(dataset: Dataset, gap: Gap | None) -> Section:
    rule = GroupRule(**dataset.about["group_rule"])
    no_gap = (
        "It was not measured how much a random split flatters (--no-gap)."
        if has_parts(dataset.groups)
        else "No two photographs show one part, so a random split is one by part, too."
    )
    return groups.section(groups.Grouped(
        dataset.classes, dataset.samples, dataset.y, dataset.groups, rule, dataset.proposal,
        gap, no_gap,
    ))  # fmt: skip


def _audited(dataset: Dataset, file: Path) -> audit.Audited:
    return audit.audited(dataset, file, shlex.join(commands.audit_command(dataset, file)))


def _before(dataset: Dataset, audited: audit.Audited, file: Path) -> list[commands.Command]:
    """The commands that come first: of the cache, and of the audit if one is shown."""
    made = [commands.extract_command(dataset)]
    return made if audited.found is None else [*made, commands.audit_command(dataset, file)]


def _outcome(what: str, decision: Decision) -> dict[str, Outcome]:
    return {} if decision.holdout is None else {what: decision.holdout}


def _history(bundle: Bundle) -> list[dict[str, float]] | None:
    """How a loaded model learned, if it trained in epochs."""
    path = bundle.folder / "curves.csv"
    return read_curves(path.read_text("utf-8")) if path.is_file() else None


def _judged(
    judged: Judgements,
    decision: Decision | None = None,
    look: Looker | None = None,
    unseen: Unseen | None = None,
) -> list[Section | None]:
    """What there is to say of photographs that a model never saw.

    Args:
        judged: the photographs.
        decision: of a model; None of a head that has none yet.
        look: where the model looks.
        unseen: what its thresholds were chosen on, where the report is of that, too.
    """
    return [
        ranking.section(judged),
        confusion.section(judged),
        reliability.section(judged, unseen),
        cost.section(judged, decision, unseen),
        gallery.section(judged, look),
    ]


def _split(about: Mapping[str, Any]) -> tuple[str, int]:
    """The kind of split of a model, and how many parts stand on both of its sides."""
    return about["split"]["kind"], int(about["split"].get("torn", 0))


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
        f"Made by Onepass {versions().get('onepass', 'from a checkout')} on {now}. "
        "This file is complete: it loads nothing from anywhere and runs no script."
    )
    return Page(title, [*about, ("made", now)], verdict, sections, footer).html()
