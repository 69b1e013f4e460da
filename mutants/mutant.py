"""One change that breaks a promise, and where it is applied."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    """One change that breaks a promise.

    Attributes:
        promise: in the words of README and docs; begins with what it is about.
        file: relative to the project's folder, with forward slashes.
        before: one whole line or several, as they stand in the file, without the first one's
            indentation and without the last one's end.
        after: what takes their place, in the same form.
        test: the pytest node that has to fail.
        hangs: whether a test that does not end is the proof: the promise is that something ends.
    """

    promise: str
    file: str
    before: str
    after: str
    test: str
    hangs: bool = False


class MovedError(Exception):
    """The lines to break do not stand in the file exactly once: the table of mutants is old."""


def mutated(mutant: Mutant, root: Path = ROOT) -> str:
    """Give the text of the mutant's file with the change in it.

    Raises:
        MovedError: the file is gone, or the lines do not stand in it exactly once.
    """
    path = root / mutant.file
    if not path.is_file():
        raise MovedError(
            f"{mutant.file} is gone; say in mutants/table.py where the code stands now"
        )
    text = path.read_text("utf-8")
    lines = re.compile(rf"^([ \t]*){re.escape(mutant.before)}$", re.MULTILINE)
    found = len(lines.findall(text))
    if found != 1:
        first = mutant.before.splitlines()[0].strip()
        raise MovedError(
            f"{mutant.file} has the lines to break {found} times (they begin with {first!r}); "
            "expected once; say in mutants/table.py what they are now"
        )
    return lines.sub(lambda line: line[1] + mutant.after, text)
