"""Are new photographs like those that a model's claims were made on, and since when not?

Compared are rows (see `pipeline.line.drift_tests`), brightness, sharpness, and how many parts are
unlike anything that was trained on. A line has fewer defects than the training data, and that is no
drift: so passed parts are compared with passed ones, and others with others. What the model says of
its own training parts would flatter it, and so their verdicts are those that `fit` wrote down out
of fold, beside the holdout's. Several tests are made at once, and each p-value is multiplied by
their number (Bonferroni): all of them together raise a false alarm in at most `FALSE_ALARM` of the
measurements. What that comes to on real photographs: docs/line.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from features.arrays import Indices
from features.cache.shards import open_cache
from pipeline.line.drift_sides import (
    FEWEST,
    Comparison,
    Sharpness,
    Test,
    new_side,
    one_of_each,
    reference_side,
)
from pipeline.line.part_vectors import Seen, check_sees_rows, seen_of
from pipeline.line.verdict_log import LoggedVerdict
from pipeline.model.bundle import Bundle

FALSE_ALARM = 0.01
"""Share of measurements without any change that say there is one, at most."""


@dataclass(frozen=True)
class Arrival:
    """A new photograph.

    Attributes:
        digest: SHA-256 (hex) of its file.
        time: seconds since 1970; nan where it is not known.
        part: name of the part that it shows; "" for one of its own.
        path: as a person knows it; "" where nobody does.
        file: where it is; None where that is not known.
    """

    digest: str
    time: float = math.nan
    part: str = ""
    path: str = ""
    file: Path | None = None


@dataclass(frozen=True)
class Drift:
    """Hold what was found.

    Attributes:
        drifted: whether new parts differ from those that the claims were made on.
        said: in sentences.
        since: seconds since 1970: from when on; None where that is not known, or nothing changed.
        p_value: the smallest, multiplied by the number of tests.
        p_values: of each test, so multiplied, by name.
        false_alarm: how often `drifted` without any change, at most.
        parts, reference_parts: that were compared.
        examples: new photographs that show the change, the most telling first.
        left_out: new photographs whose rows are not in the cache, or that the model knows.
    """

    drifted: bool
    said: list[str]
    since: float | None
    p_value: float
    p_values: dict[str, float]
    false_alarm: float
    parts: int
    reference_parts: int
    examples: list[Arrival] = field(default_factory=list)
    left_out: int = 0


def arrivals_of(verdicts: Sequence[LoggedVerdict]) -> list[Arrival]:
    """Give the photographs of a log of verdicts, each once, in the order in which they came."""
    found: dict[str, Arrival] = {}
    for number, one in enumerate(verdicts):
        for digest in one.digests:
            if digest:
                part = f"{one.part}\0{number}"  # the same name on another day is another part
                found.setdefault(digest, Arrival(digest, one.time, part, one.part))
    return list(found.values())


def measure_drift(
    bundle: Bundle,
    cache_path: Path,
    arrivals: Sequence[Arrival],
    *,
    since: float | None = None,
    latest: int | None = None,
    sharpness: Sharpness | None = None,
    seed: int = 0,
) -> Drift:
    """Compare new photographs with those that a model was fitted and tested on.

    Args:
        bundle: a model that sees rows.
        cache_path: has the rows of both.
        arrivals: new photographs; those that have no row, or that the model was fitted on, are left
            out.
        since: only those of this time (seconds since 1970) and later.
        latest: only so many parts, the latest by their times; None for all.
        sharpness: gives that of a photograph by its digest, nan where it is not known; None to
            leave it out.
        seed: of the draws.

    Raises:
        DataError: the model sees pixels, or its own photographs are not in the cache.
        CacheError: the cache cannot be read.

    Example:
        >>> measure_drift(bundle, Path("features.h5"), arrivals).drifted  # doctest: +SKIP
        False
    """
    check_sees_rows(bundle)
    recent = {one.digest: one for one in arrivals if since is None or one.time >= since}
    known = {entry["digest"] for entry in bundle.split()}
    with open_cache(cache_path) as cache:
        new = [
            one
            for one in recent.values()
            if one.digest not in known and cache.has_views(one.digest, bundle.seen[0])
        ]
        left_out = len(recent) - len(new)
        new, groups = _by_time(new, latest)
        parts = len(np.unique(groups))
        if parts < FEWEST:
            few = f"{parts:,} new part{'s' * (parts != 1)}; expected {FEWEST} or more to tell"
            return Drift(
                drifted=False, said=[few], since=None, p_value=1.0, p_values={},
                false_alarm=FALSE_ALARM, parts=parts, reference_parts=0, left_out=left_out,
            )  # fmt: skip
        old = reference_side(bundle, cache, sharpness, seed)
        seen = seen_of(bundle, cache, [one.digest for one in new])
    chosen = one_of_each(groups, seed)
    side = new_side(bundle, seen, [one.digest for one in new], chosen, sharpness)
    found = Comparison(bundle, old, side, _unlike(seen, groups), seed)
    done = _drift(found, [new[i] for i in chosen], parts, len(old.digests))
    return replace(done, left_out=left_out)


def _by_time(new: list[Arrival], latest: int | None) -> tuple[list[Arrival], Indices]:
    """Give the photographs of the latest parts, the oldest first, with their parts' numbers."""
    new = sorted(new, key=lambda one: (math.isnan(one.time), one.time))
    groups = _numbers(new)
    if latest is not None and groups.size:
        new = [one for one, at in zip(new, groups, strict=True) if at > groups.max() - latest]
        groups = _numbers(new)
    return new, groups


