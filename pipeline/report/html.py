"""HTML from Python, escaped unless it was built here: no file name ever becomes markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from pipeline.output.result_table import Cell, Likely, Name, Share, Table, shown
from pipeline.output.tables import printable

_VOID = frozenset({"br", "img", "link", "meta", "wbr"})
_SEPARATORS = re.compile(r"(?<=[/_.-])(?=[^/_.-])")  # where a long name may be broken

# Control characters, those that turn the direction of writing, and halves of characters (bytes
# of file names that are no UTF-8): shown as escapes, since they would change or break the page.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff"
    "\ud800-\udfff]"
)


class Html(str):
    """Markup that is safe as it stands; any other text is escaped when it is put into a page."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]


def element(tag: str, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """Write one element.

    Args:
        tag: such as "p".
        children: text (escaped), markup (`Html`, as it is), None (nothing), or several of these.
        attributes: values are escaped; None and False leave one out, True gives it no value. An
            underscore in a name becomes a hyphen and one at its end is dropped: `class_`,
            `aria_label`.
    """
    start = f"<{tag}{''.join(_attribute(*pair) for pair in attributes.items())}>"
    return Html(start if tag in _VOID else f"{start}{join(children)}</{tag}>")


def join(children: Child) -> Html:
    """Join children one after another, as `element` takes them."""
    if children is None:
        return Html()
    if isinstance(children, Html):
        return children
    if isinstance(children, str | int):
        return escape(str(children))
    return Html("".join(join(child) for child in children))


def escape(text: str) -> Html:
    """Write text as markup that shows it."""
    return Html(html.escape(_HIDDEN.sub(lambda found: _code(found.group()), text)))


def name(text: str) -> Html:
    """Show the name of a file, class or part whole, turning no text around it."""
    pieces = _SEPARATORS.split(printable(text))
    return element(
        "bdi", [[element("wbr") if i else None, p] for i, p in enumerate(pieces)], class_="name"
    )


def _code(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


def _attribute(key: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    shown = key.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{escape(str(value))}"'


Row = Sequence[Child]


def table(
    caption: str, columns: Sequence[Child], rows: Sequence[Row], *, texts: Sequence[int] = ()
) -> Html:
    """Give a table whose first column names the rows; it scrolls sideways where it is too wide.

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


def result_table(made: Table) -> Html:
    """Give a table of results as a page shows it; see `pipeline.output.result_table`."""
    words = [number for number, column in enumerate(made.columns) if column.words]
    rows = [[_shown(cell) for cell in row] for row in made.rows]
    for row, meaning in zip(rows, made.meanings, strict=False):
        row[0] = join([row[0], element("small", meaning)])
    return table(made.title, [_shown(column.title) for column in made.columns], rows, texts=words)


def _shown(cell: Cell) -> Child:
    """Give a cell, what belongs to it small below."""
    text, beside = shown(cell)
    if isinstance(cell, Name):
        return name(text)
    if isinstance(cell, Likely):
        return [name(text), " ", element("small", beside)]
    made = [text, element("small", beside, class_="range")] if beside else text
    right = isinstance(cell, Share) and cell.right
    return element("span", made, class_="right") if right else made


def _cell(number: int, cell: Child, words: set[int]) -> Html:
    if number == 0:
        return element("th", cell, scope="row")
    return element("td", cell, class_=None if number in words else "number")


def folded(summary: str, *content: Child) -> Html:
    """Fold content away until a click or the keyboard opens it, without a script."""
    return element("details", element("summary", summary), content)


def facts(pairs: Sequence[tuple[str, Child]], *, class_: str = "facts") -> Html:
    """List names with their values, one below the other."""
    return element(
        "dl",
        [element("div", element("dt", key), element("dd", value)) for key, value in pairs],
        class_=class_,
    )
