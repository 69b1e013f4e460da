"""Train every head on identical folds and collect what it says about rows it never saw.

A head may see several feature specs: each head on each of them is compared as
if it were a head of its own, so that what is chosen is the pair, and what is said of the choice
counts all pairs.

Protocol: the folds are drawn once. For every fold, each head is trained on the training part
alone: centring, scaling, hyper-parameters, calibration and early stopping are fitted or chosen on
it, on inner folds that keep parts together (`pipeline.heads.tuning`). The test part is scored
once. Heads are then ordered by the mean over the folds.

The Gram matrix of a spec is computed once for all folds, or, with more rows than values, the
covariance of each fold by subtraction; heads in the row space share them. Tasks run in processes
of joblib here, or on a cluster (`features.cluster.parallel`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from features.arrays import Floats, Indices
from features.cluster.parallel import each, is_elsewhere
from features.errors import HeadError
from features.runtime import Taken, core_count, shared_memory
from pipeline.data.splits import Fold, folds
from pipeline.evaluation.head_pairs import ROPE
from pipeline.evaluation.metrics import SCORES, score
from pipeline.feature_specs.heads import Contender
from pipeline.feature_specs.spec import FLAT, FeatureSpec
from pipeline.heads import load_head_class
from pipeline.heads.base import AnyRows, Head
from pipeline.heads.gram_head import RowSpaceHead
from pipeline.heads.sides import (
    Side,
    fitting,
    rows_to_train,
    smaller_side,
)
from pipeline.heads.tuning import TrainingPart
from pipeline.training.comparison import Comparison, FoldResult

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CompareOptions:
    """Hold what is compared, and how.

    Attributes:
        heads: names of `pipeline.heads.HEADS`; None for the few that matter where rows keep a
            closer look (`pipeline.training.auto`), and for all where they are flat.
        features: what they see, each head each of these; None for flat rows, and where no heads
            are named whatever the rows keep besides.
        folds: per repeat.
        repeats: times that new folds are drawn.
        seed: of folds and heads.
        split: "grouped": no part on both sides of a fold; "random": photographs at random; "given":
            by part, without the photographs that the folder's own split holds out: these are for
            `fit`. None for "given" where the folder came with a split, else "grouped". Inner folds
            are always grouped.
        sort_by: one of `pipeline.evaluation.metrics.SCORES`; decides the order and the best head.
        rope: differences of that score up to this one make no difference in practice.
        part_rule: how photographs of a part are judged together, one of
            `pipeline.evaluation.part_rules.RULES`; None to choose it for each fold on the others.
        jobs: processes; -1 for one per core.
        force: replace files whoever wrote them.

    Raises:
        HeadError: an unknown head or score, no head at all, or a `rope` that is no difference.

    Example:
        >>> CompareOptions(heads=["logistic", "majority"]).folds
        5
    """

    heads: Sequence[str] | None = None
    features: Sequence[FeatureSpec] | None = None
    folds: int = 5
    repeats: int = 3
    seed: int = 0
    split: str | None = None
    sort_by: str = "roc_auc"
    rope: float = ROPE
    part_rule: str | None = None
    jobs: int = -1
    force: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown names before rows are read."""
        if self.heads is not None and not self.heads:
            raise HeadError("no heads to compare; name at least one")
        for name in self.heads or ():
            load_head_class(name)
        if self.sort_by not in SCORES:
            raise HeadError(f"unknown score {self.sort_by!r}; expected one of {', '.join(SCORES)}")
        if not self.rope >= 0:
            raise HeadError(
                f"the smallest difference that matters is {self.rope}; expected 0 or more"
            )