def _drift(
    found: Comparison, compared: Sequence[Arrival], parts: int, reference_parts: int
) -> Drift:
    """Say what a comparison found; `compared` has a photograph of each new part, by time."""
    p_values = {_name(t): p for t, p in zip(found.tests, found.corrected, strict=True)}
    drifted = min(p_values.values()) <= FALSE_ALARM
    said = _sentences(found, parts, reference_parts, drifted=drifted)
    when, examples = None, []
    if drifted:
        at = found.change()
        when = compared[at].time if math.isfinite(compared[at].time) else None
        said.append(_since(at, len(compared), when))
        examples = [compared[i] for i in found.telling(at)]
    return Drift(
        drifted=drifted, said=said, since=when, p_value=min(p_values.values()), p_values=p_values,
        false_alarm=FALSE_ALARM, parts=parts, reference_parts=reference_parts, examples=examples,
    )  # fmt: skip


def _numbers(new: Sequence[Arrival]) -> Indices:
    names = [one.part or one.digest for one in new]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)


def _unlike(seen: Seen, groups: Indices) -> tuple[int, int]:
    """Count the parts with a photograph that is unlike anything trained on, and all parts."""
    return len(np.unique(groups[seen.strangeness > 1])), len(np.unique(groups))


def _name(test: Test) -> str:
    return f"{test.what} of {test.of} parts" if test.of else test.what


def _sentences(found: Comparison, parts: int, reference: int, *, drifted: bool) -> list[str]:
    lines = [
        f"{parts:,} new parts {'DIFFER' if drifted else 'do not differ'} from the {reference:,} "
        f"that the model was fitted and tested on ({len(found.tests)} tests; without any change "
        f"at most {100 * FALSE_ALARM:.0f} % of measurements say that they do)"
    ]
    for test, p in zip(found.tests, found.corrected, strict=True):
        if p <= FALSE_ALARM or not drifted:
            lines.append(f"{_name(test)}: {_values(test)}p = {p:.2g}")
    old, new = (float((side.verdict != 0).mean()) for side in (found.old, found.new))
    lines.append(
        f"not passed, each photograph by itself: {100 * new:.0f} % of the new, {100 * old:.0f} "
        f"% of the others "
        "(which may be the parts' doing: no test)"
    )
    return lines


def _values(test: Test) -> str:
    if test.what == "unlike":
        return f"{100 * test.new:.1f} % of the new parts, {100 * test.old:.1f} % by chance; "
    if test.what == "sharpness":
        return f"{math.exp(test.new - test.old):.2f} times that of the others (medians); "
    if test.what == "brightness":
        return f"{test.new:.0f} of 255, of the others {test.old:.0f} (medians); "
    return ""


def _since(at: int, parts: int, when: float | None) -> str:
    said = "" if when is None else f", {text_of_time(when)}"
    if not at:
        return f"from the first of them on{said}"
    return f"since part {at + 1:,} of {parts:,} in the order of their times{said}"


def text_of_time(seconds: float) -> str:
    """Give a time as 2026-11-28 18:00, on the clock that it was read from."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
