"""Facts to shortcuts: which of them tell the class, and what to say of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from features.arrays import Indices
from pipeline.audit.bins import Column
from pipeline.audit.columns import Judgeable, reasons
from pipeline.audit.metadata_facts import FACTS
from pipeline.audit.permutation_test import LEVEL, Told, tell_apart
from pipeline.audit.result import FactFinding, Shortcuts
from pipeline.data.dataset import Labelled
from pipeline.data.splits import Fold

LEAST_AUC = 0.6
"""Below this a fact is no shortcut that a model would take, however certain the difference is."""


def find_shortcuts(
    data: Labelled,
    judgeable: Judgeable,
    rounds: Sequence[Fold],
    *,
    shuffles: int,
    seed: int,
) -> Shortcuts:
    """Judge every fact of the photographs.

    Args:
        data: n photographs.
        judgeable: their facts, from `pipeline.audit.columns.collect`.
        rounds: grouped folds.
        shuffles: of the classes; see `pipeline.audit.permutation_test.tell_apart`.
        seed: of the shuffles.
    """
    told = tell_apart(judgeable.columns, data.y, data.groups, rounds, shuffles=shuffles, seed=seed)
    findings = [
        _finding(data, judgeable, column, one)
        for column, one in zip(judgeable.columns, told, strict=True)
    ]
    findings.sort(key=lambda finding: -finding.auc)
    return Shortcuts(
        findings,
        reasons(judgeable.left_out),
        folds=len({fold.fold for fold in rounds}),
        repeats=len({fold.repeat for fold in rounds}),
        shuffles=shuffles,
        level=LEVEL,
        least_auc=LEAST_AUC,
    )


def _finding(data: Labelled, judgeable: Judgeable, column: Column, told: Told) -> FactFinding:
    fact, names = FACTS[column.name], data.classes.names
    above = told.p_value <= LEVEL
    shortcut = above and told.auc >= LEAST_AUC
    words = judgeable.words.get(column.name)
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
        sentence=_sentence(data, column, told, per_class, words) if shortcut else "",
    )


def _typical(column: Column, rows: Indices, words: Sequence[str] | None) -> str:
    """The median of these rows as text, or their most frequent word and its share."""
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
    column: Column,
    told: Told,
    per_class: dict[str, float],
    words: Sequence[str] | None,
) -> str:
    fact, names = FACTS[column.name], data.classes.names
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
    return f"{title} alone {claim} with {score}{typical}: {fact.advice}."
