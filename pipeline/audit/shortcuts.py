"""Facts to shortcuts: which of them tell the class, and what to say of it."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from features.arrays import Floats, Indices
from pipeline.audit.bins import Column
from pipeline.audit.columns import CONSTANT, Testable, reasons
from pipeline.audit.metadata_facts import FACTS
from pipeline.audit.permutation_test import LEVEL, Told, tell_apart
from pipeline.audit.result import FactFinding, Shortcuts
from pipeline.data.dataset import Labelled
from pipeline.data.splits import Fold

_FEW = 0.1  # share of the photographs that a fact may tell apart in groups
_SAME = 0.97  # rank correlation from which two facts are one, such as time and counter
_ONE = {"file_size", "bytes_per_pixel"}  # one fact, told in two ways, however sizes vary

LEAST_AUC = 0.6
"""Below this a fact is no shortcut that a model would take, however certain the difference is."""


def find_shortcuts(
    data: Labelled,
    testable: Testable,
    rounds: Sequence[Fold],
    *,
    shuffles: int,
    seed: int,
) -> Shortcuts:
    """Judge every fact of the photographs.

    Args:
        data: n photographs.
        testable: their facts, from `pipeline.audit.columns.collect`.
        rounds: grouped folds.
        shuffles: of the classes; see `pipeline.audit.permutation_test.tell_apart`.
        seed: of the shuffles.
    """
    told = tell_apart(testable.columns, data.y, data.groups, rounds, shuffles=shuffles, seed=seed)
    pairs = list(zip(testable.columns, told, strict=True))
    pairs.sort(key=lambda pair: not _is_shortcut(pair[1]))  # a shortcut stands for others, never
    # a fact that tells nothing for it.
    alike = _same_facts([column for column, _ in pairs])
    findings = [
        _finding(data, testable, column, one, same_as)
        for (column, one), same_as in zip(pairs, alike, strict=True)
    ]
    findings.sort(key=lambda finding: -finding.auc)
    return Shortcuts(
        findings,
        reasons(testable.left_out),
        folds=len({fold.fold for fold in rounds}),
        repeats=len({fold.repeat for fold in rounds}),
        shuffles=shuffles,
        level=LEVEL,
        least_auc=LEAST_AUC,
    )


def _is_shortcut(told: Told) -> bool:
    return bool(told.p_value <= LEVEL and told.auc >= LEAST_AUC)


def describe_facts(data: Labelled, testable: Testable) -> Shortcuts:
    """Say what facts are like where a class has too few parts for folds: nothing is proved.

    Args:
        data: n photographs.
        testable: their facts.
    """
    judged = 1 if data.classes.binary else len(data.classes.names)
    chance = Told(math.nan, math.nan, math.nan, 1.0, 1.0, (math.nan,) * judged)
    findings = [
        _finding(data, testable, column, chance, same_as)
        for column, same_as in zip(testable.columns, _same_facts(testable.columns), strict=True)
    ]
    findings.sort(key=lambda finding: not finding.perfect)
    return Shortcuts(
        findings, reasons(testable.left_out), 0, 0, 0, level=LEVEL, least_auc=LEAST_AUC
    )


def _same_facts(columns: Sequence[Column]) -> list[str]:
    """Give for each fact an earlier one's title that says the same of photographs; "" for none.

    Two say the same that order photographs alike, that tell the same few groups of them apart, or
    that are one fact anyway.
    """
    ranks = [_ranks(column) for column in columns]
    found: list[str] = []
    for i, column in enumerate(columns):
        same = next(
            (j for j in range(i) if not found[j] and (
                {columns[j].name, column.name} == _ONE
                or _order_alike(columns[j], column, ranks[j], ranks[i])
                or _same_groups(columns[j], column))),
            None,
        )  # fmt: skip
        found.append("" if same is None else FACTS[columns[same].name].title)
    return found


def _order_alike(one: Column, other: Column, ranks: Floats, others: Floats) -> bool:
    if not (one.ordered and other.ordered):
        return False
    return bool(abs(float(np.corrcoef(ranks, others)[0, 1])) >= _SAME)


def _same_groups(one: Column, other: Column) -> bool:
    """Say whether photographs of one value of the one are those of one value of the other."""
    if not np.array_equal(one.known, other.known):
        return False
    values = np.stack([one.values[one.known], other.values[one.known]])
    groups = len(np.unique(values, axis=1).T)
    counts = {len(np.unique(side)) for side in values}
    return counts == {groups} and 1 < groups <= _FEW * values.shape[1]


def _ranks(column: Column) -> Floats:
    """Rank the values, ties by their mean; what is not known stands in the middle."""
    values = np.where(column.known, column.values, np.median(column.values[column.known]))
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse], np.float64)


def _separates(column: Column, y: Indices) -> bool:
    """Say whether no value, or no range of values, of one class is met in another."""
    known = column.known
    values, classes = column.values[known], y[known]
    present = [values[classes == number] for number in np.unique(y)]
    if len(present) < 2 or any(len(one) == 0 for one in present):
        return False
    if not column.ordered:
        return len(np.unique(values)) == sum(len(np.unique(one)) for one in present)
    spans = sorted((one.min(), one.max()) for one in present)
    return all(left[1] < right[0] for left, right in itertools.pairwise(spans))


def _finding(
    data: Labelled, testable: Testable, column: Column, told: Told, same_as: str
) -> FactFinding:
    fact, names = FACTS[column.name], data.classes.names
    above, shortcut = told.p_value <= LEVEL, _is_shortcut(told)
    words = testable.words.get(column.name)
    judged = [names[1]] if len(names) == 2 else names
    per_class = dict(zip(judged, told.per_class, strict=True))
    return FactFinding(
        name=fact.name,
        title=fact.title,
        in_pixels=fact.in_pixels,
        photographs=int(column.known.sum()),
        auc=told.auc,
        low=told.low,
        high=told.high,
        p_value=told.p_value,
        needed=told.needed,
        above_chance=above,
        shortcut=shortcut,
        per_class=per_class,
        typical={
            name: _typical(column, data.y == number, words) for number, name in enumerate(names)
        },
        sentence=_sentence(data, testable, column, told, per_class) if shortcut else "",
        same_as=same_as,
        perfect=_separates(column, data.y),
    )


def _typical(column: Column, rows: Indices, words: Sequence[str] | None) -> str:
    """Give the median of these rows as text, or their most frequent word and its share."""
    values = column.values[rows & column.known]
    if not len(values):
        return "none"
    show = FACTS[column.name].show
    if show is not None:
        return show(float(np.median(values)))
    assert words is not None
    code, count = Counter(values.astype(int).tolist()).most_common(1)[0]
    share = count / len(values)
    return words[code] + (f" ({math.floor(100 * share)} %)" if share < 1 else "")


def _sentence(
    data: Labelled,
    testable: Testable,
    column: Column,
    told: Told,
    per_class: dict[str, float],
) -> str:
    fact, names = FACTS[column.name], data.classes.names
    words = testable.words.get(column.name)
    score = f"AUC {told.auc:.2f} [{told.low:.2f}, {told.high:.2f}]"
    best = max(per_class, key=lambda name: per_class[name])
    member = data.y == names.index(best)
    if len(names) == 2:
        rest, claim = names[0], f"tells {best} from {names[0]}"
    else:
        rest, claim = "the others", "tells the classes apart"
        score += f", most of all {best}, {per_class[best]:.2f}"
    own, other = (_typical(column, rows, words) for rows in (member, ~member))
    title = fact.title[0].upper() + fact.title[1:]
    typical = "" if own == other else f" (typical: {best} {own}, {rest} {other})"
    return f"{title} alone {claim} with {score}{typical}: {_advice(column.name, testable)}."


def _advice(name: str, testable: Testable) -> str:
    """Say what a fact may mean; a cause is named only where the photographs speak for it."""
    alike = testable.left_out.get("jpeg_tables") == CONSTANT
    if name in ("file_size", "bytes_per_pixel") and alike:
        return (
            "all files have the same JPEG quality tables, so the pictures themselves differ (in "
            "detail, noise, light or background, or by the defect) or what else the files hold "
            "(previews, comments); look at photographs of both classes side by side"
        )
    return FACTS[name].advice
