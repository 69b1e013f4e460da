"""Ask a cache which photographs show one part: the proposal kept beside it, and near copies.

Near copies of what a model was trained on are no test, and some that groups separate are a doubt.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from features.arrays import Flags
from features.cache.cache import Cache
from features.cache.sample_table import TableRow
from features.cache.shards import open_cache
from features.cache.thumbnail_table import thumbnails_of
from features.errors import OutputError
from features.files import write_whole
from features.untrusted_files import read_json
from pipeline.groups.proposal import Proposal
from pipeline.groups.propose import propose
from pipeline.groups.rules import GroupRule, number_groups
from pipeline.groups.similarity import Progress, similarity_of_rows, ticks

_SURE = 0.001  # expected strangers as alike: of 1,000 photographs of new parts, about one is named

_LIKELY = 0.01  # the same, where a person is asked to look
_MOST_DOUBTED = 20_000  # photographs that are compared with one another for this


def propose_for(
    cache_path: Path,
    table_rows: Sequence[TableRow],
    gap: float | None = None,
    *,
    progress: Progress | None = None,
) -> Proposal:
    """Give the proposal, see `propose`, for photographs whose rows are in a cache.

    Raises:
        CacheError: no cache, or one that cannot be read.
        DataError: a gap was told, and no photograph has a capture time.
    """
    with open_cache(cache_path) as cache:
        rows = cache.rows_of([table_row.digest for table_row in table_rows])
        placed = [s._replace(row=r) for s, r in zip(table_rows, rows, strict=True)]
        return propose(cache, placed, gap, progress=progress)


def like_known(
    cache_path: Path,
    table_rows: Sequence[TableRow],
    known: Sequence[str],
    *,
    progress: Progress | None = None,
) -> Flags:
    """Find photographs that look so much like known ones that both surely show one part.

    Args:
        cache_path: that has the rows of all.
        table_rows: to ask about (n); none of them is among the known ones.
        known: digests.
        progress: called as `progress(photographs compared, photographs)`.

    Returns:
        bool (n,).

    Raises:
        CacheError: no cache, or one that cannot be read.
    """
    found = np.zeros(len(table_rows), dtype=np.bool_)
    with open_cache(cache_path) as cache:
        asked = cache.rows_of([table_row.digest for table_row in table_rows])
        others = {cache.find(digest) for digest in known} - {-1, *asked}
        rows = sorted({row for row in asked if row >= 0} | others)
        tick = ticks(progress, len(rows))
        similarity = similarity_of_rows(cache, rows, tick) if others else None
    if similarity is None:
        return found
    is_known = np.isin(rows, list(others))
    a, b, _ = similarity.pairs(_SURE)
    across = is_known[a] != is_known[b]
    near = np.concatenate([a[across], b[across]])
    like = {rows[i] for i in near.tolist() if not is_known[i]}
    return np.array([row in like for row in asked], dtype=np.bool_)


def doubts_of_groups(cache_path: Path) -> list[str]:
    """Find what speaks against groups that were told, each as a warning with its counts.

    Near copies that stand in two groups are seen in training and in the test.

    Raises:
        CacheError: no cache, or one that cannot be read.
    """
    with open_cache(cache_path) as cache:
        table_rows = [table_row for table_row in cache.table_rows if table_row.row >= 0]
        first = {table_row.row: table_row for table_row in reversed(table_rows)}
        rows = sorted(first)
        similarity = similarity_of_rows(cache, rows) if len(rows) <= _MOST_DOUBTED else None
    groups = number_groups(table_rows)
    if similarity is None:
        return []
    named = dict(zip((table_row.row for table_row in table_rows), groups.tolist(), strict=True))
    a, b, _ = similarity.pairs(_LIKELY)
    pairs = [(rows[x], rows[y]) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    torn = [(x, y) for x, y in pairs if named[x] != named[y]]
    if not torn:
        return []
    one, other = (first[row].path for row in torn[0])
    return [
        f"the groups separate {len(torn):,} of {len(pairs):,} pairs of photographs that look "
        f"nearly the same, such as {one!r} and {other!r}: if these show one part, scores by part "
        "are flattered; look at them with: groups"
    ]


REVISION = 32
"""Raised when the same photographs would be grouped otherwise."""


def proposal_path(cache_path: Path) -> Path:
    """Give the path of the proposal for a cache: features.h5 -> features.groups.json."""
    return cache_path.with_name(f"{cache_path.stem}.groups.json")


def proposed_groups(cache_path: Path, progress: Progress | None = None) -> Proposal:
    """Give the proposal for the photographs that a cache holds now; made if it is not there yet.

    Of a cache that was told a gap in time it is no proposal, but what that gap cuts. Where the
    folder cannot be written it is made anew each time.

    Args:
        cache_path: made by `extract`.
        progress: called as `progress(photographs compared, photographs)` while it is made.

    Raises:
        CacheError: no cache, or one that cannot be read.

    Example:
        >>> onepass.proposed_groups(Path("features.h5")).groups.shape
        (72,)
    """
    path = proposal_path(cache_path)
    with open_cache(cache_path) as cache:
        state = _state(cache)
        kept = _kept(path, state)
        if kept is not None:
            return kept
        proposal = propose(cache, gap=GroupRule.noted(cache.note).gap, progress=progress)
    with contextlib.suppress(OutputError):
        write_whole(path, json.dumps({"state": state, **proposal.to_json()}))
    return proposal


def _kept(path: Path, state: str) -> Proposal | None:
    """Give the one on the disk, if it is of this state; anything else is made anew."""
    try:
        record = read_json(path)
        return Proposal.from_json(record) if record["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _state(cache: Cache) -> str:
    """Give a digest of all that decides a proposal."""
    rule = GroupRule.noted(cache.note)
    seen = hashlib.sha256(f"{REVISION} {cache.fingerprint} {rule.gap}\n".encode())
    with_thumbnail = thumbnails_of(cache).known
    for table_row in cache.table_rows:
        known = table_row.row >= 0 and bool(with_thumbnail[table_row.row])
        line = f"{table_row.path}\0{table_row.digest}\0{table_row.row >= 0}\0{known}\n"
        seen.update(line.encode("utf-8", "surrogateescape"))
    return seen.hexdigest()
