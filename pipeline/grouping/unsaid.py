"""Groups of a folder that a model is scored on, where nobody said which photographs are one part.

The model's own photographs matter, too: near copies of what it was trained on are no test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from features.cache import Cache
from features.samples import Sample
from pipeline.grouping.looks import look
from pipeline.grouping.proposal import Proposal
from pipeline.grouping.propose import propose

_SURE = 0.001  # expected strangers as alike: of 1,000 photographs of new parts, about one is named

Flags = npt.NDArray[np.bool_]


def propose_for(cache_path: Path, samples: Sequence[Sample]) -> Proposal:
    """The proposal for photographs whose rows are in a cache, in its table or not.

    Raises:
        CacheError: no cache, or one that cannot be read.
    """
    with Cache.read(cache_path) as cache:
        rows = cache.rows_of([sample.digest for sample in samples])
        return propose(cache, [s._replace(row=r) for s, r in zip(samples, rows, strict=True)])


def like_known(cache_path: Path, samples: Sequence[Sample], known: Sequence[str]) -> Flags:
    """Which photographs look so much like known ones that both surely show one part.

    Args:
        cache_path: that has the rows of the photographs.
        samples: to ask about; none of them is among the known ones.
        known: digests; those without a row in the cache cannot be told of.

    Returns:
        bool (len(samples),).

    Raises:
        CacheError: no cache, or one that cannot be read.
    """
    found = np.zeros(len(samples), dtype=np.bool_)
    with Cache.read(cache_path) as cache:
        asked = cache.rows_of([sample.digest for sample in samples])
        others = {cache.find(digest) for digest in known} - {-1, *asked}
        rows = sorted({row for row in asked if row >= 0} | others)
        looks = look(cache, rows) if others else None
    if looks is None:
        return found
    is_known = np.isin(rows, list(others))
    a, b, _ = looks.pairs(_SURE)
    across = is_known[a] != is_known[b]
    near = np.concatenate([a[across], b[across]])
    like = {rows[i] for i in near.tolist() if not is_known[i]}
    return np.array([row in like for row in asked], dtype=np.bool_)
