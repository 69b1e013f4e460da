"""A comparison of heads as tables and sentences, for whoever prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.evaluation.head_pairs import (
    A_BETTER,
    A_PROBABLY,
    B_BETTER,
    B_PROBABLY,
    EQUIVALENT,
    UNDEFINED,
    UNKNOWN,
    Pair,
)
from pipeline.evaluation.intervals import describe_intervals
from pipeline.evaluation.metrics import LOWER_IS_BETTER, TITLES
from pipeline.feature_specs.heads import Contender
from pipeline.output.result_table import Cell, Column, Estimate, Table
from pipeline.output.wording import percent
from pipeline.training.compare_heads import HeadComparison
from pipeline.training.comparison import Comparison

_SHOWN = ("roc_auc", "average_precision", "balanced_accuracy")
_FURTHER = ("accuracy", "recall", "precision", "f1", "brier", "log_loss")
_LONG = 24  # characters of a feature spec above which a letter stands for it
_CHANCE = 0.005  # balanced accuracy beyond a coin's up to which verdicts are a coin's
_RANKS = 0.6  # a ROC AUC from which on a head ranks parts

NO_LETTER = "no letter"
"""What stands for the feature spec that names of contenders leave out."""

_AGAINST_BEST = {
    A_BETTER: "worse",
    A_PROBABLY: "probably worse",
    B_PROBABLY: "probably better",
    EQUIVALENT: "no practical difference",
    B_BETTER: "better",
    UNKNOWN: "cannot tell",
    UNDEFINED: "not defined",
}


def letters_of(contenders: Mapping[str, Contender]) -> dict[str, str]:
    """Give each long feature spec a letter, for tables; what stands without one says so.

    Example:
        >>> long = onepass.FeatureSpec.parse("full+crops:mixed7-max+mixed8-max")
        >>> pair = onepass.Contender("ridge", long)
        >>> letters_of({pair.name: pair})
        {'full+crops:mixed7-max+mixed8-max': 'A'}
    """
    specs = dict.fromkeys(pair.spec.text for pair in contenders.values())
    long = [text for text in specs if len(text) > _LONG]
    if not 0 < len(long) <= ord("Z") - ord("A"):
        return {}
    bare = (pair.spec.text for name, pair in contenders.items() if name == pair.head)
    letters = {text: chr(ord("A") + number) for number, text in enumerate(long)}
    return letters | dict.fromkeys(bare, NO_LETTER)


def short_names(contenders: Mapping[str, Contender]) -> dict[str, str]:
    """Shorten the names of contenders by `letters_of`."""
    letters = letters_of(contenders)
    return {
        name: f"{pair.head} on {letters[pair.spec.text]}"
        if name != pair.head and pair.spec.text in letters
        else name
        for name, pair in contenders.items()
    }


def lettered(result: Comparison) -> Comparison:
    """Give the same comparison with the short names of its contenders, for people to read."""
    names = short_names(result.contenders)
    made = replace(
        result,
        contenders={names[name]: pair for name, pair in result.contenders.items()},
        results=[replace(one, head=names[one.head]) for one in result.results],
    )
    if "findings" in vars(result):  # named anew, not drawn anew: that takes a second a head
        vars(made)["findings"] = result.findings.renamed(names)
    return made


def for_people(found: HeadComparison) -> HeadComparison:
    """Give the same with the short names of contenders; commands and files keep the whole ones."""
    result, optimism = lettered(found.result), found.optimism
    if optimism is not None:
        short = short_names(found.result.contenders)
        optimism = replace(optimism, head=short[optimism.head])
    alone = found.photographs is found.result
    photographs = result if alone else lettered(found.photographs)
    return replace(found, result=result, photographs=photographs, optimism=optimism)


def heads_table(result: Comparison, photographs: Comparison | None = None) -> Table:
    """Give one row per head, best first, with intervals and what can be said against the best.

    Args:
        result: the comparison.
        photographs: the same of single photographs, where `result` is of parts.
    """
    shown = list(dict.fromkeys((result.sort_by, *_SHOWN)))
    single = _single_photographs(photographs, result)
    against = result.findings.against_best()
    rows: list[list[Cell]] = [
        [
            row.head,
            *([single[row.head]] if single else []),
            *(_estimate(result, row.head, name, row.mean[name]) for name in shown),
            against_best(against[row.head]) if row.head in against else "the first",
            f"{row.fit_seconds:.2f}",
        ]
        for row in result.table()
    ]
    titles = [*(["by photo"] if single else []), *(score_title(name) for name in shown)]
    columns = [
        Column("head"), *map(Column, titles), Column("against the best", words=True),
        Column("fit s"),
    ]  # fmt: skip
    return Table(
        "Mean over the folds and 95 % interval, by head", columns, rows,
        [row.title for row in result.table()],
    )  # fmt: skip


def further_scores(result: Comparison) -> Table:
    """Give the scores that `heads_table` leaves to comparison.csv, for those who have the room."""
    names = [name for name in _FURTHER if name != result.sort_by]
    rows: list[list[Cell]] = [
        [row.head, *(_estimate(result, row.head, name, row.mean[name]) for name in names)]
        for row in result.table()
    ]
    columns = [Column("head"), *(Column(score_title(name)) for name in names)]
    return Table(f"Further scores, {_verdicts(result)}", columns, rows)


def _verdicts(result: Comparison) -> str:
    """Say what a verdict is: of more than two classes there is no threshold."""
    return "at the threshold 0.5" if result.y.max() < 2 else "of the most probable class"


def pairs_table(result: Comparison) -> Table:
    """Give every two heads: by how much the first is better, and how probable that is."""
    columns = [
        "heads", f"difference in {TITLES[result.sort_by]}", "probability that it is less",
        "none that matters", "more",
    ]  # fmt: skip
    rows: list[list[Cell]] = [
        [
            f"{pair.a} less {pair.b}", Estimate(pair.difference, pair.low, pair.high),
            percent(pair.b_better), percent(pair.equivalent), percent(pair.a_better),
        ]
        for pair in result.findings.pairs
    ]  # fmt: skip
    return Table("Heads in pairs", [Column(title) for title in columns], rows)


def score_title(name: str) -> str:
    """Give the heading of a score; what is better when it is less says so."""
    return f"{TITLES[name]} ↓" if name in LOWER_IS_BETTER else TITLES[name]


def against_best(pair: Pair) -> str:
    """Give a pair's verdict, as it stands in the line of b, if a is the best head."""
    words = _AGAINST_BEST[pair.verdict]
    return f"{words} ({pair.probability})" if "probably" in words else words


