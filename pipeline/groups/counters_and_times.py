"""Counters and times: photographs close together on a line, cut where the gaps are wide.

A counter alone says nothing: photographs numbered 1 to 300 are not one part. It is evidence where
its gaps are of two kinds, many short ones and few long ones with a valley between, or where the
pixels agree; best where both do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices
from pipeline.groups.evidence import AGREES, CONTRADICTS, Finding, Witness, in_percent
from pipeline.groups.proposal import Evidence, Link

Pairs = tuple[Indices, Indices]

MOST_PER_GROUP = 24  # photographs of the usual run; longer ones are days or lots, not parts
_LONGEST = 100  # photographs of any run
_FEWEST_GAPS = 12
_DEEP, _CLEAR = 0.1, 0.6  # density in the valley, of the lower of the two hills
_APART = 2.0  # the hills, in powers of two
_RAREST = 0.03  # share of the gaps that is a hill
_ALIKE = 0.3  # expected strangers below which two neighbours count as alike
_MOSTLY, _RARELY = 0.6, 0.2  # share of neighbours that look alike, within parts and between
_NEAR, _FAR = 3, range(8, 17)  # places in the sequence: perhaps one part, hardly one part
_CHANCE = 0.1  # expected strangers among the near ones
_WRONG = 0.01  # share of far pairs that may pass


@dataclass(frozen=True)
class Line:
    """Photographs placed on a line, or on several.

    Attributes:
        kind: "time" or "name".
        what: in words.
        values: float64 (n,), nan where a photograph has no place.
        streams: int64 (n,); photographs of different streams are not compared.
        unit: of the values: "" for a counter, "s" for seconds.
        step: smallest difference that means anything.
    """

    kind: str
    what: str
    values: Floats
    streams: Indices
    unit: str = ""
    step: float = 1.0


@dataclass(frozen=True)
class Valley:
    """Between short gaps and long ones.

    Attributes:
        gap: the widest that still counts as short.
        depth: density there, of the lower hill: 0 is a clean cut, 1 is none.
        wrong: float64, for each gap the chance that it is a long one all the same.
    """

    gap: float
    depth: float
    wrong: Floats


@dataclass(frozen=True)
class Cut:
    """Where neighbours in a sequence stop looking alike.

    Attributes:
        gap: the widest within a part.
        near, far: share of neighbours that look alike up to that gap, and beyond.
    """

    gap: float
    near: float
    far: float


def judge_line(line: Line, witness: Witness) -> Finding:
    """Runs of photographs between long gaps, if they can be told and are believed."""
    order, gaps = _walk(line)
    doubted = None
    valley = find_valley(gaps[np.isfinite(gaps)], line.step)
    if valley is not None:
        doubted = _judge_runs(line, witness, order, gaps, valley)
        if doubted is not None and doubted.evidence.used:
            return doubted
    cut = find_cut(gaps, witness.strangers(order[:-1], order[1:]) < _ALIKE)
    if cut is not None:
        found = _judge_cut(line, order, gaps, cut)
        if found is not None:
            return found
    return doubted or _judge_near_ones(line, witness, order, gaps)


def _walk(line: Line) -> tuple[Indices, Floats]:
    """Photographs in order, and the gap after each but the last; infinite between streams."""
    placed = np.flatnonzero(np.isfinite(line.values))
    order = placed[np.lexsort((line.values[placed], line.streams[placed]))]
    gaps = np.diff(line.values[order])
    gaps[line.streams[order][1:] != line.streams[order][:-1]] = np.inf
    return order, gaps


def find_valley(gaps: Floats, step: float) -> Valley | None:
    """Two hills in the logarithms of gaps (a mixture of two normal ones), with a valley between."""
    if len(gaps) < _FEWEST_GAPS:
        return None
    from sklearn.mixture import GaussianMixture

    logs = np.log2(np.maximum(gaps, step / 2))
    if np.ptp(logs) < _APART:
        return None
    mixture = GaussianMixture(2, reg_covar=0.03, n_init=3, random_state=0).fit(logs[:, None])
    low, high = np.argsort(mixture.means_.ravel())
    start, end = mixture.means_.ravel()[[low, high]]
    if end - start < _APART or mixture.weights_.min() < _RAREST:
        return None
    between = np.linspace(start, end, 200)
    density = np.exp(mixture.score_samples(between[:, None]))
    lowest = int(density.argmin())
    depth = float(density[lowest] / min(density[0], density[-1]))
    if not 0 < lowest < len(between) - 1 or depth > _CLEAR:
        return None
    wrong = mixture.predict_proba(logs[:, None])[:, high]
    return Valley(float(2 ** between[lowest]), depth, np.asarray(wrong))


def find_cut(gaps: Floats, alike: npt.NDArray[np.bool_]) -> Cut | None:
    """The gap up to which neighbours in the sequence look alike, and beyond which they do not.

    Args:
        gaps: float64 (m,) between neighbours; infinite ones are left out.
        alike: bool (m,) whether each two neighbours look alike.

    Returns:
        The cut with the fewest neighbours on the wrong side; None where there is none, or it does
        not tell the two kinds apart.
    """
    finite = np.isfinite(gaps)
    order = np.argsort(gaps[finite], kind="stable")
    widths, looks = gaps[finite][order], alike[finite][order]
    places = np.flatnonzero(np.diff(widths) > 0) + 1  # only between different gaps
    if not len(places):
        return None
    before = np.concatenate([[0], np.cumsum(looks)])
    wrong = (places - before[places]) + (before[-1] - before[places])
    place = int(places[wrong.argmin()])
    fewest = max(_FEWEST_GAPS, _RAREST * len(widths))
    if min(place, len(widths) - place) < fewest:
        return None
    near, far = float(looks[:place].mean()), float(looks[place:].mean())
    if near < _MOSTLY or far > _RARELY:
        return None
    return Cut(float(np.sqrt(max(widths[place - 1], 1e-9) * widths[place])), near, far)


def _judge_cut(line: Line, order: Indices, gaps: Floats, cut: Cut) -> Finding | None:
    """Runs as groups; None where they are too long to be parts."""
    short = gaps <= cut.gap
    several = _several(short)
    if several is None:
        return None
    limit = _limit(line, cut.gap)
    why = (
        f"pixels agree: neighbours {limit} apart look alike in {cut.near:.0%}, those farther "
        f"apart in {cut.far:.0%}"
    )
    what = f"{line.what}, {limit} apart"
    evidence = Evidence(line.kind, what, int(several.sum()), len(several), True, why)
    return Finding(evidence, _ties(line, order, short, np.full(len(gaps), 1 - cut.near)))


def _several(short: npt.NDArray[np.bool_]) -> Indices | None:
    """Sizes of the runs of several photographs; None where there are none, or parts have fewer."""
    sizes = np.bincount(np.concatenate([[0], np.cumsum(~short)]))
    several = sizes[sizes > 1]
    if not len(several) or np.median(several) > MOST_PER_GROUP or several.max() > _LONGEST:
        return None
    return several


def _ties(line: Line, order: Indices, short: npt.NDArray[np.bool_], wrong: Floats) -> list[Link]:
    return [
        Link.between(int(order[i]), int(order[i + 1]), line.kind, float(wrong[i]))
        for i in np.flatnonzero(short)
    ]


def _judge_runs(
    line: Line, witness: Witness, order: Indices, gaps: Floats, valley: Valley
) -> Finding | None:
    """Runs as groups; None where they are too long to be parts."""
    short = gaps <= valley.gap
    run = np.concatenate([[0], np.cumsum(~short)])
    several = _several(short)
    if several is None:
        return None
    agreement = witness.agreement(*_run_pairs(order, run))
    sure = agreement is not None and agreement >= AGREES
    clean = valley.depth <= _DEEP and (agreement is None or agreement >= CONTRADICTS)
    why = f"gaps are of two kinds ({_limit(line, valley.gap)} or far more); {in_percent(agreement)}"
    evidence = Evidence(
        line.kind,
        f"{line.what}, {_limit(line, valley.gap)} apart",
        int(several.sum()),
        len(several),
        sure or clean,
        why,
    )
    if not evidence.used:
        return Finding(evidence)
    wrong = np.ones(len(gaps))
    wrong[np.isfinite(gaps)] = valley.wrong
    return Finding(evidence, _ties(line, order, short, wrong))


def _run_pairs(order: Indices, run: Indices) -> tuple[Pairs, Pairs]:
    """Neighbours within runs, and each photograph with the first two of the next run."""
    near = [np.flatnonzero(run[d:] == run[:-d]) for d in (1, 2)]
    related = (
        np.concatenate([order[places] for places in near]),
        np.concatenate([order[places + d] for d, places in enumerate(near, 1)]),
    )
    starts = np.searchsorted(run, np.arange(run[-1] + 2))
    following = np.concatenate([starts[run + 1], starts[run + 1] + 1])
    here = np.concatenate([np.arange(len(run))] * 2)
    inside = following < len(run)
    return related, (order[here[inside]], order[following[inside]])


def _judge_near_ones(line: Line, witness: Witness, order: Indices, gaps: Floats) -> Finding:
    """Gaps tell nothing: neighbours in the sequence need less likeness, if it means anything."""
    stream = np.concatenate([[0], np.cumsum(np.isinf(gaps))])
    near = _at_distance(order, stream, range(1, _NEAR + 1))
    far = _at_distance(order, stream, _FAR)
    agreement = witness.agreement(_at_distance(order, stream, range(1, 2)), far)
    what = f"{line.what}, next to one another"
    if agreement is None or agreement < AGREES:
        why = f"gaps are all of one kind; {in_percent(agreement)}"
        return Finding(Evidence(line.kind, what, 0, 0, False, why))
    a, b = near
    expected = witness.strangers(a, b)
    # Only so many compete, not the whole folder; and what is near in the sequence may look alike
    # for other reasons, such as the light of the hour: far pairs say how much that does.
    share = 2 * _NEAR / max(len(order), 2 * _NEAR)
    limit = min(_CHANCE / share, float(np.quantile(witness.strangers(*far), _WRONG)))
    passed = np.flatnonzero(expected < limit)
    links = [
        Link.between(int(a[i]), int(b[i]), line.kind, float(min(1.0, expected[i] * share)))
        for i in passed
    ]
    members = len({number for link in links for number in (link.a, link.b)})
    why = f"gaps are all of one kind, so only those that look alike; {in_percent(agreement)}"
    return Finding(Evidence(line.kind, what, members, 0, True, why), [], links)


def _at_distance(order: Indices, stream: Indices, distances: range) -> Pairs:
    """Pairs so many places apart in one stream."""
    first, second = [], []
    for distance in distances:
        places = np.flatnonzero(stream[distance:] == stream[:-distance])
        first.append(order[places])
        second.append(order[places + distance])
    return np.concatenate(first), np.concatenate(second)


def _limit(line: Line, gap: float) -> str:
    if line.unit == "s":
        return f"at most {gap:,.1f} s" if gap < 60 else f"at most {gap / 60:,.1f} min"
    return f"at most {gap:,.0f}"
