"""Choose parts to label next: doubtful ones unlike each other, and the likeliest defects.

Of parts that nobody has labelled, the most doubtful are candidates, and those that are unlike all
that the model was trained on. Among them the one is taken that lies farthest from all that are
labelled or taken already (farthest-first traversal: Gonzalez, "Clustering to minimize the maximum
intercluster distance", 1985; of doubtful candidates: Brinker, "Incorporating diversity in active
learning with support vector machines", 2003), and so on. Every second one is instead the part that
is most likely defective: defects are rare, and a model learns most from them. What is saved against
labelling at random, and where nothing is: docs/line.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.arrays import Flags, Floats, Indices, Rows
from features.cache.cache import Cache
from features.cache.shards import open_cache
from features.errors import DataError
from features.extract import Progress
from features.photographs.file import Photograph
from pipeline.cnn.cnn import Cnn
from pipeline.line.part_vectors import near_white, nearest_distance, seen_of
from pipeline.model.bundle import Bundle
from pipeline.model.familiar import UNLIKE
from pipeline.model.part_predictions import PartPrediction, as_proposed, predict_parts
from pipeline.model.predict import Prediction, predict
from pipeline.model.probabilities import PredictOptions

CANDIDATES = 5
"""Doubtful parts that are candidates, for each that is to be labelled."""

_DOUBTFUL = 0.5  # of the uncertainty: log-odds of 1.1 beside the limit


@dataclass(frozen=True)
class Candidate:
    """A part that is worth labelling.

    Attributes:
        part: its name.
        photographs: all of it.
        shown: the one to look at first: of two classes the one with the highest probability of a
            defect, of more the most doubtful one.
        verdict: of the part.
        said: the numbers behind the verdict.
        probability: of the part, as `pipeline.model.part_predictions.PartPrediction` has it.
        uncertainty: 1 at the limit, towards 0 far from it.
        why: in words.
        part_from: as of `PartPrediction`.
    """

    part: str
    photographs: tuple[Prediction, ...]
    shown: Prediction
    verdict: str | None
    said: str
    probability: float | None
    uncertainty: float
    why: str
    part_from: str = "told"


def next_to_label(
    bundle: Bundle,
    photographs: Sequence[Photograph],
    cache_path: Path,
    options: PredictOptions | None = None,
    *,
    count: int = 20,
    known: Collection[str] = (),
    notes: list[str] | None = None,
    progress: Progress | None = None,
) -> list[Candidate]:
    """Rank parts by what labelling them would teach the model, the best first.

    Args:
        bundle: the model.
        photographs: without labels, with their parts where somebody said them.
        cache_path: has their rows, or gets them.
        options: how rows that are missing are computed; None for `PredictOptions()`.
        count: parts at most.
        known: digests of photographs that are labelled already; their parts are left out, and so
            are those that the model was made from, its holdout among them.
        notes: given, that parts are only proposed and what was left out are put behind its end.
        progress: called as `progress(done, total)`.

    Raises:
        DataError: nothing is left to label.
        OnepassError: see `pipeline.model.predict.predict`.

    Example:
        >>> next_to_label(bundle, photographs, Path("features.h5"), count=20)  # doctest: +SKIP
    """
    found = predict(bundle, photographs, cache_path, options, notes=notes, progress=progress)
    parts = predict_parts(bundle, found)
    labelled = {*known, *(entry["digest"] for entry in bundle.split())}
    new = [
        part
        for part in parts
        if not part.trained_on and not labelled & {one.digest for one in part.photographs}
    ]
    asked = [part for part in new if part.probabilities is not None]
    if notes is not None:
        notes += filter(None, [as_proposed(parts), *_left_out(parts, new, asked)])
    if not asked:
        raise DataError(
            f"found {len(parts):,} parts, none of which is readable and not labelled yet; expected "
            "photographs that the model was not trained on; name another folder"
        )
    uncertainty = np.array([uncertainty_of(bundle, part) for part in asked])
    unlike = np.array([any(one.unlike for one in part.photographs) for part in asked])
    vectors = np.zeros((len(asked), 1), dtype=np.float32)
    if not isinstance(bundle.head, Cnn):
        with open_cache(cache_path) as cache:
            vectors = _part_vectors(bundle, cache, asked)
    labelled_ones = bundle.familiar.vectors if bundle.familiar else vectors[:0]
    likely = None
    if bundle.classes.binary:
        likely = np.array([part.probability for part in asked], dtype=np.float64)
    chosen = choose_to_label(uncertainty, vectors, labelled_ones, count, unlike, likely)
    return [_candidate(bundle, asked[i], float(uncertainty[i]), bool(unlike[i])) for i in chosen]


def _left_out(*kept: Sequence[PartPrediction]) -> Iterator[str]:
    """Say how many parts are left out: all of them are given, then the new, then the readable."""
    for more, fewer, why in zip(
        kept[:-1], kept[1:], ("labelled already", "unreadable"), strict=True
    ):
        if number := len(more) - len(fewer):
            yield f"{number:,} part{' is' if number == 1 else 's are'} left out: {why}"


def _part_vectors(bundle: Bundle, cache: Cache, parts: Sequence[PartPrediction]) -> Rows:
    """Average what photographs of parts look like: float32 (parts, channels)."""
    digests = [[one.digest for one in p.photographs if one.chances is not None] for p in parts]
    flat = seen_of(bundle, cache, [digest for those in digests for digest in those]).vectors
    ends = np.cumsum([len(those) for those in digests])[:-1]
    return np.stack([block.mean(axis=0) for block in np.split(flat, ends)])


def choose_to_label(
    uncertainty: Floats,
    vectors: Rows,
    labelled: Rows,
    count: int,
    unlike: Flags | None = None,
    likely: Floats | None = None,
) -> Indices:
    """Choose parts that are doubtful and unlike each other, and likely defects, in turn.

    Args:
        uncertainty: float64 (n,), 1 for the most doubtful.
        vectors: float32 (n, channels), what parts look like.
        labelled: float32 (m, channels), what labelled photographs look like; m may be 0.
        count: how many.
        unlike: bool (n,), parts that are candidates whatever the model says of them.
        likely: float64 (n,), probabilities of a defect: every second part is the likeliest; None
            to choose by doubt alone.

    Returns:
        int64 (at most count,), numbers of parts.

    Example:
        >>> vectors = np.array([[1.0, 0], [1, 0.01], [0, 1], [-1, 0]], dtype=np.float32)
        >>> choose_to_label(np.array([1.0, 0.99, 0.9, 0.8]), vectors, vectors[:0], 2).tolist()
        [0, 3]
    """
    if likely is not None:
        doubtful = choose_to_label(uncertainty, vectors, labelled, (count + 1) // 2, unlike)
        ranked = np.argsort(-likely, kind="stable")
        rest = ranked[~np.isin(ranked, doubtful)][: count - len(doubtful)]
        turn = [(2 * at, i) for at, i in enumerate(doubtful.tolist())]
        turn += [(2 * at + 1, i) for at, i in enumerate(rest.tolist())]
        return np.array([i for _, i in sorted(turn)], dtype=np.int64)
    order = np.argsort(-uncertainty, kind="stable")
    first = order[: CANDIDATES * count]
    if unlike is not None:
        others = order[CANDIDATES * count :]
        first = np.concatenate([first, others[unlike[others]]])
    space = near_white(np.concatenate([vectors, labelled])) if len(vectors) > 1 else vectors
    known = space[len(vectors) :]
    nearest = nearest_distance(space[first], known) if len(known) else np.full(len(first), np.inf)
    chosen: list[int] = []
    for _ in range(min(count, len(first))):
        at = int(np.argmax(nearest))  # of equals the most doubtful
        chosen.append(at)
        nearest = np.minimum(nearest, nearest_distance(space[first], space[first[[at]]]))
        nearest[chosen] = -1.0
    return first[chosen]


def uncertainty_of(bundle: Bundle, part: PartPrediction) -> float:
    """Say how doubtful a verdict is: 1 at a limit or between two, towards 0 far from them."""
    chances = np.array(list((part.probabilities or {}).values()))
    if not bundle.classes.binary:
        two = np.sort(chances)[-2:]
        return float(1 - (two[1] - two[0]))
    band, p = bundle.band, float(chances[1])
    if band.pass_below <= p < band.reject_from:
        return 1.0
    return float(2 / (1 + np.exp(band.margins(chances[None])[0])))


def _candidate(bundle: Bundle, part: PartPrediction, uncertainty: float, unlike: bool) -> Candidate:
    readable = [one for one in part.photographs if one.chances is not None]
    if bundle.classes.binary:
        shown = max(readable, key=lambda one: float(one.chances[1]))  # type: ignore[index]
    else:
        shown = min(readable, key=lambda one: one.margin or 0.0)
    why = "unlike those labelled"
    if uncertainty >= _DOUBTFUL:
        why = "doubtful"
    elif bundle.classes.binary and part.verdict == bundle.classes.names[1]:
        why = "likely defective"
    return Candidate(
        part.part, part.photographs, shown, part.verdict, part.said, part.probability,
        uncertainty, f"{part.said}: {UNLIKE if unlike else why}", part.part_from,
    )  # fmt: skip
