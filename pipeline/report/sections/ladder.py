"""The write-up's ladder: its table, and how each of its models learned on both splits."""

from __future__ import annotations

from pipeline.evaluation.intervals import Intervals
from pipeline.output.wording import interval
from pipeline.report.html import Child, Row, element, join, table
from pipeline.report.page import Section, paragraphs
from pipeline.report.sections.training import curve_chart
from pipeline.write_up.ladder import COLUMNS, SPLITS, TITLES, Ladder
from pipeline.write_up.ladder import Row as LadderRow


def scores(found: Ladder) -> Section:
    """Give the table of all rungs on both splits, beside the write-up's figures.

    Args:
        found: of `pipeline.write_up.reproduce.reproduce`.
    """
    head = found.table()[0]
    rows = [_row(row, found.intervals[row.rung, row.split]) for row in found.rows()]
    body = [
        paragraphs(found.describe()),
        table("Four models on both splits", head, rows, texts=[1, len(head) - 1]),
        paragraphs(found.about_intervals("Below the means")),
    ]
    return Section("ladder", "Scores: four models on two splits", join(body))


def _row(row: LadderRow, intervals: Intervals) -> Row:
    model, split, *numbers, write_up = row.cells()
    bounds = row.bounds(intervals)
    cells: list[Child] = []
    for (column, *_), number in zip(COLUMNS, numbers, strict=True):
        low, high = bounds.get(f"{column}_low"), bounds.get(f"{column}_high")
        span = None
        if low is not None and high is not None:
            span = element("small", interval(low, high), class_="range")
        cells.append([number, span])
    return [model, split, *cells, write_up]


def curves(found: Ladder) -> Section:
    """Draw the accuracy per epoch of every rung, on one scale, the splits side by side."""
    histories = {(rung, split): found.history(rung, split) for rung in TITLES for split in SPLITS}
    names = ("accuracy", "val_accuracy")
    seen = [e[name] for made in histories.values() for e in made for name in names if name in e]
    scale = min([0.5, *seen]), 1.0
    pairs = [
        [
            element("h3", title),
            element(
                "div",
                [
                    curve_chart(
                        histories[rung, split], "accuracy", f"curve-{rung}-{split}",
                        f"{title}: {SPLITS[split]}", scale,
                    ).html()
                    for split in SPLITS
                ],
                class_="pair",
            ),
        ]
        for rung, title in TITLES.items()
    ]  # fmt: skip
    text = (
        "Accuracy per epoch, as means over the seeds. Where the training curve leaves the "
        "validation curve behind, a model learns its photographs by heart."
    )
    return Section("curves", "Curves: how they learned", join([paragraphs(text), pairs]))
