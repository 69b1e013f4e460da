"""List what an audit wants looked at, as tables for terminal and report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipeline.audit.result import CopyFinding, LabelFinding, PhotographFinding
from pipeline.output.result_table import Cell, Column, Likely, Name, Table


def suspects_table(found: Sequence[LabelFinding], most: int) -> Table:
    """List photographs that probably lie in the wrong class, the most suspect first.

    Args:
        found: of `LabelFindings.suspects`.
        most: rows at most.
    """
    rows: list[list[Cell]] = [
        [Name(one.path), Likely(one.given, one.p_given), Likely(one.suggested, one.p_suggested)]
        for one in found[:most]
    ]
    columns = [Column("photograph"), Column("class", words=True), Column("looks like", words=True)]
    return Table(_title("Labels to check, the most suspect first", len(found), most), columns, rows)


def photographs_table(found: Sequence[PhotographFinding], most: int) -> Table:
    """List photographs that should be looked at: unlike all others, or hardly usable.

    Args:
        found: of `Audit.outliers` and `Audit.unusable`.
        most: rows at most.
    """
    rows: list[list[Cell]] = [
        [Name(one.path), Name(one.label), one.problem, one.reason] for one in found[:most]
    ]
    columns = [
        Column("photograph"),
        *(Column(title, words=True) for title in ("class", "problem", "reason")),
    ]
    kinds = Counter(one.problem for one in found).most_common()
    counts = ", ".join(f"{kind}: {count:,}" for kind, count in kinds)
    title = "Photographs to look at" + (f" ({counts})" if kinds else "")
    return Table(_title(title, len(found), most), columns, rows)


def copies_table(found: Sequence[CopyFinding], most: int) -> Table:
    """List photographs that lie in several classes, byte for byte the same.

    Args:
        found: of `Audit.copies`.
        most: photographs at most; each has a row for every place.
    """
    rows: list[list[Cell]] = [
        [Name(path), Name(label), f"no. {number}"]
        for number, torn in enumerate(found[:most], 1)
        for path, label in torn.copies.items()
    ]
    columns = [
        Column("photograph"),
        Column("class", words=True),
        Column("the same file", words=True),
    ]
    return Table(_title("Exact copies under two labels", len(found), most), columns, rows)


def _title(what: str, count: int, most: int) -> str:
    return f"{what}: {'the first ' + str(most) + ' of ' if count > most else ''}{count:,}"
