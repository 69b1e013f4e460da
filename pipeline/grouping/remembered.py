"""A proposal is made once for a state of the cache and kept beside it, as plain JSON."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from features.cache import Cache
from features.errors import OutputError
from features.files import write_whole
from features.glimpse_table import glimpses_of
from features.untrusted import read_json
from pipeline.grouping.proposal import Proposal
from pipeline.grouping.propose import propose

REVISION = 2
"""Raised when the same photographs would be grouped otherwise."""


def proposal_path(cache_path: Path) -> Path:
    """Where the proposal for a cache is kept: features.h5 -> features.groups.json."""
    return cache_path.with_name(f"{cache_path.stem}.groups.json")


def proposed_groups(cache_path: Path) -> Proposal:
    """The proposal for the photographs that a cache holds now; made if it is not there yet.

    Where the folder cannot be written it is made anew each time.

    Raises:
        CacheError: no cache, or one that cannot be read.
    """
    path = proposal_path(cache_path)
    with Cache.read(cache_path) as cache:
        state = _state(cache)
        kept = _kept(path, state)
        if kept is not None:
            return kept
        proposal = propose(cache)
    with contextlib.suppress(OutputError):
        write_whole(path, json.dumps({"state": state, **proposal.to_json()}))
    return proposal


def _kept(path: Path, state: str) -> Proposal | None:
    """The one on the disk, if it is of this state; anything else is made anew."""
    try:
        record = read_json(path)
        return Proposal.from_json(record) if record["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _state(cache: Cache) -> str:
    """A digest of all that decides a proposal."""
    seen = hashlib.sha256(f"{REVISION} {cache.fingerprint}\n".encode())
    glimpsed = glimpses_of(cache).known
    for sample in cache.samples:
        known = sample.row >= 0 and bool(glimpsed[sample.row])
        line = f"{sample.path}\0{sample.digest}\0{sample.row >= 0}\0{known}\n"
        seen.update(line.encode("utf-8", "surrogateescape"))
    return seen.hexdigest()
