"""HDF5 files from anywhere: refused where they reach outside, or claim more than they hold.

HDF5 follows links into other files, reads values out of other files, loads filters as plug-ins,
and allocates whatever shape a file names. None of that is ever needed here, so each is refused
before a value is read. What is left is HDF5's own parser, which is C code: see the README.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import h5py

from features.untrusted_files import UnsafeFileError

_FLETCHER32, _SHUFFLE, _DEFLATE = h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_SHUFFLE, 1
PLAIN = frozenset({_FLETCHER32})
"""Filters of a cache: checksums, nothing that inflates."""

COMPRESSED = frozenset({_FLETCHER32, _SHUFFLE, _DEFLATE})
"""Filters that HDF5 has by itself."""


_MOST_DEPTH, _MOST_OBJECTS = 12, 100_000
_KINDS = frozenset({h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING})


def refuse_unsafe(
    file: h5py.File,
    most: int,
    filters: frozenset[int] = PLAIN,
    *,
    names: Sequence[str] = (),
    damaged: bool = False,
) -> None:
    """Look at the objects of an open file without reading a value.

    Args:
        file: open for reading.
        most: bytes that all values together may have: of a file that compresses nothing, its size.
        filters: numbers of the filters that values may have gone through.
        names: of the objects to expect, groups before what is in them; these are asked for one by
            one, and the groups are listed only where there are more. HDF5 lists a group through a
            table that it frees unfilled when a block of the file cannot be read: Python crashes.
        damaged: leave out what HDF5 cannot open: it cannot be read either.

    Raises:
        UnsafeFileError: a link that is not a plain one, values that lie in other files, filters
            that are not allowed, types that are no plain numbers or texts, or more than `most`.
    """
    claimed = 0
    for name, item in _named(file.id, names, damaged) or _objects(file.id, damaged):
        claimed += _attribute_bytes(item, damaged)
        if isinstance(item, h5py.h5d.DatasetID):
            _refuse_dataset(name, item, filters)
            claimed += math.prod(item.shape) * item.get_type().get_size()
        elif not isinstance(item, h5py.h5g.GroupID):
            raise UnsafeFileError(f"{name} is neither a group nor a dataset")
        if claimed > most:
            raise UnsafeFileError(f"its values up to {name} claim {claimed:,} bytes of {most:,}")


def _attribute_bytes(item: Any, damaged: bool) -> int:  # noqa: ANN401 - low-level
    """Count the bytes that the attributes of an object claim."""
    claimed = 0
    for number in range(h5py.h5a.get_num_attrs(item)):
        try:
            attribute = h5py.h5a.open(item, index=number)
            claimed += math.prod(attribute.shape) * attribute.get_type().get_size()
        except (RuntimeError, KeyError, OSError):
            if not damaged:
                raise
    return claimed


def _refuse_dataset(name: str, item: Any, filters: frozenset[int]) -> None:  # noqa: ANN401 - h5py has few types
    created = item.get_create_plist()
    if created.get_layout() == h5py.h5d.VIRTUAL or created.get_external_count():
        raise UnsafeFileError(f"the values of {name} lie in other files")
    for number in range(created.get_nfilters()):
        code, _, _, title = created.get_filter(number)
        if code not in filters:
            shown = title.decode("ascii", "backslashreplace") or "without a name"
            raise UnsafeFileError(f"{name} needs the filter {code} ({shown})")
    kind = item.get_type()
    if kind.get_class() not in _KINDS or (
        isinstance(kind, h5py.h5t.TypeStringID) and (kind.is_variable_str())
    ):
        raise UnsafeFileError(f"{name} holds neither plain numbers nor plain texts")


def _named(
    file: Any,  # noqa: ANN401 - low-level
    names: Sequence[str],
    damaged: bool,
) -> list[tuple[str, Any]]:
    """Give the root and the objects of these names that exist; none if there are others."""
    groups = {"": h5py.h5g.open(file, b"/")}
    found = [("/", groups[""])]
    unnamed = len(groups[""])
    for name in names:
        above, _, last = name.rpartition("/")
        if above not in groups:
            continue
        try:
            item = _open(groups[above], last.encode(), name)
            if item is None:
                continue
            unnamed -= 1
            if isinstance(item, h5py.h5g.GroupID):
                groups[name] = item
                unnamed += len(item)
        except (RuntimeError, KeyError, OSError):
            if not damaged:
                raise
            unnamed -= 1
            continue
        found.append((f"/{name}", item))
    # Of a damaged file nothing is listed, ever: only what has one of these names is read of it.
    return [] if unnamed and not damaged else found


def _open(group: Any, key: bytes, name: str) -> Any:  # noqa: ANN401 - low-level
    """Give an object of a group; None where there is none."""
    if key not in group:
        return None
    if group.links.get_info(key).type != h5py.h5l.TYPE_HARD:
        raise UnsafeFileError(f"{name} is a link to somewhere else")
    return h5py.h5o.open(group, key)


def _objects(file: Any, damaged: bool) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - low-level
    """Walk every object by its name; one that holds itself shows by its depth or number."""
    todo: list[tuple[str, int, Any]] = [("", 0, h5py.h5g.open(file, b"/"))]
    count = 0
    while todo:
        name, depth, item = todo.pop()
        count += 1
        if depth > _MOST_DEPTH or count > _MOST_OBJECTS:
            raise UnsafeFileError(f"{name[:40]} is object {count:,}, {depth} groups deep")
        yield name or "/", item
        if not isinstance(item, h5py.h5g.GroupID):
            continue
        try:
            for key in item:
                path = f"{name}/{key.decode('utf-8', 'backslashreplace')}"
                if item.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                    raise UnsafeFileError(f"{path} is a link to somewhere else")
                todo.append((path, depth + 1, h5py.h5o.open(item, key)))
        except (RuntimeError, KeyError, OSError):
            if not damaged:
                raise
