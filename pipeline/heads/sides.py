"""Say which of two matrices describes rows: of rows with rows, or of columns with columns.

Both are exact, and heads that see distances and inner products predict the same on both. The
smaller one is cheaper: n rows of d values cost n·d·min(n, d), and its square in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from features.errors import HeadError
from features.runtime import MEMORY_VARIABLE, memory_limit
from pipeline.data.lazy_rows import StoredRows
from pipeline.heads.base import AnyRows
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

_RAW_COPIES = 2
"""Of its rows, in a process that trains a head on them as they are: 1.7 were seen, of forests."""


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
    _refuse_above_limit(rows, heads, kept)
    # The crossing: n² or d² numbers to decompose, whichever is less; predictions are the same.
    return ColumnSide(rows) if n > d else GramSide(gram(rows), d)


def affordable_workers(
    shapes: Iterable[tuple[int, ...]],
    heads: Iterable[Any],
    most: int,
    raw: Iterable[tuple[int, ...]] = (),
) -> int:
    """Give as many processes, up to `most`, as the memory limit holds; one at least.

    Args:
        shapes: of rows that heads are trained on in their space.
        heads: these, or their classes.
        most: processes.
        raw: shapes of rows in memory that heads are trained on as they are.
    """
    shapes, heads, raw = list(shapes), list(heads), list(raw)
    # Rows (float32) or the Gram matrix (float64) are there once for all processes.
    shared = sum(4 * n * d if n > d else 8 * n * n for n, d in shapes)
    shared += sum(4 * n * d for n, d in raw if n <= d or (n, d) not in shapes)
    blocks = block_bytes() * BLOCK_COPIES
    inside = [_held_bytes(shape, heads) + blocks for shape in shapes]
    each = max(inside + [4 * n * d * _RAW_COPIES for n, d in raw], default=1)
    return max(1, min(most, (memory_limit() - shared) // max(each, 1)))


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


def _refuse_above_limit(rows: AnyRows, heads: Iterable[Any], kept: int) -> None:
    n, d = rows.shape
    heads, limit = list(heads), memory_limit()
    held = _held_bytes(rows.shape, heads) + (8 * n * n + kept if n <= d else 0)
    what = "inner products of all pairs of rows" + (" and the way to them" if kept else "")
    if n > d:
        # Rows that are still in the cache stay there only as long as the limit is below their size.
        if not isinstance(rows, StoredRows) or limit_that_holds(held) >= 4 * n * d:
            held += 4 * n * d
        largest = max(heads, key=lambda head: _held_bytes(rows.shape, [head]), default=None)
        what = "training" if largest is None else f"training ({largest.name} takes the most)"
    needed = limit_that_holds(held)
    if needed > limit:
        raise HeadError(
            f"{n:,} rows of {d:,} values take {_gigabytes(_rounded_up(needed))} for their {what}; "
            f"expected at most the limit of {_gigabytes(limit)}; see less of each photograph "
            f"(--features avg), or set {MEMORY_VARIABLE} (GB)"
        )


def _rounded_up(count: float) -> float:
    """Give it with three digits, and not less."""
    unit = 10.0 ** (math.floor(math.log10(count)) - 2)
    return math.ceil(count / unit) * unit


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:,.0f} GB" if count >= 1e11 else f"{count / 1e9:.3g} GB"
