"""The two sides that drift is measured between: parts of the model's own data, and new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from features.arrays import Floats, Indices, Rows
from features.cache.cache import Cache
from features.errors import DataError
from pipeline.line.drift_tests import change_point, distances, energy_test
from pipeline.line.part_vectors import Seen, near_white, seen_of
from pipeline.model.bundle import Bundle, refused_if_forged
from pipeline.output.read_table import read_table

FEWEST = 10
"""Parts on either side of a comparison."""

MOST = 1000
"""Parts on either side that are compared; of more, as many are drawn."""

_SURE = 0.05  # p-value of a cut in time that is named

Sharpness = Callable[[str], float]


class Side(NamedTuple):
    """One photograph for each part.

    Attributes:
        digests: SHA-256 (hex) of their files.
        vectors: float32 (n, channels).
        verdict: int64 (n,), class number of the photograph's own verdict; 1 stands for all that is
            not passed, of two classes.
        numbers: by name, float64 (n,): "brightness" and "sharpness"; nan where not known.
    """

    digests: list[str]
    vectors: Rows
    verdict: Indices
    numbers: dict[str, Floats]


@dataclass(frozen=True)
class Test:
    """One comparison.

    Attributes:
        what: is compared: "rows", "brightness", "sharpness" or "unlike".
        of: which parts: "passed", "not passed", a class, or "" for all.
        p: its p-value, not multiplied.
        old, new: what it is on both sides: medians, or shares of parts; nan for rows.
    """

    what: str
    of: str
    p: float
    old: float
    new: float


def own_verdicts(bundle: Bundle, P: Floats) -> Indices:
    """Give classes (n,) of photographs by themselves; of two classes 1 for what is not passed."""
    alone = bundle.decision.alone(P)
    if bundle.classes.binary:
        return (alone[:, 1] >= bundle.band.pass_below).astype(np.int64)
    return np.asarray(alone.argmax(axis=1), dtype=np.int64)


def reference_side(bundle: Bundle, cache: Cache, sharpness: Sharpness | None, seed: int) -> Side:
    """Give the parts that the model was fitted and tested on, with verdicts that do not flatter.

    Raises:
        DataError: their rows are not in the cache.
    """
    entries = [e for e in bundle.split() if cache.has_views(e["digest"], bundle.seen[0])]
    if len({entry["group"] for entry in entries}) < FEWEST:
        raise DataError(
            f"{cache.path} has rows of {len(entries):,} of the photographs that {bundle.folder} "
            "was made from; expected most of them; name the cache that it was fitted on: --cache"
        )
    out_of_fold = _out_of_fold(bundle)
    honest = [e for e in entries if e["side"] != "train" or e["path"] in out_of_fold]
    if len({entry["group"] for entry in honest}) >= FEWEST:
        entries = honest
    chosen = one_of_each(np.array([int(entry["group"]) for entry in entries]), seed)
    entries = [entries[i] for i in chosen]
    seen = seen_of(bundle, cache, [entry["digest"] for entry in entries])
    verdict = own_verdicts(bundle, seen.P)
    for at, entry in enumerate(entries):
        if entry["side"] == "train":  # what the model says of these would flatter it
            told = out_of_fold.get(entry["path"])
            if told is not None:
                verdict[at] = told >= bundle.band.pass_below
            else:
                verdict[at] = bundle.classes.number(entry["class"]) or 0
    return _side([entry["digest"] for entry in entries], seen, verdict, sharpness)


def new_side(
    bundle: Bundle, seen: Seen, digests: Sequence[str], chosen: Indices, sharpness: Sharpness | None
) -> Side:
    """Give new parts, of which these photographs were chosen."""
    some = seen.some(chosen)
    return _side([digests[i] for i in chosen], some, own_verdicts(bundle, some.P), sharpness)


def _side(digests: list[str], seen: Seen, verdict: Indices, sharpness: Sharpness | None) -> Side:
    numbers = {"brightness": seen.brightness}
    if sharpness is not None:
        values = np.array([sharpness(digest) for digest in digests])
        numbers["sharpness"] = np.log(np.maximum(values, 1e-9))
    return Side(digests, seen.vectors, verdict, numbers)


def one_of_each(groups: Indices, seed: int, most: int = MOST) -> Indices:
    """Draw one photograph of each part, of `most` parts; their numbers, rising."""
    rng = np.random.default_rng((seed, 7))
    order = rng.permutation(len(groups))
    _, first = np.unique(groups[order], return_index=True)
    chosen = order[first]
    if len(chosen) > most:
        chosen = rng.choice(chosen, most, replace=False)
    return np.sort(chosen)


def _out_of_fold(bundle: Bundle) -> dict[str, float]:
    """Read what models that did not learn from a training photograph said of it, by digest."""
    path = bundle.folder / "unseen.csv"
    if "unseen.csv" not in bundle.record.files or not path.is_file():
        return {}
    with refused_if_forged(bundle.folder):
        table = read_table(path)
        told = table.column("probability_of_defect")
        return {name: float(p) for name, p in zip(table.column("path"), told, strict=True)}


class Comparison:
    """All tests between two sides."""

    def __init__(
        self, bundle: Bundle, old: Side, new: Side, unlike: tuple[int, int], seed: int
    ) -> None:
        """Compare.

        Args:
            bundle: the model.
            old: parts that it was fitted and tested on.
            new: new parts, in the order in which they came.
            unlike: how many of the new parts are unlike anything trained on, and how many there
                are.
            seed: of the deals.
        """
        self.old, self.new, self._seed = old, new, seed
        self.tests = [test for name, a, b in self._strata(bundle) for test in self._of(name, a, b)]
        if bundle.familiar is not None:
            from scipy.special import bdtrc

            count, parts = unlike
            p = float(bdtrc(count - 1, parts, bundle.familiar.rate)) if count else 1.0
            share = count / max(parts, 1)
            self.tests.append(Test("unlike", "", p, bundle.familiar.rate, share))

    @property
    def corrected(self) -> list[float]:
        """Give the p-values, each multiplied by the number of tests."""
        return [min(1.0, test.p * len(self.tests)) for test in self.tests]

    def _strata(self, bundle: Bundle) -> list[tuple[str, Indices, Indices]]:
        """Split parts by verdict where both sides have enough; else take all parts."""
        names = ("passed", "not passed") if bundle.classes.binary else bundle.classes.names
        found = []
        for number, name in enumerate(names):
            a, b = (np.flatnonzero(side.verdict == number) for side in (self.old, self.new))
            if min(len(a), len(b)) >= FEWEST:
                found.append((name, a, b))
        everything = ("", np.arange(len(self.old.digests)), np.arange(len(self.new.digests)))
        return found or [everything]

    def _of(self, name: str, a: Indices, b: Indices) -> list[Test]:
        rows = near_white(np.concatenate([self.old.vectors[a], self.new.vectors[b]]))
        is_new = np.arange(len(a) + len(b)) >= len(a)
        p = energy_test(distances(rows), is_new, seed=self._seed)
        tests = [Test("rows", name, p, np.nan, np.nan)]
        for what, values in self.old.numbers.items():
            x, y = values[a], self.new.numbers[what][b]
            x, y = x[np.isfinite(x)], y[np.isfinite(y)]
            if min(len(x), len(y)) >= FEWEST:
                both = np.concatenate([x, y])
                later = np.arange(len(both)) >= len(x)
                p = energy_test(distances(both), later, seed=self._seed)
                tests.append(Test(what, name, p, float(np.median(x)), float(np.median(y))))
        return tests

    @property
    def strongest(self) -> Test:
        """Give the test with the smallest p-value."""
        return min(self.tests, key=lambda test: test.p)

    def change(self) -> int:
        """Find the first new part behind the change, by number; 0 if they differ from the start."""
        at, p = change_point(distances(self._space()[len(self.old.digests) :]), seed=self._seed)
        return at if p <= _SURE else 0

    def telling(self, since: int, count: int = 20) -> list[int]:
        """Give new parts from this one on, those first that show the change most."""
        space = self._space()
        D = distances(space)
        old = np.arange(len(self.old.digests))
        new = len(old) + np.arange(since, len(self.new.digests))
        score = D[np.ix_(new, old)].mean(axis=1) - D[np.ix_(new, new)].mean(axis=1)
        return [since + int(i) for i in np.argsort(-score, kind="stable")[:count]]

    def _space(self) -> Floats:
        """Give old and new parts by what the strongest test looks at."""
        what = self.strongest.what
        if what in self.old.numbers:
            both = np.concatenate([self.old.numbers[what], self.new.numbers[what]])
            middle = np.nanmedian(both)
            return np.where(np.isfinite(both), both, middle)[:, None]
        return near_white(np.concatenate([self.old.vectors, self.new.vectors])).astype(np.float64)
