"""An audit as plain text for a terminal. Nothing here computes; nothing here prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.audit.finding_tables import copies_table, photographs_table, suspects_table
from pipeline.audit.result import Audit, LabelFindings, Shortcuts
from pipeline.output.result_table import Column, Table
from pipeline.output.tables import printable

_SHOWN = 10
_BINARY = 2


def audit(found: Audit, out: Path) -> str:
    """Write all findings, the shortcuts first."""
    blocks = [
        _shortcuts(found.shortcuts, list(found.classes)) if found.shortcuts else "",
        f"Background: {printable(found.background.sentence)}" if found.background else "",
        _labels(found.labels) if found.labels else "",
        _table(photographs_table([*found.unusable, *found.outliers], _SHOWN)),
        _table(copies_table(found.copies, _SHOWN)),
        "\n".join(f"note: {printable(note)}" for note in found.notes),
        f"written: {out} (audit.json, audit.csv, photographs.csv and sheets) "
        f"in {found.seconds:.1f} s",
    ]
    return "\n\n".join(block for block in blocks if block)


def _shortcuts(found: Shortcuts, names: Sequence[str]) -> str:
    if len(names) == _BINARY and found.facts and not found.folds:
        there = [n for n in names if any(fact.typical[n] != "none" for fact in found.facts)]
        if len(there) == 1:
            return _typical(found, there[0])
    lines = ["Shortcuts: can the class be told from what should not matter?", ""]
    lines += [found.table(names).text()] if found.facts else ["no fact varies; nothing to judge"]
    lines += [found.repeated] if found.repeated else []
    if not found.folds:
        return "\n".join([*lines, "", *_sentences(found)])
    lines += [
        "AUC 0.5 is chance, 1 is always right; by part, "
        f"{found.folds} folds, {found.repeats} repeats; intervals over parts",
        f"p: from {found.shuffles} shuffles of the classes among parts, corrected for all "
        f"{len(found.facts)} facts: even one false alarm has a chance of at most "
        f"{100 * found.level:.0f} %",
        f"shortcut: p at most {found.level:g} and AUC at least {found.least_auc:g}",
    ]
    if found.facts:
        lines.append(
            f"with so many parts, a typical fact is told from chance from AUC {found.needed:.2f} on"
        )
    lines += ["", *_sentences(found)]
    lines += [f"not judged, {why}: {', '.join(titles)}" for why, titles in found.left_out.items()]
    return "\n".join(lines)


def _typical(found: Shortcuts, name: str) -> str:
    """Say what is usual of the one class that there is."""
    columns = [Column("fact"), Column(f"typical {name}", words=True)]
    made = Table(
        "Shortcuts: not judged, for there is one class alone", columns,
        [[fact.title, fact.typical[name]] for fact in found.told_once],
    )  # fmt: skip
    return _table(made)


_NOTHING_JUDGED = "No fact separates the classes perfectly; less cannot be told from chance here."


def _sentences(found: Shortcuts) -> Iterable[str]:
    for fact in found.unproven:
        yield (
            f"{fact.title[0].upper() + fact.title[1:]} separates the classes perfectly: too few "
            "parts to prove that it is no chance"
        )
    if not found.found and not found.unproven:
        yield "No shortcut was found." if found.folds else _NOTHING_JUDGED
    for title, visible in (
        ("what a model can see", True),
        ("what a model cannot see, but what changed with the classes", False),
    ):
        sentences = [fact.sentence for fact in found.found if fact.in_pixels == visible]
        if sentences:
            yield f"{title}:"
            yield from (f"  {printable(sentence)}" for sentence in sentences)


def _labels(found: LabelFindings) -> str:
    if not found.judged:
        return f"Labels: not judged, for the head hardly tells the classes {found.of()}"
    lines = [
        f"Labels: at most about {found.estimated:,} are wrong, {len(found.suspects):,} to check"
        f" {found.of()}"
    ]
    if found.suspects:
        lines += ["", _table(suspects_table(found.suspects, _SHOWN)), ""]
        lines += [
            "the order: how far both classes are from what is usual of photographs of theirs",
            "photographs that are hard to judge look just like wrong labels: look at them",
        ]
    if found.weak:
        lines.append(
            f"the head hardly knows {', '.join(map(printable, found.weak))}: what it doubts there "
            "is mostly hard to judge, not wrong"
        )
    return "\n".join(lines)


def _table(made: Table) -> str:
    """Print a table below what it shows; one without rows is its title alone."""
    return f"{made.title}\n{made.text()}" if made.rows else made.title
