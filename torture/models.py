"""Models are forged: bytes of their files, fields of their JSON, shapes and values of their arrays.

Each forged model is loaded and judges rows, and some are given to every command that takes a
model, in a process of its own, with limits of time and memory. It ends in a verdict or in one line.
A crash of Python, a hang, memory without end, a probability that is none, and "a mistake in this
program" are losses.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from features.runtime import core_count
from torture import forgery
from torture.children import Nursery
from torture.figures import Figure
from torture.forged_uses import USES
from torture.sound_models import CNN, TINY

COUNT = 20_000
_SECONDS = 300.0
_OFTEN = (
    "sklearn.linear_model", "sklearn.ensemble", "scipy.optimize", "uvicorn", "starlette.routing",
    "jinja2", "pipeline.model.evaluate", "pipeline.report.reports", "pipeline.training.fit",
    "pipeline.line.drift", "pipeline.serve.web",
)  # fmt: skip
"""What most uses import: all that a quick run has ready for its children."""
_MODELS, _USES = "torture.sound_models", "torture.forged_uses"


class _Forge:
    """Forges models of a folder and has them used."""

    def __init__(self, root: Path, nursery: Nursery, seed: int, place: str = "forged") -> None:
        self.root, self.nursery, self.seed = root, nursery, seed
        self.folder = root / place  # nobody else's: two work at once

    def figure(
        self, what: str, names: Sequence[str], ways: Sequence[forgery.Way], use: str, tries: int
    ) -> Figure:
        """So many tries, all names in turn, and all ways."""
        ends: Counter[str] = Counter()
        lost: list[dict[str, Any]] = []
        for number in range(self.seed * tries, (self.seed + 1) * tries):
            name, way = names[number % len(names)], ways[number // len(names) % len(ways)]
            how, said = self._try(name, way, use, number)
            if way is forgery.nothing and how != "verdict":
                how = f"lost: a sound model {how}"
            ends[how] += 1
            if how.startswith("lost"):
                # Enough to try it again: the same number forges the same.
                kept = {"model": name, "way": way.__name__, "use": use, "number": number}
                lost.append(kept | {"how": how, "said": said[:2000]})
                print(json.dumps(lost[-1]), file=sys.stderr, flush=True)
        note = ", ".join(f"{count:,} {how}" for how, count in ends.most_common())
        return Figure(what, tries, tries - ends["verdict"], len(lost), note, {"lost": lost[:50]})

    def _try(self, name: str, way: forgery.Way, use: str, number: int) -> tuple[str, str]:
        folder = self.folder
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.root / "models" / name, folder)
        way(folder, random.Random(f"{way.__name__} {number}"))
        ended = self.nursery.run(
            f"{_USES}:use", root=str(self.root), name=name, folder=folder.name, what=use,
            timeout=_SECONDS, abrupt=number % 10 > 0,
        )  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
        return _how(ended.how, ended.result)


def run(quick: bool, count: int = COUNT, seed: int = 0) -> list[Figure]:
    """So many forged models over all heads are loaded, a fiftieth through each command as well."""
    with tempfile.TemporaryDirectory() as name, Nursery([_MODELS, _USES]) as nursery:
        root = Path(name)
        made = nursery.run(f"{_MODELS}:make_models", root=name, quick=quick, timeout=600.0)
        if made.how != "done":
            raise RuntimeError(f"no model to forge: {made}")
        names: list[str] = made.result
        sound = _Forge(root, nursery, 0).figure(
            "sound models", names, [forgery.nothing], "load", len(names)
        )
        modules = {"load": [__name__], "all": [__name__, *_OFTEN]}
        if not quick:
            for kind, imports in modules.items():
                asked: dict[str, Any] = {"root": name, "model": names[0], "few": kind == "load"}
                imports += nursery.run(f"{__name__}:imported", **asked).result
        modules["network"] = [*modules["load"], "tensorflow"]
        if not quick:
            nursery.run(f"{_MODELS}:make_cnn", root=name, timeout=600.0)
        work = _work(names, len(forgery.WAYS) if quick else count, quick=quick)

        with (
            Nurseries(modules) as nurseries,
            ThreadPoolExecutor(1 if quick else core_count()) as pool,
        ):

            def forge(number: int) -> Figure:
                names, use = work[number][1], work[number][3]
                kind = "network" if CNN in names else "load" if use == "load" else "all"
                kind = "all" if quick else kind
                with nurseries.one(kind) as own:
                    return _Forge(root, own, seed, f"forged-{number}").figure(*work[number])

            return [sound, *pool.map(forge, range(len(work)))]


class Nurseries:
    """Nurseries by what they have imported, once and not in every child; reused."""

    def __init__(self, imports: Mapping[str, Sequence[str]]) -> None:
        self._imports, self._free = imports, {kind: list[Nursery]() for kind in imports}
        self._stack = ExitStack()

    @contextmanager
    def one(self, kind: str) -> Iterator[Nursery]:
        """Borrow one that nobody else uses."""
        free = self._free[kind]
        nursery = free.pop() if free else self._stack.enter_context(Nursery(self._imports[kind]))
        yield nursery
        free.append(nursery)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _work(names: list[str], count: int, *, quick: bool) -> list[tuple[Any, ...]]:
    """Say what is done: (what, names, ways, use, tries), the longest first."""
    found: list[tuple[Any, ...]] = []
    for way in forgery.WAYS:
        what = (way.__doc__ or "").rstrip(".")
        found.append((what, names, [way], "load", count // len(forgery.WAYS)))
    few = max(1, count // 50)
    if not quick:
        network = [way for way in forgery.WAYS if way is not forgery.npz_arrays]
        found.append(("a network on pixels, all of these", [CNN], network, "load", few))
    for use in USES:
        if use == "load" or (quick and use in _LONG):
            continue
        if use != "export":
            ways = (forgery.nothing,) if quick else forgery.WAYS
            found.append((f"all of these: {use}", names, ways, use, few))
        elif find_spec("onnxruntime"):
            found.append((f"all of these: {use}", [TINY], forgery.WAYS, use, few))
    return found


_LONG = ("export", "refit")  # seconds each


def imported(root: str, model: str, *, few: bool) -> list[str]:
    """Say what the uses (few: loading alone) and the heads import at first; in a child."""
    from pipeline.heads import HEADS, load_head_class
    from torture.forged_uses import use

    before = set(sys.modules)
    for what in ["load"] if few else [what for what in USES if what not in _LONG]:
        use(root, model, f"models/{model}", what)
    for head in HEADS:
        load_head_class(head)
    return sorted(name for name in set(sys.modules) - before if not name.startswith("_"))


def _how(how: str, result: Any) -> tuple[str, str]:  # noqa: ANN401 - of a child
    if how != "done":
        return f"lost: {how}", str(result)
    code, said = result
    if code not in (0, 1, 2, 3):
        return f"lost: exit {code}", said
    lines = [line for line in said.splitlines() if line.strip()]
    if "Traceback" in said or (
        code == 1 and sum(line.startswith("error: ") for line in lines) != 1
    ):
        return "lost: more than one line", said
    return ("refused" if code == 1 else "verdict"), said
