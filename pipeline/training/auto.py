"""Choose a head and what it sees, on the training part alone.

No single pair is the best on all kinds of photographs: linear heads find what is bent or wrinkled,
a Gaussian kernel a crack in one of fourteen tiles. So a few pairs are tried, the simplest first;
docs/results.md has what each of them scores on six kinds of photographs, and what the choice does.

Protocol: each head is trained on each feature spec on inner folds of the training part that keep
parts together, and judges the rows that it did not see; its settings are chosen there as well
(`pipeline.heads.tuning`). A pair's score is the ROC AUC over parts, each part judged by the mean
decision value of its photographs of one class, averaged with that over photographs, which tells
pairs apart where few parts are easy; the mean over the folds. The highest wins, and of pairs that
differ by less than `TIE` the first. The holdout is not touched, so that its score is honest for
whatever was chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from features.arrays import Floats, Indices
from features.cluster.parallel import each
from features.errors import HeadError
from features.photographs.views import FULL, LARGE
from features.runtime import Taken
from pipeline.data.dataset import Dataset
from pipeline.data.lazy_rows import StoredRows
from pipeline.feature_specs.heads import Contender
from pipeline.feature_specs.rows import rows_in
from pipeline.feature_specs.spec import FLAT, FeatureSpec
from pipeline.heads import load_head_class, make_head
from pipeline.heads.base import Head, Scalar
from pipeline.heads.gram_head import RowSpaceHead
from pipeline.heads.sides import smaller_side, taken_by_reading, with_room
from pipeline.heads.tuning import TrainingPart, auc

AUTO = "auto"
"""What `fit --head` and `--features` take, and are by default."""

TIE = 0.001
"""Differences of the score below this are none: the simpler pair is taken."""

LINEAR, KERNEL = ("ridge", "linear-svm"), "rbf-svm"
HEADS = (*LINEAR, KERNEL)
"""What `compare-heads` compares where nobody names heads and rows keep a closer look."""

Progress = Callable[[int, int, str], None]


class Trial(NamedTuple):
    """A pair that was tried, and its score; nan where it could not be told."""

    contender: Contender
    score: float


@dataclass(frozen=True)
class Choice:
    """Hold what was chosen, and among what.

    Attributes:
        contender: the pair.
        trials: all pairs in the order in which they were tried, the simplest first.
        reason: why none could be told apart; "" where they could.
    """

    contender: Contender
    trials: tuple[Trial, ...]
    reason: str = ""

    def describe(self) -> str:
        """Say what was chosen and why, in one line."""
        count = len(self.trials)
        if self.reason:
            return f"chosen: {self.contender.title}, the simplest of {count}: {self.reason}"
        score = {trial.contender: trial.score for trial in self.trials}
        others = [trial for trial in self.trials if trial.contender != self.contender]
        told = f"chosen: {self.contender.title}, AUC {score[self.contender]:.3f}"
        if others:
            best = max(others, key=lambda trial: trial.score)
            told += f"; next {best.contender.title}, {best.score:.3f}"
        return f"{told}; {count} tried on folds of the training part, by part and by photograph"

    def to_json(self) -> dict[str, Any]:
        """Give the choice as it stands in `model.json`."""
        tried = [
            {"head": c.head, "feature_spec": c.spec.text, "score": score}
            for c, score in self.trials
        ]
        return {"tried": tried, "reason": self.reason}


def check_head(head: str, settings: Mapping[str, Scalar] | None) -> None:
    """See that a head and its settings are known, before anything is trained.

    Raises:
        HeadError: they are not, or settings are given of no head in particular.
    """
    if head != AUTO:
        make_head(head, settings=settings)
    elif settings:
        raise HeadError(
            f"found the setting {next(iter(settings))} of no head in particular; expected a head "
            "beside --set; name one with --head"
        )


def specs_of(dataset: Dataset) -> list[FeatureSpec]:
    """List what heads may see of a cache, the fewest values first; flat rows where that is all.

    Of a slim cache it is what its rows were kept for.

    Of rows with the large view: the largest values of all layers, of it alone and of it and the
    crops. Of others with a closer look: the means that crops have; the largest values of all
    layers of the whole photograph and its crops, with the top layer's and without: defects much
    smaller than a crop are lost there.

    Example:
        >>> [spec.text for spec in specs_of(dataset)]  # doctest: +SKIP
        ['large:mixed5-max+mixed7-max+mixed8-max+mixed9-max:root', 'large+crops:mixed5-max+...']
    """
    # A slim cache was made for what it keeps.
    texts = list(dataset.folder.kept) or _texts_of(dataset)
    return [FeatureSpec.parse(text) for text in texts] or [FLAT]


def _texts_of(dataset: Dataset) -> list[str]:
    """Word what heads may see of rows that keep all; see `specs_of`."""
    row_parts, crops = dataset.row_parts, dataset.look.crops
    sets = [name for name in (*dataset.views, *crops.sets) if name != FULL]
    layers = [tap for tap in row_parts.taps if tap in row_parts.crop_taps or not crops.sets]
    if crops.sets and not layers:
        sets, layers, whole = list(crops.sets), list(crops.taps), []
    else:
        whole = [FULL]
    peaks = [layer for layer in layers if layer.endswith("-max")]
    means = [layer for layer in layers if layer not in peaks]
    closer = "+".join([*whole, *sets])
    texts = []
    if LARGE in sets:
        # Measured (docs/results.md): of more to choose among, the choice errs more than it gains.
        parts = [name for name in sets if name != LARGE]
        seen = "+".join(peaks or means)
        texts += [] if parts or len(peaks) < 3 else [f"{LARGE}:{'+'.join(peaks[:-1])}:root"]
        texts += [f"{LARGE}:{seen}:root"]
        texts += [f"{'+'.join(sets)}:{seen}:root"] if parts else []
        return texts
    if means:
        texts.append(f"{'+'.join(sets) or FULL}:{'+'.join(means)}:root")
    if len(peaks) > 2:
        texts.append(f"{closer}:{'+'.join(peaks[:-1])}:root")
    if peaks:
        texts.append(f"{closer}:{'+'.join(peaks)}:root")
    return texts


def contenders(
    dataset: Dataset, head: str = AUTO, features: FeatureSpec | None = None
) -> list[Contender]:
    """List the pairs that are tried, the simplest first.

    Args:
        dataset: from `pipeline.data.dataset.load_dataset`.
        head: its name, where a person names one.
        features: what it sees, where a person says so.
    """
    if head != AUTO:
        alone = not issubclass(load_head_class(head), RowSpaceHead)
        first = specs_of(dataset)[:1] if dataset.folder.kept else [FLAT]
        specs = [features] if features else first if alone else specs_of(dataset)
        return [Contender(head, spec) for spec in specs]
    specs = [features] if features else specs_of(dataset)
    found = []
    for spec in specs:
        # Measured (docs/results.md): ridge is best on means, machines with a margin on peaks.
        peaks = spec.text.count("-max") > 0
        heads = HEADS if len(specs) == 1 else (*LINEAR[1:], KERNEL) if peaks else LINEAR[:1]
        found += [Contender(name, spec) for name in heads]
    return sorted(found, key=lambda contender: contender.head == KERNEL)


def choose(
    dataset: Dataset,
    side: Indices,
    *,
    head: str = AUTO,
    features: FeatureSpec | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Choice:
    """Choose a pair on the photographs of a training part; see the protocol above.

    Args:
        dataset: from `pipeline.data.dataset.load_dataset`.
        side: int64, numbers of the photographs to learn from.
        head: as in `contenders`, like `features`.
        features: what is seen.
        seed: of the inner folds and the heads.
        progress: called as `progress(pairs done, pairs in all, what was done)`.

    Raises:
        HeadError: no head of this name.
        FeatureSpecError: features that the cache does not have.
    """
    pairs = contenders(dataset, head, features)
    if len(pairs) == 1:
        return Choice(pairs[0], (Trial(pairs[0], np.nan),), "nothing else was asked for")
    scores: dict[Contender, float] = {}
    by_spec = groupby(sorted(pairs, key=lambda pair: pair.spec.text), key=lambda pair: pair.spec)
    # Pairs of one spec share its rows and its matrix, which cost more than any training.
    together = [tuple(some) for _, some in by_spec]
    tasks = [_Tried(some, rows_in(dataset, some[0].spec, side)) for some in together]
    learned = _Learned(
        dataset.y[side], dataset.groups[side], len(dataset.classes.names), seed
    )  # fmt: skip
    most = max(sum(taken_by_reading(task.rows, _kinds(task.pairs))) for task in tasks)
    made = each(_score_pairs, tasks, learned, taken=Taken(0, most))
    for some, found in zip(together, made, strict=True):
        scores |= dict(zip(some, found, strict=True))
        if progress is not None:
            progress(len(scores), len(pairs), some[-1].name)
    trials = tuple(Trial(pair, scores[pair]) for pair in pairs)
    return _best(trials)


class _Tried(NamedTuple):
    """Hold pairs of one feature spec, and its rows, still in the cache."""

    pairs: tuple[Contender, ...]
    rows: StoredRows


@dataclass(frozen=True)
class _Learned:
    """Hold what is known of the photographs to learn from."""

    y: Indices
    groups: Indices
    n_classes: int
    seed: int


def _score_pairs(tried: _Tried, learned: _Learned) -> list[float]:
    """Score each pair on inner folds of the rows; see the protocol above."""
    kinds, y, groups = _kinds(tried.pairs), learned.y, learned.groups
    (rows,) = with_room([tried.rows], kinds)
    part = TrainingPart(
        smaller_side(rows, kinds),
        np.arange(len(y)), y, groups, n_classes=learned.n_classes, seed=learned.seed,
    )  # fmt: skip
    return [_score(pair, part, groups, learned.seed) for pair in tried.pairs]


def _kinds(pairs: Sequence[Contender]) -> list[type[Head]]:
    return [load_head_class(name) for name in dict.fromkeys(pair.head for pair in pairs)]


def _best(trials: Sequence[Trial]) -> Choice:
    scores = np.array([trial.score for trial in trials])
    if not np.isfinite(scores).any():
        return Choice(trials[0].contender, tuple(trials), "too few parts to choose by")
    # argmax gives the first of equals, and the simplest stand first.
    winner = int(np.argmax(scores >= np.nanmax(scores) - TIE))
    return Choice(trials[winner].contender, tuple(trials))


def _score(pair: Contender, part: TrainingPart, groups: Indices, seed: int) -> float:
    """Score by part and by photograph, on rows not trained on; nan where there are no folds."""
    head = pair.make(seed=seed)
    if not isinstance(head, RowSpaceHead):
        raise HeadError(
            f"head {pair.head!r} cannot be chosen features for; name them with --features"
        )
    decisions = head.decisions_inside(part)
    if decisions is None:
        return float("nan")
    found = []
    for fold in part.inner:
        rows = fold.test_rows
        y, values = part.y[rows], decisions[rows]
        # Both: a few parts alone tell pairs apart too coarsely, photographs alone miss the task.
        found += [auc(y, values), auc(*_by_part(y, values, groups[rows]))]
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def _by_part(y: Indices, decisions: Floats, groups: Indices) -> tuple[Indices, Floats]:
    """Join photographs of one part and one class to one."""
    _, first, part = np.unique(
        np.column_stack([groups, y]), axis=0, return_index=True, return_inverse=True
    )
    part = part.reshape(-1)
    counts = np.bincount(part)
    columns = decisions.reshape(len(y), -1)
    means = np.column_stack([np.bincount(part, column) / counts for column in columns.T])
    return y[first], means[:, 0] if decisions.ndim == 1 else means
