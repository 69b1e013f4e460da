"""Find out, and say, once for a folder: bits of 16-bit photographs, pages, line scans.

A file of 16 bits need not say how many of them its camera used. Scaled each by its own largest
value, dark photographs would become bright; so one number of bits holds for the whole folder: the
fewest among `samples.DEPTHS` that hold its largest value. It becomes part of the recipe, and with
it of the cache's fingerprint and of every model that is trained on its rows.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from features.errors import BucketError, ImageError
from features.photographs.decode import MAX_PIXELS
from features.photographs.decode_worker_pool import depth_apart, facts_apart
from features.photographs.file import Photograph, first_bytes, read_photograph
from features.photographs.file_header import Declared, read_declared
from features.photographs.metadata import FileFacts
from features.photographs.recipe import Recipe
from features.photographs.samples import DEPTHS, depth_of
from features.photographs.views import MOST_ALONG
from features.runtime import core_count

LONGEST = 4
"""Width to height, or height to width, above which a photograph is a line scan."""

_AHEAD = 256  # photographs handed to the threads at once
_MAY_BE_DEEP = frozenset({".png", ".tif", ".tiff"})
_PNG_HEADER = 26  # bytes, of which the 25th says the bits of a sample


class Settled:
    """Say what was found out of a folder's 16-bit photographs.

    Attributes:
        recipe: with the bits that hold for them all.
        said: for a person; "" where no photograph needed it.
    """

    def __init__(self, recipe: Recipe, said: str = "") -> None:
        """Keep both."""
        self.recipe, self.said = recipe, said


def settle_depth(
    photographs: Sequence[Photograph],
    recipe: Recipe,
    *,
    max_pixels: int = MAX_PIXELS,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Settled:
    """Find how many bits the 16-bit photographs of a folder use, where their files do not say it.

    Only such files are decoded: of PNG the header tells them apart, TIFF is read whole. Photographs
    that cannot be read are passed over; who extracts them says why.

    Args:
        photographs: of a folder.
        recipe: without bits; one of revision 1, or one that has them already, is left as it is.
        max_pixels: refuse larger photographs.
        workers: threads; None for one per core.
        progress: called as `progress(done, total)`.
    """
    files = [one.file for one in photographs if one.file.suffix.lower() in _MAY_BE_DEEP]
    if recipe.revision < 2 or recipe.bits is not None or not files:
        return Settled(recipe)
    largest: list[tuple[int, Path]] = []
    with ThreadPoolExecutor(workers or core_count(), thread_name_prefix="depth") as pool:
        found = pool.map(lambda file: _largest(file, max_pixels), files)
        for done, (file, value) in enumerate(zip(files, found, strict=True), 1):
            if value is not None:
                largest.append((value, file))
            if progress is not None:
                progress(done, len(files))
    if not largest:
        return Settled(recipe)
    most, file = max(largest)
    bits = depth_of(most)
    dark = sum(depth_of(value) < bits - 2 for value, _ in largest if value)
    if bits == DEPTHS[-1] and not dark:
        return Settled(replace(recipe, bits=bits))
    count = "1 photograph has" if len(largest) == 1 else f"{len(largest):,} photographs have"
    return Settled(
        replace(recipe, bits=bits),
        f"{count} samples of 16 bits, and no file says how many of them count; the largest value "
        f"is {most:,} (in {file.name}): read as {bits} bits, {2**bits - 1:,} is white"
        + _said_of_dark(dark),
    )


def _said_of_dark(count: int) -> str:
    if not count:
        return ""
    return (
        f"; {count:,} of them use less than a sixteenth of the range and are read dark: if another "
        "camera took them, extract them into a --cache of their own"
    )


def _largest(file: Path, max_pixels: int) -> int | None:
    try:
        is_png = file.suffix.lower() == ".png"
        if is_png and first_bytes(file, _PNG_HEADER)[24:25] != b"\x10":
            return None
        data = read_photograph(file, max_pixels=max_pixels)
        declared = read_declared(data)
        if declared is None or not declared.is_deep:
            return None
        return depth_apart(data, max_pixels=max_pixels)
    except BucketError:  # a store that fails for a moment must not decide the bits of a folder
        raise
    except (ImageError, OSError, ValueError):
        return None


def read_facts(
    photographs: Sequence[Photograph],
    digests: Sequence[str] | None = None,
    *,
    bits: int | None = 0,
    max_pixels: int = MAX_PIXELS,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[FileFacts]:
    """Look at files on threads; one that cannot be read has its reason, nothing is raised.

    Each is decoded where all photographs are (`decode_worker_pool`), and only if it still is the
    file that it is taken for.

    Args:
        photographs: what to look at; only `file` is used.
        digests: SHA-256 of each one's bytes, hex; another file is not decoded. None for any.
        bits: as `features.photographs.recipe.Recipe.bits`.
        max_pixels: refuse larger photographs.
        workers: threads; None for one per core.
        progress: called as `progress(done, total)`.

    Returns:
        One for each photograph, in order.
    """
    found: list[FileFacts] = []

    def look(photograph: Photograph, digest: str | None) -> FileFacts:
        """Look at one file."""
        return _look_at(photograph, digest, max_pixels, bits)

    with ThreadPoolExecutor(workers or core_count(), thread_name_prefix="facts") as pool:
        for start in range(0, len(photographs), _AHEAD):
            block = photographs[start : start + _AHEAD]
            known = digests[start : start + _AHEAD] if digests else [None] * len(block)
            for facts in pool.map(look, block, known):
                found.append(facts)
                if progress is not None:
                    progress(len(found), len(photographs))
    return found


def _look_at(
    photograph: Photograph, digest: str | None, max_pixels: int, bits: int | None
) -> FileFacts:
    try:
        data = read_photograph(photograph.file, max_pixels=max_pixels)
        if digest is not None and hashlib.sha256(data).hexdigest() != digest:
            return FileFacts(reason="it is another file than the one that was looked at")
        return FileFacts(**facts_apart(data, max_pixels=max_pixels, bits=bits))
    except ImageError as error:
        return FileFacts(reason=str(error))
    except MemoryError:
        return FileFacts(reason="it does not fit into memory")


class Remarks:
    """Collects, from any thread, what a person should know of photographs that are read."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._lock = threading.Lock()
        self._several: list[tuple[str, int]] = []
        self._long: list[tuple[float, str, Declared]] = []

    def note(self, path: str, declared: Declared | None) -> None:
        """Take down one photograph.

        Args:
            path: its name in tables.
            declared: what its file says of itself.
        """
        if declared is None:
            return
        sides = sorted((declared.width, declared.height))
        with self._lock:
            if declared.pictures > 1:
                self._several.append((path, declared.pictures))
            if sides[1] > LONGEST * sides[0]:
                self._long.append((sides[1] / sides[0], path, declared))

    def add(self, other: Remarks) -> None:
        """Take over what another process collected."""
        with self._lock:
            self._several += other._several
            self._long += other._long

    def __getstate__(self) -> dict[str, Any]:
        """Leave the lock behind, which no other process can use."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a new lock."""
        self.__dict__.update(state, _lock=threading.Lock())

    def lines(self, views: Sequence[str]) -> list[str]:
        """Write one line for each kind of photograph that was met.

        Args:
            views: names of the view sets that are looked at; who cuts line scans up already need
                not be told to.
        """
        found = []
        if self._several:
            path, count = min(self._several)
            many = f"{count:,}" if count > 2 else "several"
            found.append(
                f"{_photographs(len(self._several))} several pictures in one file, such as {path} "
                f"({many}): the first is read; save the others as files of their own if they count"
            )
        if self._long and not any(view.startswith("tiles:") for view in views):
            aspect, path, declared = max(self._long, key=lambda one: one[:2])
            pieces = min(MOST_ALONG, round(aspect))
            tiles = f"{pieces}x1" if declared.height > declared.width else f"1x{pieces}"
            found.append(
                f"{_photographs(len(self._long))} one side more than {LONGEST} times the other, "
                f"such as {path} ({declared.width:,}×{declared.height:,}): squashed to a square, "
                f"small defects vanish; look at pieces as well: --views full,tiles:{tiles}"
            )
        return found


def _photographs(count: int) -> str:
    return "1 photograph has" if count == 1 else f"{count:,} photographs have"
