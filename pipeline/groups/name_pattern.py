"""A person's pattern, searched in the paths of photographs: never without end.

Python's `re` tracks back: `(a+)+$` takes twice as long for each further letter, and nothing stops
it from within. A pattern with more than one repetition or choice is therefore searched in a
process of its own, which is ended when its time is over.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence

from features.errors import DataError

SECONDS = 10.0
"""Time that a pattern may take for some thousand photographs, with the start of a process."""

_PER_SECOND = 10_000  # paths that are searched in a second of more time
_MANY = re.compile(r"[*+{|]")  # of these one alone costs at most the square of a path's length
_SEARCH = """
import json, re, sys
pattern, paths = json.load(sys.stdin)
found = [re.search(pattern, path) for path in paths]
json.dump([(one[1 if one.re.groups else 0] or "") if one else "" for one in found], sys.stdout)
"""


def groups_in_names(
    pattern: str, paths: Sequence[str], *, seconds: float | None = None
) -> list[str]:
    r"""Give of each path what the first parentheses of a pattern hold, or without any the match.

    Raises:
        DataError: it is no regular expression, or takes more than some seconds (None: `SECONDS`).

    Example:
        >>> groups_in_names(r"part-(\d+)", ["ok/part-7_a.png", "ok/x.png"])
        ['7', '']
    """
    try:
        form = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise DataError(
            f"--group-regex {pattern!r} is no regular expression ({error}); an example is "
            r"'part-(\d+)'"
        ) from error
    if len(_MANY.findall(pattern)) > 1 and paths and sys.executable:
        limit = SECONDS + len(paths) / _PER_SECOND if seconds is None else seconds
        return _searched_apart(pattern, paths, limit)
    found = [form.search(path) for path in paths]
    return [(one[1 if form.groups else 0] or "") if one else "" for one in found]


def _searched_apart(pattern: str, paths: Sequence[str], limit: float) -> list[str]:
    try:
        done = subprocess.run(  # noqa: S603 - our own text
            [sys.executable, "-I", "-c", _SEARCH],
            input=json.dumps([pattern, list(paths)]),
            capture_output=True,
            encoding="ascii",
            errors="replace",
            timeout=limit,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise DataError(
            f"--group-regex {pattern!r} was searched for more than {limit:.2g} s in {len(paths):,} "
            f"names such as {paths[0]!r} without an end; expected a pattern in which "
            r"no repetition stands inside another, such as 'part-(\d+)'"
        ) from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise DataError(
            f"--group-regex {pattern!r} cannot be searched in {len(paths):,} names ({said}); "
            r"expected a pattern such as 'part-(\d+)'"
        )
    found: list[str] = json.loads(done.stdout)
    return found
