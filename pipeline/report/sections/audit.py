"""Show what an audit of these photographs found: shortcuts, labels, photographs to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import OnepassError
from pipeline.audit.finding_tables import copies_table, photographs_table, suspects_table
from pipeline.audit.result import Audit, BackgroundFinding, LabelFindings, Shortcuts, read_audit
from pipeline.output.result_table import Table
from pipeline.output.tables import printable
from pipeline.output.wording import count, sentence
from pipeline.report.html import Html, element, folded, join, result_table
from pipeline.report.page import Section, paragraphs

_LISTED = 20


@dataclass(frozen=True)
class Audited:
    """The input of this section.

    Attributes:
        found: an audit of these very photographs; None where there is none.
        reason: why there is none.
        remedy: the command that makes one.
    """

    found: Audit | None
    reason: str = ""
    remedy: str = ""


def audited(content: str, file: Path, remedy: str) -> Audited:
    """Read an audit, if it is of these photographs, classes and parts.

    Args:
        content: `pipeline.data.dataset.Labelled.content` of them.
        file: audit.json.
        remedy: the command that makes one.
    """
    try:
        found = read_audit(file)
    except OnepassError as error:
        return Audited(None, str(error), remedy)
    if found.content != content:
        reason = f"{file} is of other photographs, classes or parts"
        return Audited(None, reason, remedy)
    return Audited(found)


def warnings(given: Audited, who: str = "The audit") -> list[str]:
    """Say the shortcuts, the strongest first, whether pixels show them or not; torn copies.

    Args:
        given: an audit, or none.
        who: what found them, at the beginning of a sentence.
    """
    if given.found is None:
        return []
    shortcuts = given.found.shortcuts
    facts = shortcuts.found if shortcuts else []
    found = [(fact.auc, fact.sentence) for fact in facts]
    background = given.found.background
    if background is not None and background.shortcut:
        found.append((background.border_auc, background.sentence))
    strength = {sentence: abs(auc - 0.5) for auc, sentence in found}
    strongest = sorted(strength, key=lambda sentence: -strength[sentence])
    said = [f"{who} found: {printable(sentence)}" for sentence in strongest]
    said += [
        f"{who} found that {fact.title} separates the classes perfectly; there are too few "
        "parts to prove that it is no chance"
        for fact in (shortcuts.unproven if shortcuts else [])
    ]
    if given.found.copies:
        many = count(len(given.found.copies), "photograph lies", "photographs lie")
        said.append(f"{who} found that {many} in several classes, byte for byte the same")
    return said


def section(given: Audited) -> Section:
    """Give the audit's sentences and lists, or how to make one."""
    title = "Audit: what could mislead a model"
    found = given.found
    if found is None:
        body = [
            paragraphs(
                "Whether the class can be told from what should not matter, whether labels are "
                f"wrong, and which photographs are unusable, was not looked into: {given.reason}. "
                "This does:"
            ),
            element("pre", element("code", given.remedy), tabindex=0),
        ]
        return Section("audit", title, join(body))
    body = [
        *(
            _shortcuts(found.shortcuts, list(found.classes))
            if found.shortcuts and (found.shortcuts.folds or found.shortcuts.unproven)
            else []
        ),
        *(_background(found.background) if found.background else []),
        *(_labels(found.labels) if found.labels else []),
        *_photographs(found),
        paragraphs(*(f"Note: {printable(note)}." for note in found.notes)),
    ]
    return Section("audit", title, join(body))


def _shortcuts(found: Shortcuts, names: Sequence[str]) -> list[Html]:
    sentences = [element("li", printable(fact.sentence)) for fact in found.found]
    sentences += [
        element("li", f"{fact.title} separates the classes perfectly: too few parts to prove it")
        for fact in found.unproven
    ]
    facts = len(found.facts)
    none = f"None of {count(facts, 'fact')} about the files tells the class well enough to be one."
    return [
        element("h3", "Shortcuts: can the class be told from what should not matter?"),
        element("ul", sentences) if sentences else paragraphs(none),
        paragraphs(
            f"With so many parts a typical fact is told from chance from AUC {found.needed:.2f} on."
        )
        if facts
        else Html(),
        folded(
            "All facts as a table",
            result_table(found.table(names)),
            paragraphs(sentence(found.repeated)) if found.repeated else None,
        )
        if facts
        else Html(),
    ]


def _background(found: BackgroundFinding) -> list[Html]:
    return [
        element("h3", "Background: what the border alone tells"),
        paragraphs(
            f"{printable(found.sentence)}. Looked at: {count(found.photographs, 'photograph')} of "
            f"{count(found.parts, 'part')}, as far as parts are known."
        ),
    ]


def _labels(found: LabelFindings) -> list[Html]:
    if not found.judged:
        said = f"Not judged: the head hardly tells the classes {found.of()}."
        return [element("h3", "Labels"), paragraphs(said)]
    weak = (
        f" Of {', '.join(map(printable, found.weak))} the head knows too little to doubt their "
        "labels: most of those are hard photographs."
        if found.weak
        else ""
    )
    return [
        element("h3", "Labels"),
        paragraphs(
            f"At most about {found.estimated:,} are wrong, {len(found.suspects):,} are to be "
            f"checked {found.of()}. Photographs that are hard to judge look just like wrong "
            f"labels.{weak}"
        ),
        _folded(suspects_table(found.suspects, _LISTED)),
    ]


def _photographs(found: Audit) -> Sequence[Html]:
    return [
        element("h3", "Photographs"),
        paragraphs(
            f"{len(found.outliers):,} unlike all others, {len(found.unusable):,} hardly usable "
            f"(blurred, too bright, too dark or near-uniform), {len(found.copies):,} in several "
            "classes at once."
        ),
        _folded(photographs_table([*found.unusable, *found.outliers], _LISTED)),
        _folded(copies_table(found.copies, _LISTED)),
    ]


def _folded(made: Table) -> Html:
    return folded(f"{made.title}, as a table", result_table(made)) if made.rows else Html()
