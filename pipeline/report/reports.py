"""The three reports as HTML: which sections each of them has, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from features.arrays import Indices
from features.files import write_whole
from pipeline.data.dataset import Dataset
from pipeline.evaluation.band import DEFAULT_THRESHOLD, Band
from pipeline.evaluation.part_rules import by_part
from pipeline.evaluation.predictions import (
    Assessment,
    Predictions,
    assessed_sides,
    predicted_parts,
    predictions_of_side,
)
from pipeline.feature_specs.heads import HeadOnCachedRows
from pipeline.groups.proposal import say_parts
from pipeline.groups.rules import GroupRule
from pipeline.model.bundle import Bundle, Model, refused_if_forged, versions
from pipeline.model.evaluate import Evaluation
from pipeline.model.record import FitRecord
from pipeline.output.names import command_line
from pipeline.output.overwrite import REPORT, check_overwritable
from pipeline.output.wording import count
from pipeline.report import commands
from pipeline.report import provenance as facts
from pipeline.report.html import Child, name
from pipeline.report.page import Section, page_text
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
from pipeline.report.sections.gallery import CellsOf, cells_of_bundle, cells_of_folder
from pipeline.report.verdict import TELL_PARTS, comparison_verdict, model_verdict
from pipeline.terminal import groups as grouping_text
from pipeline.thresholds.decision import Decision, Unseen
from pipeline.thresholds.facts import contradicted
from pipeline.thresholds.outcome import Outcome
from pipeline.training.compare_heads import HeadComparison
from pipeline.training.comparison_table import for_people, letters_of
from pipeline.training.fit import Fit
from pipeline.training.optimism import Optimism, has_parts
from pipeline.training.training_curves import CURVES, read_curves

AUDIT = Path("audit") / "audit.json"
"""Where `audit` puts its findings unless it is told otherwise."""


def fit_report(
    dataset: Dataset,
    done: Fit,
    *,
    audit_file: Path = AUDIT,
    way: tuple[Sequence[commands.Command], str] | None = None,
) -> str:
    """Give the report of a trained model on the photographs that it was not trained on.

    Args:
        dataset: what it was trained on.
        done: of `pipeline.training.fit.fit`.
        audit_file: an audit, shown if it is of the same photographs.
        way: commands that give this model again, and a note; None of one that `fit` made alone.

    Returns:
        The text of an HTML file; `write_report` writes it.

    Example:
        >>> done = onepass.fit(dataset, Path("second"), onepass.FitOptions(head="ridge"))
        >>> page = onepass.fit_report(dataset, done)
    """
    audited, rule = _audited(dataset, audit_file), dataset.folder.group_rule
    asked, note = way or (
        [*_before(dataset, audited, audit_file), commands.fit_command(dataset, done)], "",
    )  # fmt: skip
    about_split = [*facts.split_warning(*_split(done.record)), *facts.refitted(done.record)]
    warnings = _warnings(dataset, audited, about_split, contradicted(done.decision))
    train, test = done.sides
    cells_of = cells_of_folder(done.folder, dataset.cache_path)
    sections = [
        _photographs(dataset, {"training": train, "held out": test}),
        _groups(dataset, done.optimism),
        audit.section(audited),
        scores.section(
            assessed_sides("held out", done.held_out, done.held_out_parts)
            | {"training": done.train},
            done.predicted, rule,
            "The photographs held out were scored once, and nothing was chosen on them.",
        ),
        thresholds.section(done.decision, done.classes.names, _outcome("held out", done.decision)),
        *_predicted(
            (done.predicted, done.parts), done.decision, cells_of, done.decision.unseen
        ),
        training.section(done.head.history),
        reproduce.section(reproduce.Reproduction(
            asked, facts.model_facts(done.record, done.head.chosen), versions(),
            f"{note} {reproduce.CLOSE}".strip(),
        )),
    ]  # fmt: skip
    title, sees = _headline(done.head)
    about: list[tuple[str, Child]] = [
        ("model", name(str(done.folder))), *sees,
        ("scored", f"{_size(done.predicted, rule)}, held out"),
    ]  # fmt: skip
    verdict = model_verdict(
        done.parts or done.predicted, done.held_out_parts or done.held_out, warnings,
        apart=facts.apart(rule, *_split(done.record)), rule=rule, decision=done.decision,
    )  # fmt: skip
    return page_text(f"Model report: {title}", about, verdict, sections)


def comparison_report(dataset: Dataset, found: HeadComparison, *, audit_file: Path = AUDIT) -> str:
    """Give the report of a comparison of heads, with a closer look at the best of them.

    Args:
        dataset: what they were compared on.
        found: of `pipeline.training.compare_heads.compare_heads`.
        audit_file: an audit, shown if it is of the same photographs.

    Returns:
        The text of an HTML file; `write_report` writes it.

    Example:
        >>> options = onepass.CompareOptions(heads=["ridge", "majority"], folds=3, jobs=1)
        >>> found = onepass.compare_heads(dataset, Path("comparison"), options)
        >>> page = onepass.comparison_report(dataset, found)
    """
    audited, rule = _audited(dataset, audit_file), dataset.folder.group_rule
    shown = for_people(found)
    result, best = shown.result, shown.result.table()[0]
    every = np.arange(len(dataset))
    predicted = predictions_of_side(
        dataset,
        every,
        shown.photographs.out_of_fold(best.head),
        Path(dataset.folder.root),
        Band.at(DEFAULT_THRESHOLD),
    )
    parts, part_scores = None, None
    if result is not shown.photographs:
        parts = predicted_parts(
            predicted, by_part(dataset.y, predicted.probabilities, dataset.groups, found.part_rule)
        )
        part_scores = Assessment.of_predictions(parts, seed=result.seed)
    pooled = Assessment.of(dataset.y, dataset.groups, predicted.probabilities, seed=result.seed)
    warnings = _warnings(dataset, audited, facts.split_warning(found.split), [])
    sections = [
        _photographs(dataset, {}),
        _groups(dataset, shown.optimism),
        audit.section(audited),
        heads.section(result, found.split, shown.photographs),
        scores.section(
            assessed_sides("out of fold", pooled, part_scores), predicted, rule,
            f"From here on: {best.title}, the best head. Each photograph was judged by the one "
            "that was trained without its fold, in the first round of folds, and all of them are "
            "scored together; the table above is a mean over folds, so the two differ a little.",
        ),
        *_predicted((predicted, parts)),
        reproduce.section(reproduce.Reproduction(
            [*_before(dataset, audited, audit_file), commands.compare_command(dataset, found)],
            facts.comparison_facts(dataset, found), versions(), reproduce.CLOSE,
        )),
    ]  # fmt: skip
    letters = letters_of(result.contenders)
    about = [("folder", name(str(found.folder))), ("compared on", _size(predicted, rule))]
    about += [(sign, name(spec)) for spec, sign in letters.items()]
    apart = facts.apart(rule, found.split)
    verdict = comparison_verdict(
        result, parts or predicted, part_scores or pooled, warnings, apart=apart, rule=rule,
    )  # fmt: skip
    return page_text(f"Comparison of {count(len(result.heads), 'head')}", about, verdict, sections)


def evaluation_report(bundle: Bundle, found: Evaluation, *, audit_file: Path = AUDIT) -> str:
    """Give the report of a model on its holdout, or on a new labelled folder.

    Args:
        bundle: the loaded model.
        found: of `evaluate_holdout` or `evaluate_folder`.
        audit_file: an audit, shown if it is of the photographs that the model was made of.

    Returns:
        The text of an HTML file; `write_report` writes it.

    Example:
        >>> found = onepass.evaluate_holdout(bundle, Path("features.h5"))
        >>> page = onepass.evaluation_report(bundle, found)
    """
    record, predicted = bundle.record.fit, found.predicted
    asked = commands.audit_of_model_command(bundle, found, audit_file)
    audited = audit.audited(record.content, audit_file, command_line(asked))
    decision = replace(bundle.decision, holdout=found.outcome)
    sections = [
        data.section(data.Data(
            predicted.classes, predicted.table_rows, predicted.y, predicted.groups,
            found.group_rule.describe(), unreadable=found.unreadable, notes=found.notes,
        )),
        groups.section(groups.Grouped(
            predicted.classes, predicted.table_rows, predicted.y, predicted.groups,
            found.group_rule, found.proposal,
        )),
        audit.section(audited),
        scores.section(
            assessed_sides(found.what, found.assessment, found.part_assessment), predicted,
            found.group_rule,
        ),
        thresholds.section(decision, predicted.classes.names, _outcome(found.what, decision)),
        *_predicted(
            (predicted, found.parts), decision, cells_of_bundle(bundle, found.cache_path)
        ),
        training.section(_history(bundle)),
        reproduce.section(reproduce.Reproduction(
            [*([asked] if audited.found else []), commands.evaluate_command(bundle, found)],
            facts.model_facts(record, bundle.head.chosen), bundle.record.versions,
            f"The versions are those that the model was made with. {reproduce.CLOSE}",
        )),
    ]  # fmt: skip
    title, sees = _headline(bundle.head)
    shown: list[tuple[str, Child]] = [
        ("model", name(str(bundle.folder))), *sees,
        ("scored", [_size(predicted, found.group_rule), ": ", name(found.what)]),
    ]  # fmt: skip
    verdict = model_verdict(
        found.parts or predicted, found.part_assessment or found.assessment,
        [
            *audit.warnings(audited, "The audit of what it was made of"),
            *_evaluation_warnings(bundle, found, decision),
        ],
        apart=facts.apart(found.group_rule, *_split(record)) if found.data is None
        else found.group_rule.known,
        rule=found.group_rule, decision=decision, remedy=None if found.data is None else TELL_PARTS,
    )  # fmt: skip
    return page_text(f"Evaluation: {title}", shown, verdict, sections)


def _headline(head: Model) -> tuple[str, list[tuple[str, Child]]]:
    """Name a head in a few words; what it sees, which is long, is a line below."""
    if isinstance(head, HeadOnCachedRows):
        return head.head.title, [("sees", name(head.spec.text))]
    return head.title, []


def _evaluation_warnings(bundle: Bundle, found: Evaluation, decision: Decision) -> list[str]:
    """List what speaks against the scores of an evaluation, or belongs beside them."""
    record = bundle.record.fit
    warnings = [*facts.untrained(record.folder), *contradicted(decision, found.what)]
    if found.data is None:
        warnings += facts.split_warning(*_split(record))
    warnings += facts.proposed_warning(found.group_rule)
    warnings += grouping_text.alike(found.known)
    warnings += found.not_scored
    unlike = found.unlike.removeprefix("note: ").removeprefix("warning: ")
    warnings += [unlike] if unlike else []
    if found.group_rule.kind == "none":
        warnings.append(
            "Nobody said which photographs show one part. Every photograph counts as a part of "
            "its own, which makes the intervals narrower than they are"
        )
    return warnings


def write_report(path: Path, page: str, *, force: bool = False) -> Path:
    """Write a report, whole or not at all, and say where.

    Args:
        path: of the HTML file.
        page: its text.
        force: whether any file may be replaced.

    Raises:
        OutputError: it cannot be written there, or a file would be lost that is no report.

    Example:
        >>> found = onepass.evaluate_holdout(bundle, Path("features.h5"))
        >>> page = onepass.evaluation_report(bundle, found)
        >>> onepass.write_report(Path("evaluation.html"), page).name
        'evaluation.html'
    """
    check_overwritable(path, REPORT, force=force)
    write_whole(path, page)
    return path


def _photographs(dataset: Dataset, sides: dict[str, Indices]) -> Section:
    rule = dataset.folder.group_rule
    return data.section(data.Data(
        dataset.classes, dataset.table_rows, dataset.y, dataset.groups, rule.describe(),
        sides=sides, unreadable=dataset.unreadable(),
    ))  # fmt: skip


def _groups(dataset: Dataset, optimism: Optimism | None) -> Section:
    rule = dataset.folder.group_rule
    no_optimism = (
        "It was not measured how much a random split flatters (--no-optimism)."
        if has_parts(dataset.groups)
        else "No two photographs show one part, so a random split is one by part, too."
    )
    return groups.section(groups.Grouped(
        dataset.classes, dataset.table_rows, dataset.y, dataset.groups, rule, dataset.proposal,
        optimism, no_optimism,
    ))  # fmt: skip


def _audited(dataset: Dataset, file: Path) -> audit.Audited:
    remedy = command_line(commands.audit_command(dataset, file))
    return audit.audited(dataset.part_of or dataset.content, file, remedy)


def _before(dataset: Dataset, audited: audit.Audited, file: Path) -> list[commands.Command]:
    """List the commands that come first: of the cache, and of the audit if one is shown."""
    made = [commands.extract_command(dataset)]
    return made if audited.found is None else [*made, commands.audit_command(dataset, file)]


def _outcome(what: str, decision: Decision) -> dict[str, Outcome]:
    return {} if decision.holdout is None else {what: decision.holdout}


def _history(bundle: Bundle) -> list[dict[str, float]] | None:
    """Read how a loaded model learned, if it trained in epochs."""
    path = bundle.folder / CURVES
    with refused_if_forged(bundle.folder):
        return read_curves(path.read_text("utf-8")) if path.is_file() else None


def _warnings(
    dataset: Dataset, audited: audit.Audited, split: Sequence[str], refuted: Sequence[str]
) -> list[str]:
    """List what makes the numbers less trustworthy, what weighs most first."""
    return [
        *audit.warnings(audited), *facts.untrained(dataset.folder),
        *facts.proposed_warning(dataset.folder.group_rule), *split, *dataset.warnings, *refuted,
    ]  # fmt: skip


def _predicted(
    predicted: tuple[Predictions, Predictions | None],
    decision: Decision | None = None,
    cells_of: CellsOf | None = None,
    unseen: Unseen | None = None,
) -> list[Section | None]:
    """Write what there is to say of photographs that a model never saw: of their parts, too.

    Args:
        predicted: the photographs, and their parts where these are judged as wholes.
        decision: of a model; None of a head that has none yet.
        cells_of: where the model looks.
        unseen: what its thresholds were chosen on, where the report is of that, too.
    """
    photographs, parts = predicted
    units = parts or photographs
    return [
        ranking.section(units),
        confusion.section(units, photographs if parts else None),
        reliability.section(units, unseen),
        cost.section(units, decision, unseen),
        gallery.section(units, cells_of),
    ]


def _split(record: FitRecord) -> tuple[str, int]:
    """Give the kind of split of a model, and how many parts stand on both of its sides."""
    return record.split.kind, record.split.torn


def _size(predicted: Predictions, rule: GroupRule) -> str:
    parts = say_parts(len(np.unique(predicted.groups)), rule)
    return f"{count(len(predicted.y), 'photograph')} of {parts}"
