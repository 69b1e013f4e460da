"""Tables of a report, with headers that a screen reader follows."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.html import Child, Html, element

Row = Sequence[Child]


def table(
    caption: str, columns: Sequence[Child], rows: Sequence[Row], *, texts: Sequence[int] = ()
) -> Html:
    """A table whose first column names the rows; it scrolls sideways where it is too wide.

    Args:
        caption: what it shows; read out, and used to find it.
        columns: headings.
        rows: as many cells each as there are columns.
        texts: numbers of columns besides the first that hold text; the others hold numbers, which
            are set to the right.
    """
    words = {0, *texts}
    head = [
        element("th", title, scope="col", class_=None if i in words else "number")
        for i, title in enumerate(columns)
    ]
    body = [element("tr", [_cell(i, cell, words) for i, cell in enumerate(row)]) for row in rows]
    made = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", head)),
        element("tbody", body),
    )
    return element("div", made, class_="scroll", role="region", aria_label=caption, tabindex=0)


def _cell(number: int, cell: Child, words: set[int]) -> Html:
    if number == 0:
        return element("th", cell, scope="row")
    return element("td", cell, class_=None if number in words else "number")


def folded(summary: str, *content: Child) -> Html:
    """Content that a click or the keyboard opens, without a script."""
    return element("details", element("summary", summary), content)


def facts(pairs: Sequence[tuple[str, Child]], *, class_: str = "facts") -> Html:
    """Names with their values, one below the other."""
    return element(
        "dl",
        [element("div", element("dt", key), element("dd", value)) for key, value in pairs],
        class_=class_,
    )
