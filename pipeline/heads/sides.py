"""Say which of two matrices describes rows: of rows with rows, or of columns with columns.

Both are exact, and heads that see distances and inner products predict the same on both. The
smaller one is cheaper: n rows of d values cost n·d·min(n, d), and its square in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from features.arrays import Indices
from features.errors import HeadError
from features.runtime import Taken, above_limit, memory_limit, memory_room
from pipeline.data.lazy_rows import StoredRows
from pipeline.heads.base import AnyRows, by_columns
from pipeline.heads.columns import ColumnPlaced, ColumnSide, ColumnSpace
from pipeline.heads.gram import GramSide, gram
from pipeline.heads.row_space import (
    BLOCK_COPIES,
    ByProducts,
    Placed,
    RowSpace,
    block_bytes,
    limit_that_holds,
)

Space = RowSpace | ColumnSpace
AnyPlaced = Placed | ByProducts | ColumnPlaced
Side = GramSide | ColumnSide

_GRAM_COPIES, _GRAM_COPIES_TOGETHER = 6, 8
"""Of the Gram matrix, in the spaces of a training side and of its inner folds: of one head, and of
several, which keep more there. Seen with 2,500 rows of 4,000 values: 5.6 at most, and 7.8."""

_WIDEST_MEAN = 2048
"""Values of the widest mean of a last map: more of them can be fewer (`--features avg`)."""


def smaller_side(rows: AnyRows, heads: Iterable[Any] = (), kept: int = 0) -> Side:
    """Describe rows by the smaller matrix.

    Args:
        rows: (n, d), in memory or still in the cache.
        heads: that will train on it, or their classes.
        kept: bytes that a head needs in the end to predict raw rows, if these are the fewer.

    Raises:
        HeadError: it does not fit into the memory limit; the message says which limit would do.
    """
    n, d = rows.shape
    refuse_training(rows, list(heads), kept)
    # The crossing: n² or d² numbers to decompose, whichever is less; predictions are the same.
    return ColumnSide(rows) if n > d else GramSide(gram(rows), d)


def with_room(rows: Sequence[StoredRows], heads: Iterable[Any]) -> list[AnyRows]:
    """Read rows into memory where all fit beside what training makes of them; else give these.

    Args:
        rows: (n, d) each, still in the cache.
        heads: that are to be trained on parts of each of them, again and again, or their classes.
    """
    heads = list(heads)
    kept = max((head.bytes_kept(*some.shape) for head in heads for some in rows), default=0)
    fits = sum(training_memory(rows, heads, resident=True)) + kept <= memory_room()
    return [some[:] for some in rows] if fits else list(rows)


def rows_to_train(
    rows: AnyRows,
    chosen: Indices,
    head: Any,  # noqa: ANN401 - a head or its class
) -> AnyRows:
    """Give some rows to train a head on: in memory if there is room for them, as it wants them."""
    if not isinstance(rows, StoredRows):
        return by_columns(rows, chosen) if head.by_columns else rows[chosen]
    shape = len(chosen), rows.shape[1]
    some = rows.subset(chosen)
    taken = sum(training_memory([some], [head], resident=True)) + head.bytes_kept(*shape)
    if (head.bytes_raw(*shape) if head.space == "raw" else taken) > memory_room():
        return some
    return by_columns(some, np.arange(len(some))) if head.by_columns else some[:]


def taken_by_reading(rows: StoredRows, heads: Iterable[Any]) -> Taken:
    """Estimate what a call takes that reads rows, see `with_room`, and trains heads on them."""
    heads = list(heads)
    whole = sum(training_memory([rows], heads, resident=True))
    return Taken(0, whole if whole <= memory_limit() else sum(training_memory([rows], heads)))


def training_memory(
    rows: Iterable[AnyRows], heads: Iterable[Any], *, resident: bool = False
) -> Taken:
    """Estimate the memory that training takes on each of some rows, in one process or several.

    Args:
        rows: (n, d) each, in memory or still in the cache.
        heads: that are trained on each of them, or their classes; those in the row space share it.
        resident: count rows that are still in the cache as if they were in memory.
    """
    heads = list(heads)
    raw = [head for head in heads if head.space == "raw"]
    heads = [head for head in heads if head.space == "rows"]
    whole = any(not head.streams for head in raw)
    shared, each = 0, [0]
    for some in rows:
        n, d = some.shape
        stored = isinstance(some, StoredRows) and not resident
        shared += 0 if stored else 4 * n * d
        if heads:
            shared += 8 * n * n * (n <= d)
            each.append(_held_bytes((n, d), heads))
        read = whole or not stored  # else in pieces
        each += [head.bytes_raw(n, d) * read + head.bytes_beside(n, d) for head in raw]
    return Taken(shared, max(each) + block_bytes() * BLOCK_COPIES)


def fitting(rows: Sequence[AnyRows], heads: Iterable[Any]) -> Taken:
    """Estimate as `training_memory` does, and refuse what one process cannot hold.

    Raises:
        HeadError: the message says which limit would do.
    """
    heads = list(heads)
    taken = training_memory(rows, heads)
    needed = limit_that_holds(sum(taken) - block_bytes() * BLOCK_COPIES)
    if needed <= memory_limit():
        return taken
    largest = max(heads, key=lambda head: sum(training_memory(rows, [head]))).name
    what = f"{len(heads)} heads ({largest} takes the most)" if len(heads) > 1 else largest
    widths = [some.shape[1] for some in rows]
    seen = f"{widths[0]:,} values" if len(rows) == 1 else f"{len(rows)} feature specs"
    what = f"folds of {what} on {len(rows[0]):,} rows of {seen}"
    raise HeadError(_above_limit(what, needed, widest=max(widths)))


def taken_by_products(n: int, heads: Iterable[Any]) -> Taken:
    """Estimate the memory that training by the Gram matrix of n rows takes, however wide."""
    return Taken(8 * n * n, _held_bytes((n, n), heads) + block_bytes() * BLOCK_COPIES)


def _held_bytes(shape: tuple[int, ...], heads: Iterable[Any]) -> int:
    """Estimate the bytes that training on rows (n, d) takes in each process, beside its blocks.

    Heads are trained one after the other in a space whose matrices stay.
    """
    n, d = shape
    heads = list(heads)
    if n <= d:
        together = len({head.name for head in heads}) > 1
        return 8 * n * n * (_GRAM_COPIES_TOGETHER if together else _GRAM_COPIES)
    stays = 4 * n * d * any(head.centred for head in heads)
    stays += 8 * d * d * max((head.covariances for head in heads), default=0)
    beside = max((head.bytes_beside(n, d) for head in heads), default=0)
    return stays + beside


def refuse_training(rows: AnyRows, heads: Sequence[Any], kept: int) -> None:
    """Refuse heads in the row space what one training on these rows cannot hold.

    Raises:
        HeadError: see `smaller_side`.
    """
    n, d = rows.shape
    held = _held_bytes((n, d), heads) + (8 * n * n + kept if n <= d else 0)
    held += 0 if isinstance(rows, StoredRows) else 4 * n * d
    needed = limit_that_holds(held)
    if needed <= memory_limit():
        return
    what = "inner products of all pairs of rows" + (" and the way to them" if kept else "")
    if n > d:
        largest = max(heads, key=lambda head: _held_bytes((n, d), [head]), default=None)
        what = "training" if largest is None else f"training ({largest.name} takes the most)"
    what = f" for their {what}"
    raise HeadError(_above_limit(f"{n:,} rows of {d:,} values", needed, what, widest=d))


def _above_limit(what: str, needed: float, of: str = "", *, widest: int) -> str:
    """Word that training takes more than the memory limit, and what to do."""
    mend = "see less of each photograph (--features avg), or " if widest > _WIDEST_MEAN else ""
    return above_limit(f"{what} take", needed, of, mend=mend)