def comparison_notes(
    result: Comparison, split: str, photographs: Comparison | None = None
) -> list[str]:
    """Say how the numbers of `heads_table` were made, and what they do not tell.

    Args:
        result: the comparison.
        split: "grouped" or "random".
        photographs: as in `heads_table`.
    """
    folds, repeats = (len({getattr(f, of) for f in result.folds}) for of in ("fold", "repeat"))
    parts = (
        "no part, as far as parts are known, stands on both sides of a fold"
        if split == "grouped"
        else "photographs were dealt out at random, so that one part may stand on both sides"
    )
    title = TITLES[result.sort_by]
    notes = [
        f"means over the same {len(result.folds)} folds for every head ({folds} folds, drawn "
        f"{'once' if repeats == 1 else f'{repeats} times'}, {split} split: {parts}), sorted by "
        f"{title}; verdicts are {_verdicts(result)}; further scores in comparison.csv"
    ]
    if _single_photographs(photographs, result):
        notes.append(
            "by part: a part has one verdict, from all its photographs; by photo: "
            f"{title} of single photographs"
        )
    notes += describe_intervals({"all heads": result.findings.intervals[result.best]})
    return [*notes, *_about_pairs(result)]


def _about_pairs(result: Comparison) -> list[str]:
    against = result.findings.against_best()
    if not against:
        return []
    notes = [
        f"against {result.best}: differences up to {result.rope:g} {TITLES[result.sort_by]} count "
        "as none (--rope); better or worse where corrected resampled t-test and Bayesian "
        "correlated t-test agree, probably where the second alone says so (99 %)"
    ]
    if any(pair.verdict == UNKNOWN for pair in against.values()):
        fewest = min(result.findings.intervals[result.best].parts.values(), default=0)
        notes.append(
            f"cannot tell: {fewest:,} parts of the rarest class are too few to tell such heads "
            "apart; more parts would help, more folds hardly"
        )
    return notes


def at_chance(result: Comparison) -> list[str]:
    """Name heads whose verdicts are worth nothing, though not made for that, as warnings."""
    said, n_classes = [], result.results[0].probabilities.shape[1]
    same = "at the threshold 0.5 calls nearly all the same; fit chooses another"
    same = same if n_classes == 2 else "calls nearly all the same"
    for row in result.table():
        value, auc = row.mean["balanced_accuracy"], row.mean["roc_auc"]
        if result.contenders[row.head].head == "majority" or not value <= 1 / n_classes + _CHANCE:
            continue
        why = (
            f"it ranks them, but {same}"
            if auc > _RANKS
            else "it learned nothing that holds on other parts"
        )
        said.append(f"{row.head} has a balanced accuracy of {value:.3f}, which is chance: {why}")
    return said


def _estimate(result: Comparison, head: str, name: str, mean: float) -> Estimate:
    return result.findings.intervals[head].estimate(name, mean)


def _single_photographs(photographs: Comparison | None, result: Comparison) -> Mapping[str, float]:
    if photographs is None or photographs is result:
        return {}
    return {row.head: row.mean[result.sort_by] for row in photographs.table()}
