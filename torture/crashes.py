"""SIGKILL at random moments of everything that writes to a cache.

After every kill the cache must open and hold every row that it held before (after gc: every row
that is used), each bit for bit as an undisturbed run makes it. All that the progress bar had called
done must be there, and of finished batches at most one may be missing. Then the same command
runs again, is killed again, and so on until it finishes: the end must be that of the undisturbed
run.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.cache.cache import Cache
from features.cache.maintenance import verify
from torture import toys
from torture.children import Ended, Nursery
from torture.figures import Figure

_BATCH = 4
_PAUSE = 0.02  # seconds per batch: the network takes longer than the disk
_TASKS = "torture.tasks"

Keys = set[tuple[bytes, bytes]]


def run(quick: bool) -> list[Figure]:
    """300 kills in all, and 60 of the commands that mend and join caches; quick: some."""
    imports = [_TASKS] if quick else [_TASKS, "pipeline"]
    with tempfile.TemporaryDirectory() as name, Nursery(imports) as nursery:
        ground = _Ground(Path(name), nursery, small=quick)
        kinds = [
            ("extract into a new cache", ground.fresh, 2, 100),
            ("extract, folder changed", ground.changed, 1, 70),
            ("predict, filling the cache", ground.predicted, 0, 70),  # slow to prepare
            ("cache gc", ground.collected, 2, 60),
            ("cache repair", ground.mended, 1, 30),
            ("cache merge", ground.merged, 1, 30),
        ]
        return [
            _Kills(what, scene, ground).kill(few if quick else many)
            for what, scene, few, many in kinds
            if few or not quick
        ]


@dataclass
class Scene:
    """One command on one cache, until it has finished.

    Attributes:
        cache: its path.
        task, arguments: of the command.
        rows: in the cache at the end.
        notes: where the network notes finished batches; None for a command without a network.
        may_shrink: whether rows that nobody uses may go.
    """

    cache: Path
    task: str
    arguments: dict[str, Any]
    rows: int
    notes: Path | None = None
    may_shrink: bool = False


class _Ground:
    """Folders, a model, caches to start from, and the truth about every row."""

    def __init__(self, root: Path, nursery: Nursery, *, small: bool) -> None:
        self.root, self.nursery = root, nursery
        self.count = count = 24 if small else 120
        self.folder = toys.write_folder(root / "data", count)
        self.grown = toys.write_folder(root / "grown", count // 2)
        toys.write_folder(self.grown, count // 2, first=1000)
        self.others = toys.write_folder(root / "others", count // 2, first=2000)
        self.whole = self._undisturbed(root / "whole.h5", self.folder)
        self.second = self._undisturbed(root / "second.h5", self.grown)
        third = self._undisturbed(root / "third.h5", self.others)
        self.model = root / "model"
        if not small:
            self._do("fit", cache=str(self.whole), model=str(self.model))
        truths = {
            str(self.folder): toys.truth_of(self.whole),
            str(self.grown): toys.truth_of(self.second),
            str(self.others): toys.truth_of(third),
        }
        self.keys: dict[str, Keys] = {folder: set(truth) for folder, truth in truths.items()}
        self.truth = {key: row for truth in truths.values() for key, row in truth.items()}
        self.number = 0

    def _undisturbed(self, cache: Path, folder: Path) -> Path:
        self._do("extract_folder", folder=str(folder), cache=str(cache))
        return cache

    def _do(self, task: str, **arguments: Any) -> None:  # noqa: ANN401
        ended = self.nursery.run(f"{_TASKS}:{task}", **arguments)
        if ended.how != "done":
            raise RuntimeError(f"{task}: {ended}")

    def _place(self, start: Path | None) -> Path:
        """Give a new folder for a cache, a copy of `start` where that is given."""
        self.number += 1
        cache = self.root / f"scene-{self.number}" / "c.h5"
        cache.parent.mkdir()
        if start is not None:
            shutil.copyfile(start, cache)
        return cache

    def _noted(self, task: str, cache: Path, rows: int, **arguments: Any) -> Scene:  # noqa: ANN401
        notes = cache.with_name("notes")
        more = {"cache": str(cache), "notes": str(notes)}
        return Scene(cache, task, arguments | more, rows, notes)

    def fresh(self) -> Scene:
        cache = self._place(None)
        return self._noted("extract_folder", cache, self.count, folder=str(self.folder))

    def changed(self) -> Scene:
        rows = self.count + self.count // 2
        cache = self._place(self.whole)
        return self._noted("extract_folder", cache, rows, folder=str(self.grown))

    def predicted(self) -> Scene:
        rows = self.count + self.count // 2
        cache = self._place(self.whole)
        return self._noted("predict", cache, rows, folder=str(self.others), model=str(self.model))

    def collected(self) -> Scene:
        cache = self._place(self.whole)
        self._do("extract_folder", folder=str(self.grown), cache=str(cache))
        return Scene(cache, "gc", {"cache": str(cache)}, self.count, None, True)

    def mended(self) -> Scene:
        cache = self._place(self.whole)
        data = bytearray(cache.read_bytes())
        row = next(iter(self.truth.values()))
        data[data.index(row.tobytes())] ^= 1
        cache.write_bytes(data)
        return Scene(cache, "mend", {"cache": str(cache)}, self.count - 1, None, True)

    def merged(self) -> Scene:
        out = self._place(None)
        given = {"first": str(self.whole), "second": str(self.second), "out": str(out)}
        return Scene(out, "join", given, self.count + self.count // 2)


class _Kills:
    """Kills of one kind of scene."""

    def __init__(self, what: str, scene: Callable[[], Scene], ground: _Ground) -> None:
        self.what, self.make, self.ground = what, scene, ground
        self.random = random.Random(what)
        self.tries = self.kills = self.finished = 0
        self.again: Counter[int] = Counter()
        self.lost: list[str] = []

    def kill(self, kills: int) -> Figure:
        """Until so many kills hit a living process."""
        length = self._length()
        while self.kills < kills:
            self._scene(self.make(), kills, length)
        note = ""
        if self.again:
            counts = ", ".join(f"{n}: {count}" for n, count in sorted(self.again.items()))
            note = f"finished batches done again: {counts}"
        return Figure(
            f"SIGKILL: {self.what}",
            self.tries,
            self.kills,
            len(self.lost),
            note,
            {"lost": self.lost, "finished": self.finished, "seconds undisturbed": length},
        )

    def _length(self) -> float:
        scene = self.make()
        return self._run(scene, None).seconds

    def _run(self, scene: Scene, kill_after: float | None) -> Ended:
        pause: dict[str, Any] = {"pause": _PAUSE, "batch": _BATCH} if scene.notes else {}
        return self.ground.nursery.run(
            f"{_TASKS}:{scene.task}", kill_after=kill_after, **scene.arguments, **pause
        )

    def _scene(self, scene: Scene, kills: int, length: float) -> None:
        for _ in range(100):
            before = self._keys(scene)
            noted = toys.read_notes(scene.notes)
            wanted = self.kills < kills
            ended = self._run(scene, self.random.uniform(0, length) if wanted else None)
            self.tries += 1
            if ended.how == "killed":
                self.kills += 1
                self._check(scene, before, noted)
                continue
            if ended.how == "error" and "exists; expected a new name" in ended.result:
                ended.how = "done"  # killed after the merged cache had got its name
            if ended.how == "done":
                self.finished += 1
                self._check_end(scene)
            else:
                self._lose(f"it {ended.how}: {ended.result}")
            break
        shutil.rmtree(scene.cache.parent)

    def _keys(self, scene: Scene) -> Keys:
        if not scene.cache.exists():
            return set()
        if scene.task == "mend":  # damaged: what is sound of it is what counts
            return set()
        with Cache.read(scene.cache) as cache:
            used = {table_row.digest.encode() for table_row in cache.table_rows}
            return {key for key in cache.keys if not scene.may_shrink or key[0] in used}

    def _check(self, scene: Scene, before: Keys, noted: toys.Noted) -> None:
        if not scene.cache.exists():
            if before:
                self._lose("the cache is gone")
            return
        if scene.task == "mend" and not verify(scene.cache, full=True).sound:
            return  # not replaced yet
        try:
            _, wrong = toys.wrong_rows(scene.cache, self.ground.truth)
            after = self._keys(scene)
        except Exception as error:  # noqa: BLE001 - whatever it is, a promise is broken
            self._lose(f"cannot be read: {error}")
            return
        if wrong or not before <= after:
            self._lose(f"{wrong} wrong rows, {len(before - after)} missing")
        if scene.notes is not None:
            now = toys.read_notes(scene.notes)
            missing = now.computed - noted.computed - (len(after) - len(before))
            batches = math.ceil(missing / _BATCH)
            self.again[batches] += 1
            if batches > 1:
                self._lose(f"{missing} finished photographs of {batches} batches are gone")
            there = len(after & self.ground.keys[scene.arguments["folder"]])
            if there < now.reported:
                self._lose(f"{now.reported} photographs were called done, {there} are there")

    def _check_end(self, scene: Scene) -> None:
        found = verify(scene.cache, full=True)
        rows, wrong = toys.wrong_rows(scene.cache, self.ground.truth)
        waste = [f.name for f in scene.cache.parent.iterdir() if f.suffix in (".part", ".journal")]
        waste += [f.name for f in scene.cache.parent.iterdir() if f.name.endswith(".lock.owner")]
        if not found.sound or wrong or rows != scene.rows or waste:
            self._lose(f"at the end: {json.dumps([found.faults, wrong, rows, scene.rows, waste])}")

    def _lose(self, what: str) -> None:
        self.lost.append(what)