def compare(
    rows: AnyRows | Mapping[FeatureSpec, AnyRows],
    y: Indices,
    groups: Indices,
    options: CompareOptions,
    *,
    rounds: Sequence[Fold] | None = None,
    class_names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare heads on identical folds; see the protocol above.

    Args:
        rows: float32 (n, input_width), or rows still in the cache: then no process holds more of
            them than its fold needs, and no more than the memory limit. Of several feature
            specs: by these.
        y: int64 (n,) class numbers from 0.
        groups: int64 (n,), the same number for rows of one part.
        options: heads, which are named here; folds; the score. The feature specs are those of
            `rows`. The split is "grouped", the default here, or "random".
        rounds: trained and tested on; None to draw folds as the options say.
        class_names: for messages.
        progress: called as `progress(done, total, text)` after every fit, in no fixed order.

    Raises:
        HeadError: no heads are named, or what they take exceeds the memory limit.
        SplitError: a class has too few groups (rows, if random) for so many folds.
    """
    names, seed = tuple(dict.fromkeys(options.heads or ())), options.seed
    if not names:
        raise HeadError("no heads to compare; name at least one")
    rounds = rounds or folds(
        y, groups, n_folds=options.folds, repeats=options.repeats, seed=seed,
        kind=options.split or "grouped", class_names=class_names,
    )  # fmt: skip
    n_classes = max(int(y.max()) + 1, len(class_names or ()))
    seen = rows if isinstance(rows, Mapping) else {FLAT: rows}
    contenders = {c.name: c for c in (Contender(h, spec) for spec in seen for h in names)}
    started = time.perf_counter()
    shared = tuple(head for head in names if Contender(head).in_row_space)
    kinds = [load_head_class(head) for head in shared]
    taken = fitting(list(seen.values()), map(load_head_class, names))
    sides = {spec: smaller_side(rows, kinds) for spec, rows in seen.items()} if shared else {}
    gram_seconds = time.perf_counter() - started
    data = _Data(y, groups, n_classes, seed)
    tasks = _tasks(names, shared, list(seen), rounds)
    made = _run(tasks, data, seen, sides, options.jobs, taken)
    results = _in_order(made, list(contenders), len(contenders) * len(rounds), progress)
    return Comparison(
        contenders, rounds, results, y, groups,
        sort_by=options.sort_by, rope=options.rope, seed=seed, gram_seconds=gram_seconds,
    )  # fmt: skip


def _in_order(
    made: Iterable[Sequence[FoldResult]],
    contenders: Sequence[str],
    total: int,
    progress: Progress | None,
) -> list[FoldResult]:
    """Gather results as they come, say so, and sort them by contender, repeat and fold."""
    results: list[FoldResult] = []
    for some in made:
        for result in some:
            results.append(result)
            if progress is not None:
                text = f"{result.head}, fold {result.fold + 1} of repeat {result.repeat + 1}"
                progress(len(results), total, text)
    order = {name: number for number, name in enumerate(contenders)}
    return sorted(results, key=lambda r: (order[r.head], r.repeat, r.fold))


@dataclass(frozen=True)
class _Data:
    """Hold what every task needs besides rows."""

    y: Indices
    groups: Indices
    n_classes: int
    seed: int

    def seed_of(self, fold: Fold) -> int:
        """Give another seed for each fold."""
        return int(np.random.SeedSequence((self.seed, fold.repeat, fold.fold)).generate_state(1)[0])


class _Task(NamedTuple):
    """Heads to train on one fold: one raw head, or all heads in the row space."""

    spec: FeatureSpec
    heads: tuple[str, ...]
    fold: Fold


def _tasks(
    names: Sequence[str],
    shared: tuple[str, ...],
    specs: Sequence[FeatureSpec],
    rounds: Sequence[Fold],
) -> list[_Task]:
    """Make a task per raw head and fold, and one per fold for heads that share a Gram matrix.

    The slow ones come first, so that no core waits at the end.
    """
    order = sorted(names, key=lambda name: {"dense": 0, "forest": 1}.get(name, 2))
    raw = [(spec, (name,)) for name in order if name not in shared for spec in specs]
    together = [(spec, shared) for spec in specs if shared]
    return [_Task(spec, heads, fold) for spec, heads in (*raw, *together) for fold in rounds]


def _run(
    tasks: Sequence[_Task],
    data: _Data,
    rows: Mapping[FeatureSpec, AnyRows],
    sides: Mapping[FeatureSpec, Side],
    n_jobs: int,
    taken: Taken,
) -> Iterator[list[FoldResult]]:
    """Yield results of the tasks as they come; no more processes run than the memory holds."""
    if is_elsewhere():
        raw = {task.spec: rows[task.spec] for task in tasks if not _in_row_space(task)}
        yield from each(_train, tasks, data, sides, raw, ordered=False, taken=taken)
        return
    from joblib import Parallel, delayed

    workers = taken.processes(min(core_count() if n_jobs == -1 else n_jobs, len(tasks)))
    # joblib hands large arrays to its processes as one memory map, and gives each process its share
    # of the cores for BLAS.
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered", pre_dispatch="2*n_jobs")
    made: Iterable[Any] = parallel(
        delayed(_row_space_task)(task, data, sides[task.spec])
        if _in_row_space(task)
        else delayed(_sharing_task)(task, data, rows[task.spec], 1 / workers)
        for task in tasks
    )
    yield from made


def _in_row_space(task: _Task) -> bool:
    return Contender(task.heads[0]).in_row_space


def _train(
    task: _Task,
    data: _Data,
    sides: Mapping[FeatureSpec, Side],
    rows: Mapping[FeatureSpec, AnyRows],
) -> list[FoldResult]:
    """Train what a task names, on a worker that holds all that any task needs."""
    if _in_row_space(task):
        return _row_space_task(task, data, sides[task.spec])
    return _raw_task(task, data, rows[task.spec])


def _row_space_task(task: _Task, data: _Data, side: Side) -> list[FoldResult]:
    """Train all heads in the row space on one fold; they share its space and its time."""
    started = time.perf_counter()
    fold = task.fold
    train, test = fold.train, fold.test
    part = TrainingPart(
        side,
        train,
        data.y[train],
        data.groups[train],
        n_classes=data.n_classes,
        seed=data.seed_of(fold),
    )
    placed = part.place(test)
    part.inner  # noqa: B018 - made here, so that its time is shared too
    shared = (time.perf_counter() - started) / len(task.heads)
    made = []
    for name in task.heads:
        head = Contender(name, task.spec).make(seed=data.seed_of(fold))
        assert isinstance(head, RowSpaceHead)
        started = time.perf_counter()
        head.fit_on_spec(part)
        fitted = time.perf_counter()
        P = head.predict_on_spec(placed)
        seconds = fitted - started + shared, time.perf_counter() - fitted
        made.append(_result(head, task, data, P, seconds))
    return made


def _sharing_task(task: _Task, data: _Data, rows: AnyRows, share: float) -> list[FoldResult]:
    """Train one head on raw rows, in a process that has a share of the memory."""
    with shared_memory(share):
        return _raw_task(task, data, rows)


def _raw_task(task: _Task, data: _Data, rows: AnyRows) -> list[FoldResult]:
    """Train one head on raw rows, on one fold."""
    head = Contender(task.heads[0], task.spec).make(seed=data.seed_of(task.fold))
    train, test = task.fold.train, task.fold.test
    X = rows_to_train(rows, train, head)
    started = time.perf_counter()
    head.fit(X, data.y[train], data.groups[train], n_classes=data.n_classes)
    fit_seconds = time.perf_counter() - started
    held_out = rows[test]
    started = time.perf_counter()
    P = head.predict_proba(held_out)
    return [_result(head, task, data, P, (fit_seconds, time.perf_counter() - started))]


def _result(
    head: Head, task: _Task, data: _Data, P: Floats, seconds: tuple[float, float]
) -> FoldResult:
    fold = task.fold
    return FoldResult(
        head=Contender(head.name, task.spec).name,
        repeat=fold.repeat,
        fold=fold.fold,
        scores=score(data.y[fold.test], P),
        chosen=dict(head.chosen),
        fit_seconds=seconds[0],
        predict_seconds=seconds[1],
        probabilities=P,
    )


__all__ = ["CompareOptions", "Comparison", "FoldResult", "compare"]
