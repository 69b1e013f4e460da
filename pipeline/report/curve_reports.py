"""The reports of curves: how scores grow with parts, and the write-up's ladder."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.data.dataset import Dataset
from pipeline.model.bundle import versions
from pipeline.output.wording import count, interval, percent, score, sentence
from pipeline.report import commands
from pipeline.report import provenance as facts
from pipeline.report.html import join, name
from pipeline.report.page import KeyFigure, Section, Verdict, page_text, paragraphs
from pipeline.report.sections import data, ladder, learning, reproduce
from pipeline.training.forecast import Forecast
from pipeline.training.learning_curve import SHOWN, TITLES, LearningCurve
from pipeline.write_up.ladder import TITLES as RUNGS
from pipeline.write_up.ladder import Ladder


def learning_curve_report(dataset: Dataset, found: LearningCurve) -> str:
    """Give the report of a learning curve.

    Args:
        dataset: what it is of.
        found: of `pipeline.training.learning_curve.learning_curve`.

    Returns:
        The text of an HTML file; `pipeline.report.write_report` writes it.

    Example:
        >>> options = onepass.CurveOptions(heads=["ridge"], draws=2, jobs=1)
        >>> curve = onepass.learning_curve(dataset, Path("learning-curve"), options)
        >>> page = onepass.learning_curve_report(dataset, curve)
    """
    rule = dataset.folder.group_rule
    warnings = [
        *facts.untrained(dataset.folder), *facts.proposed_warning(rule), *dataset.warnings,
    ]  # fmt: skip
    made = [commands.extract_command(dataset), commands.learning_curve_command(dataset, found)]
    sections = [
        data.section(data.Data(
            dataset.classes, dataset.table_rows, dataset.y, dataset.groups, rule.describe(),
            unreadable=dataset.unreadable(),
        )),
        learning.section(found),
        reproduce.section(reproduce.Reproduction(
            made, facts.learning_facts(dataset, found), versions(), reproduce.CLOSE,
        )),
    ]  # fmt: skip
    heads = count(len(found.result.heads), "head")
    size = f"{heads}, trained on up to {found.sizes[0].parts:,.0f} parts"
    about = [("folder", name(str(found.table.parent))), ("compared", size)]
    return page_text("Learning curve", about, _growth(found, warnings), sections)


def _growth(found: LearningCurve, warnings: Sequence[str]) -> Verdict:
    """Say what twice as many parts would bring to the head that is best now."""
    title = TITLES[SHOWN[0]]
    ahead = {head: f for (head, key), f in found.forecasts.items() if key == SHOWN[0]}
    note = [found.note[:1].upper() + found.note[1:]] if found.note else []
    if not ahead:
        return Verdict(
            "The scores are not defined on enough draws to look ahead.", note, [], warnings
        )
    best = max(ahead, key=lambda head: ahead[head].now)
    of_best = ahead[best]
    headline = {
        "more": f"More parts would help: {best} would gain about {of_best.gain:+.3f} {title} from "
        "twice as many.",
        "little": f"More parts would bring next to nothing to {best}.",
        "unknown": f"Nobody can tell yet what more parts would bring to {best}.",
    }[of_best.kind]
    *each, law = found.outlook()
    sentences = [
        *(f"{told}." for told in each),
        sentence(law),
        *note,
    ]
    return Verdict(headline, sentences, _figures(best, title, of_best), warnings)


def _figures(head: str, title: str, ahead: Forecast) -> list[KeyFigure]:
    span = interval(ahead.now + ahead.low, ahead.now + ahead.high)
    return [
        KeyFigure(f"{title} now", score(ahead.now), f"{head}, {count(ahead.parts, 'part')}"),
        KeyFigure(
            f"{title} with twice as many", score(ahead.now + ahead.gain), f"95 % interval {span}"
        ),
    ]


def reproduction_report(found: Ladder) -> str:
    """Give the report of the write-up's ladder, with the curves of its trainings.

    Args:
        found: of `pipeline.write_up.reproduce.reproduce`.

    Returns:
        The text of an HTML file; `pipeline.report.write_report` writes it.

    Example:
        >>> ladder = onepass.reproduce(Path("data"), Path("reproduction"))  # doctest: +SKIP
        >>> page = onepass.reproduction_report(ladder)  # doctest: +SKIP
    """
    *single, last = found.words()
    figures = [
        KeyFigure(
            RUNGS[row.rung],
            percent(row.mean["validation_balanced_accuracy"]),
            "balanced accuracy on parts never seen",
        )
        for row in found.rows()
        if row.split == "grouped"
    ]
    sections = [ladder.scores(found), ladder.curves(found), _sheet(found)]
    about = [
        ("folder", name(str(found.photographs.root))),
        ("photographs", f"{len(found.photographs):,}"),
    ]
    return page_text("The write-up's ladder", about, Verdict(last, single, figures), sections)


def _sheet(found: Ladder) -> Section:
    judged = found.verdicts()
    wrong = sum(one.verdict != one.truth for one in judged)
    others = "other parts"
    if not found.photographs.group_rule.known:
        others += ", as far as it is known which photographs show one"
    text = (
        f"{RUNGS['dense']}, trained on {others}, judged {count(len(judged), 'photograph')} and "
        f"was wrong about {wrong:,}. They stand with their verdicts in sheet.png, beside this page."
    )
    return Section("sheet", "Sheet: verdicts on parts never seen", join([paragraphs(text)]))
