"""Compare heads on a dataset, keep the tables on the disk, and name the winner."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from features.errors import DataError, HeadError
from features.files import write_whole
from features.fingerprint import fingerprint_of
from features.untrusted_files import read_json
from pipeline.data.dataset import Dataset, to_compare_on
from pipeline.evaluation.intervals import known
from pipeline.evaluation.part_rules import ANY, MEAN
from pipeline.feature_specs.heads import Contender
from pipeline.feature_specs.rows import comparable_rows
from pipeline.feature_specs.spec import FLAT, FeatureSpec
from pipeline.heads import HEADS, is_users
from pipeline.heads.base import AnyRows
from pipeline.heads.svm import approximation
from pipeline.output.overwrite import COMPARISON, check_overwritable
from pipeline.output.tables import MARK
from pipeline.thresholds.claims import why_apart
from pipeline.training.auto import HEADS as FEW
from pipeline.training.auto import specs_of
from pipeline.training.comparison import Comparison, of_parts
from pipeline.training.cross_validate import CompareOptions, compare
from pipeline.training.optimism import Optimism, Rounds, measure_optimism

Progress = Callable[[int, int, str], None]


@dataclass
class HeadComparison:
    """Hold what `compare_heads` found.

    Attributes:
        result: scores of every head on every fold, and what they are worth (`findings`): of parts
            where these have several photographs, else of photographs.
        photographs: the same of photographs.
        part_rule: that was asked for, or the mean.
        split: "grouped" or "random".
        folder: where comparison.csv and comparison.json are.
        dataset: what they were compared on; the holdout of a given split is not in it.
        optimism: what the best head scores on the other kind of split; None where no two
            photographs belong together.
        note: which photographs were left out for `fit`; "" for none.
    """

    result: Comparison
    split: str
    folder: Path
    dataset: Dataset
    optimism: Optimism | None = None
    note: str = ""
    photographs: Comparison = field(kw_only=True)
    part_rule: str = MEAN


def compare_heads(
    dataset: Dataset,
    out: Path,
    options: CompareOptions | None = None,
    *,
    progress: Progress | None = None,
) -> HeadComparison:
    """Train every head on identical folds and write comparison.csv and comparison.json.

    The best head is then trained once more on as many folds of the other kind of split, to tell how
    much a random split flatters.

    Args:
        dataset: from `pipeline.data.dataset.load_dataset`.
        out: folder for the two files; those of an older comparison are replaced.
        options: None for `CompareOptions()`.
        progress: called as `progress(fits done, fits in all, what was done)`.

    Raises:
        SplitError: too few photographs or parts for so many folds.
        FeatureSpecError: features that the cache does not have.
        OutputError: a file is there that this program did not write.

    Example:
        >>> options = onepass.CompareOptions(heads=["ridge", "majority"], folds=3, jobs=1)
        >>> found = onepass.compare_heads(dataset, Path("comparison"), options)
        >>> found.split, sorted(file.name for file in found.folder.iterdir())
        ('grouped', ['comparison.csv', 'comparison.json'])
    """
    options = options or CompareOptions()
    for suffix, ours in COMPARISON.items():
        check_overwritable(out / f"comparison{suffix}", ours, force=options.force)
    dataset.classes.require_defective("comparing heads")
    dataset, split, note = to_compare_on(dataset, options.split)
    options, rows = _completed(replace(options, split=split), dataset)
    run = partial(compare, y=dataset.y, groups=dataset.groups, class_names=dataset.classes.names)
    part_rule = options.part_rule
    photographs = run(rows, options=options, progress=progress)
    result = of_parts(photographs, part_rule)
    best = result.contenders[result.best]
    other = replace(options, heads=[best.head], split="random" if split == "grouped" else "grouped")
    optimism = measure_optimism(
        _rounds(result, best.name, photographs),
        str(other.split),
        lambda: _other_rounds(
            run({best.spec: rows[best.spec]}, options=other), best.name, part_rule
        ),
        dataset.groups,
        dataset.y,
    )
    most = max(len(fold.train) for fold in photographs.folds)
    note = "\n".join(filter(None, [note, *(approximation(h, most) for h in options.heads or ())]))
    found = HeadComparison(
        result, split, out, dataset, optimism, note,
        photographs=photographs, part_rule=part_rule or MEAN,
    )  # fmt: skip
    _write(found)
    return found


def _write(found: HeadComparison) -> None:
    """Write the table as CSV, and all that `best_head` and a report need as JSON."""
    result, photographs, optimism = found.result, found.photographs, found.optimism
    record = (
        json.loads(result.to_json())
        | _identity(found.dataset)
        | {"split": found.split, "optimism": optimism.to_json() if optimism else None}
        | ({} if result is photographs else {"by_photograph": _by_photograph(photographs)})
    )
    write_whole(found.folder / "comparison.csv", MARK + result.to_csv())
    write_whole(found.folder / "comparison.json", json.dumps(record, indent=1))


def _completed(
    options: CompareOptions, dataset: Dataset
) -> tuple[CompareOptions, Mapping[FeatureSpec, AnyRows]]:
    """Fill in what was left open: heads, feature specs with their rows, and the part rule."""
    features = options.features
    if features is None:
        flat = [] if dataset.folder.kept else [FLAT]  # a slim cache has no more than its specs
        features = flat if flat and options.heads is not None else [*specs_of(dataset), *flat]
    features = list(dict.fromkeys(features))
    heads = options.heads or (list(HEADS) if features == [FLAT] else FEW)
    part_rule = options.part_rule
    if part_rule is None and why_apart(dataset.folder.group_rule.kind, dataset.y, dataset.groups):
        part_rule = ANY
    rows = comparable_rows(dataset, features, heads)
    return replace(options, heads=list(heads), features=features, part_rule=part_rule), rows


def _rounds(result: Comparison, head: str, photographs: Comparison) -> Rounds:
    """Score the folds, by part where parts are scored, with the photographs' folds."""
    scores = [found.scores for found in result.of(head)]
    return Rounds(head, scores, [(fold.train, fold.test) for fold in photographs.folds])


