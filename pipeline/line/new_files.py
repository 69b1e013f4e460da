"""Photographs as they come into a folder: complete ones, each once, whatever the share does.

A file is complete when its size and its time of change have stayed the same for a while. Nobody
else can say so over a network drive: there are no locks, and half a file has a name too. The folder
is listed again and again; the system's own notice of changes, where `watchdog` is installed and the
folder is on this computer, only makes the next look come sooner.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from features.cache.lock import network_file_system
from features.photographs.decode import SUFFIXES
from pipeline.data.walk import PICTURES

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

_SUFFIXES = frozenset(SUFFIXES) | PICTURES

_OF_SYSTEMS = ("@", "$", "#recycle")  # how folders of storage servers and of Windows begin


class Stamp(NamedTuple):
    """Hold what tells one state of a file from another: bytes, and nanoseconds since 1970."""

    size: int
    mtime_ns: int


class NewFile(NamedTuple):
    """A file that is complete.

    Attributes:
        path: relative to the folder, with forward slashes.
        file: where it is.
        stamp: as it was seen.
    """

    path: str
    file: Path
    stamp: Stamp


class NewFiles:
    """The complete files of a folder that nobody has seen yet."""

    def __init__(
        self,
        folder: Path,
        seen: Callable[[str, Stamp], bool],
        *,
        settle: float,
        skip: Collection[Path] = (),
    ) -> None:
        """Watch a folder.

        Args:
            folder: with everything below it, but for hidden folders and links to folders.
            seen: whether a path in this state was reported already.
            settle: seconds for which size and time have to stay the same.
            skip: folders that are not looked into.
        """
        self.folder, self.settle = folder, settle
        self._seen, self._skip = seen, {os.path.abspath(path) for path in skip}  # noqa: PTH100 - as text, for many files at once
        self._growing: dict[str, tuple[Stamp, float]] = {}

    @property
    def waiting(self) -> bool:
        """Say whether files are there that may still grow."""
        return bool(self._growing)

    def look(self, now: float) -> list[NewFile]:
        """List the files that are complete by now, the oldest first.

        Args:
            now: seconds of a clock that never goes back.

        Raises:
            OSError: the folder cannot be listed, such as a share that is gone.
        """
        found, growing = [], {}
        for entry, path in self._files(self.folder, ""):
            try:
                stat = entry.stat()
            except OSError:  # gone again
                continue
            # A pipe, or a file that nobody writes to, would be waited for without end.
            if not S_ISREG(stat.st_mode) or not stat.st_size:
                continue
            stamp = Stamp(stat.st_size, stat.st_mtime_ns)
            if self._seen(path, stamp):
                continue
            before, since = self._growing.get(path, (None, now))
            if before == stamp and now - since >= self.settle:
                found.append(NewFile(path, Path(entry.path), stamp))
            growing[path] = (stamp, since if before == stamp else now)
        self._growing = growing
        return sorted(found, key=lambda one: (one.stamp.mtime_ns, one.path))

    def taken(self, path: str) -> None:
        """Forget a file that was reported: it is no longer waited for."""
        self._growing.pop(path, None)

    def _files(self, folder: Path, below: str) -> Iterator[tuple[os.DirEntry[str], str]]:
        """Find pictures by name, also of kinds that cannot be read: these get a reason."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):  # hidden, and copies that have no name yet
                    continue
                path = f"{below}{entry.name}"
                if entry.is_dir():
                    # Links may lead in circles, and to folders that nobody named: with --move-to
                    # their photographs would be moved away.
                    if entry.name.startswith(_OF_SYSTEMS) or entry.is_symlink():
                        continue
                    if os.path.abspath(entry.path) not in self._skip:  # noqa: PTH100 - as text, for many files at once
                        # A folder inside may go; only the watched one itself has to be there.
                        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                            yield from self._files(Path(entry.path), f"{path}/")
                elif os.path.splitext(entry.name)[1].lower() in _SUFFIXES:  # noqa: PTH122 - as text, for many files at once
                    yield entry, path


class Waker:
    """Sleeps until something may have changed."""

    def __init__(self, folder: Path, *, polling: bool) -> None:
        """Ask the system for notice, where it gives any.

        Args:
            folder: to watch.
            polling: do not ask.
        """
        self.why_polling = "asked for" if polling else ""
        self._event = threading.Event()
        self._observer: BaseObserver | None = None
        kind = network_file_system(folder / "x")
        if kind and not polling:
            self.why_polling = f"{folder} is on a network file system ({kind})"
        if not self.why_polling:
            self._observe(folder)

    def _observe(self, folder: Path) -> None:
        try:
            from watchdog.events import FileSystemEvent, FileSystemEventHandler
            from watchdog.observers import Observer
        except ImportError:
            self.why_polling = "the package watchdog is not installed (extra: line)"
            return
        # It reports, as an error, that its thread has ended while it is being ended.
        logging.getLogger("watchdog.observers").setLevel(logging.CRITICAL)
        wake = self._event.set

        class Any(FileSystemEventHandler):
            """Wakes whatever happens in the folder."""

            def on_any_event(self, event: FileSystemEvent) -> None:
                """Wake, but for what reading does."""
                if event.event_type not in ("opened", "closed_no_write"):  # our own reading
                    wake()

        try:
            observer = Observer()
            observer.schedule(Any(), str(folder), recursive=True)
            observer.start()
            self._observer = observer
        except (OSError, RuntimeError) as error:
            self.why_polling = f"the system gives no notice ({error})"

    def sleep(self, seconds: float) -> None:
        """Sleep for so long, or until a notice."""
        self._event.wait(seconds)
        self._event.clear()

    def wake(self) -> None:
        """End the sleep of another thread, or of this one from a signal."""
        self._event.set()

    def close(self) -> None:
        """Take no more notice."""
        if self._observer is not None:
            with contextlib.suppress(RuntimeError):
                self._observer.stop()
                self._observer.join(2.0)