def _other_rounds(photographs: Comparison, head: str, part_rule: str | None) -> Rounds:
    return _rounds(of_parts(photographs, part_rule), head, photographs)


def _by_photograph(found: Comparison) -> list[dict[str, Any]]:
    return [
        {"head": row.head, **{name: known(value) for name, value in row.mean.items()}}
        for row in found.table()
    ]


def best_head(folder: Path, dataset: Dataset) -> Contender:
    """Read the winner of the comparison kept in `folder`: a head, and what it saw.

    Args:
        folder: of `compare_heads`.
        dataset: the one that heads were compared on.

    Raises:
        DataError: there is none, or it was made on other rows or classes.
        HeadError: it names no head that this version has.

    Example:
        >>> options = onepass.CompareOptions(heads=["ridge", "majority"], folds=3, jobs=1)
        >>> compared = onepass.compare_heads(dataset, Path("comparison"), options)
        >>> onepass.best_head(Path("comparison"), dataset).head
        'ridge'
    """
    path = folder / "comparison.json"
    try:
        record: dict[str, Any] = dict(read_json(path))
    except FileNotFoundError:
        raise DataError(f"no comparison at {path}; run compare-heads first") from None
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} cannot be read ({error}); run compare-heads again") from error
    wanted = _identity(dataset)
    if {name: record.get(name) for name in wanted} != wanted:
        raise DataError(
            f"{path} was made on other features or classes than {dataset.cache_path}; "
            "run compare-heads again"
        )
    # A comparison of an earlier version has the pair's name alone, "logistic on taps:root".
    head, _, features = str(record.get("best")).partition(" on ")
    head = str(record.get("best_head", head))
    if is_users(head):
        raise HeadError(
            f"{path} names {head}, a user's own estimator, which no file may start; expected a "
            f"head of Onepass; name it yourself: --head {head}"
        )
    if head not in HEADS:
        raise HeadError(f"{path} names the head {head!r}, which this version does not have")
    return Contender(head, FeatureSpec.parse(str(record.get("best_features", features or FLAT))))


def choose_contender(
    head: str, features: FeatureSpec | None, folder: Path, dataset: Dataset
) -> tuple[str, FeatureSpec | None]:
    """Give what is asked for, as `pipeline.fit` takes it; "best" is the winner in `folder`.

    Raises:
        DataError, HeadError: see `best_head`; or features are named beside "best".
    """
    if head != "best":
        return head, features
    best = best_head(folder, dataset)
    if features is not None and features != best.spec:
        raise DataError(
            f"found the features {features} beside the head best, which won on {best.spec}; "
            "expected one of the two; leave out --features, or name the head"
        )
    return best.head, best.spec


def _identity(dataset: Dataset) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint_of(dict(dataset.fields)),
        "classes": list(dataset.classes.names),
    }
