"""Models are forged: bytes of their files, fields of their JSON, shapes and values of their arrays.

Digests are made to fit, as anybody can. Each forged model is given to `predict` in a process of its
own, with limits of time and memory. It ends in a verdict or in one line. A crash of Python, a hang,
memory without end, and "a mistake in this program" are losses.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import os
import random
import resource
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import typer.main
from models import write_parts
from safetensors.numpy import load_file, save_file

import cli
import features.extract  # noqa: F401 - once, for all children
import pipeline.model.predict
import pipeline.terminal.results
from features.backbones.settings import BACKBONES
from features.runtime import core_count
from torture.children import Nursery
from torture.figures import Figure

Way = Callable[[Path, random.Random], None]

COUNT = 20_000
_COMMAND = typer.main.get_command(cli.app)  # built once: half of a try's time
_MEMORY = 4 << 30
_SECONDS = 30.0
_SETTINGS: dict[str, dict[str, str | int | float]] = {
    "dense": {"epochs": 1}, "forest": {"trees": 3}, "boosting": {"trees": 3},
}  # fmt: skip
_ODD: list[Any] = [
    None, True, -1, 0, 1, 3, 2**31, 2**63, -(2**70), 0.5, 1e308, -0.0, float("nan"), float("inf"),
    "", "x", "../x", "a\nb", "\ud800", "é" * 99, [], [[]], {}, {"a": {"b": [1]}}, [0] * 99,
]  # fmt: skip


def run(quick: bool, count: int = COUNT, seed: int = 0) -> list[Figure]:
    """So many forged models over all heads, as many of each; quick: one of each."""
    with tempfile.TemporaryDirectory() as name, Nursery([__name__]) as nursery:
        root = Path(name)
        made = nursery.run(f"{__name__}:make_models", root=name, timeout=600.0)
        if made.how != "done":
            raise RuntimeError(f"no model to forge: {made}")
        heads: list[str] = made.result
        ways: list[Way] = [_bytes, _json, _fields, _arrays]
        tries = len(heads) if quick else max(1, count // (len(ways) * len(heads))) * len(heads)
        sound = _forge(_nothing, range(len(heads)), heads, root, nursery)
        sound.losses, sound.faults = sound.faults, 0  # a sound model that is refused is the fault

        first = seed * tries
        needed = nursery.run(f"{__name__}:imported", root=name, folder=f"models/{heads[0]}").result

        def forge(way: Way) -> Figure:
            with Nursery([__name__, *needed]) as own:  # once, and not in every child
                return _forge(way, range(first, first + tries), heads, root, own)

        with ThreadPoolExecutor(core_count()) as pool:
            return [sound, *pool.map(forge, ways)]


def make_models(root: str) -> list[str]:
    """One model of each head, fitted on toy rows, and the photographs to judge."""
    from pipeline.heads import HEADS

    BACKBONES["inception_v3"] = "toy:ToyBackbone"
    folder = Path(root)
    write_parts(folder / "data", 12)
    write_parts(folder / "new", 1, first=90)
    rule = pipeline.GroupRule("regex", r"part-(\d+)")
    pipeline.extract_folder(
        folder / "data",
        folder / "features.h5",
        pipeline.ExtractOptions(weights="random", group_rule=rule),
    )
    data = pipeline.load_dataset(folder / "features.h5")
    for head in HEADS:
        made = pipeline.fit(
            data,
            folder / "models" / head,
            pipeline.FitOptions(
                head=head,
                settings=_SETTINGS.get(head, {}),
                threshold=pipeline.ThresholdRule(fixed=(0.5, 0.5)),
                optimism=False,
            ),
        )
        bundle = pipeline.load_bundle(made.folder)
        found = pipeline.find_photographs([str(folder / "new")])
        pipeline.predict(bundle, found, folder / "features.h5")  # now every row is there
    return list(HEADS)


def predict(root: str, folder: str) -> tuple[int, str]:
    """Run `onepass predict` here; the exit status, and what it said last on standard error."""
    BACKBONES["inception_v3"] = "toy:ToyBackbone"
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    os.chdir(root)
    typer.main.get_command = lambda _app: _COMMAND  # type: ignore[assignment]
    arguments = ["predict", folder, "new", "--out", f"{folder}.csv", "--force", "--quiet"]
    sys.argv = ["onepass", *arguments]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            cli.main()
        except SystemExit as stopped:
            return int(stopped.code or 0), said.getvalue()[-2000:]
    return 0, said.getvalue()[-2000:]


def imported(root: str, folder: str) -> list[str]:
    """Say what `predict` and the heads import when they are first used."""
    from pipeline.heads import HEADS, load_head_class

    before = set(sys.modules)
    predict(root, folder)
    for head in HEADS:
        load_head_class(head)
    return sorted(name for name in set(sys.modules) - before if not name.startswith("_"))


def _forge(
    way: Way,
    numbers: range,
    heads: list[str],
    root: Path,
    nursery: Nursery,
) -> Figure:
    ends: Counter[str] = Counter()
    lost: list[dict[str, Any]] = []
    what = (way.__doc__ or "").rstrip(".")
    for number in numbers:
        head = heads[number % len(heads)]
        folder = root / f"forged-{way.__name__}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(root / "models" / head, folder)
        way(folder, random.Random(f"{what} {number}"))
        ended = nursery.run(
            f"{__name__}:predict", root=str(root), folder=folder.name, timeout=_SECONDS
        )
        how = _how(ended.how, ended.result)
        ends[how] += 1
        if how.startswith("lost"):
            # Kept whole, so that it can be tried again.
            kept = {"head": head, "number": number, "how": how, "said": str(ended.result)[:2000]}
            lost.append(kept)
            print(json.dumps(kept), file=sys.stderr, flush=True)
    tries = len(numbers)
    faults = tries - ends["verdict"]
    note = ", ".join(f"{count:,} {how}" for how, count in ends.most_common())
    return Figure(f"{what}: predict", tries, faults, len(lost), note, {"lost": lost[:50]})


def _how(how: str, result: Any) -> str:  # noqa: ANN401 - of a child
    if how != "done":
        return f"lost: {how}"
    code, said = result
    if code not in (0, 1, 2, 3):
        return f"lost: exit {code}"
    lines = [line for line in said.splitlines() if line.strip()]
    if "Traceback" in said or (code == 1 and len(lines) != 1):
        return "lost: more than one line"
    return "refused" if code == 1 else "verdict"


def _sign(folder: Path) -> None:
    """Make the digests fit, where model.json still has any."""
    try:
        about = json.loads((folder / "model.json").read_text())
        for name in about["files"]:
            about["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        (folder / "model.json").write_text(json.dumps(about))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return


def _nothing(folder: Path, rng: random.Random) -> None:
    """Nothing changed."""


def _bytes(folder: Path, rng: random.Random) -> None:
    """Bytes of a model's files changed."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix in _FILES]
    file = rng.choice(files)
    content = bytearray(file.read_bytes())
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        # The heads of files say what is in them: half of the changes hit there.
        at = rng.randrange(min(len(content), rng.choice([64, 600, len(content)])))
        kind = rng.random()
        if kind < 0.5:
            content[at] ^= 1 << rng.randrange(8)
        elif kind < 0.8:
            content[at] = rng.choice([0, 255, 127, 128, 48, 57, 45, 91, 123])
        elif kind < 0.9:
            del content[at : at + rng.choice([1, 8, 100])]
        else:
            content[at:at] = rng.randbytes(rng.choice([1, 8, 100]))
        if not content:
            break
    file.write_bytes(content)
    if file.name != "model.json":
        _sign(folder)


_FILES = (".safetensors", ".npz", ".json")


def _json(folder: Path, rng: random.Random) -> None:
    """Fields of a model's JSON replaced."""
    name = rng.choice(["model.json", "model.json", "head/settings.json", "split.json"])
    path = folder / name
    content = json.loads(path.read_text())
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        _replace_one(content, rng)
        if not content:
            break
    path.write_text(json.dumps(content))
    if name != "model.json" or rng.random() < 0.5:
        _sign(folder)


def _fields(folder: Path, rng: random.Random) -> None:
    """What a record says of backbone, data, split or thresholds replaced."""  # noqa: D401 - a title
    path = folder / "model.json"
    content = json.loads(path.read_text())
    records = [name for name in _RECORDS if content.get(name)]
    for _ in range(rng.choice([1, 1, 2, 3])):
        record = content[rng.choice(records)]
        if record:
            _replace_one(record, rng)
    path.write_text(json.dumps(content))


_RECORDS = (
    "fingerprint", "data", "split", "weights", "decision", "calibration", "holdout", "train",
    "class_members", "classes", "settings_given", "settings", "versions",
)  # fmt: skip


def _replace_one(place: Any, rng: random.Random) -> None:  # noqa: ANN401 - JSON
    """Replace or delete one entry, somewhere below."""
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = rng.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.7:
            place = place[key]
            continue
        break
    if isinstance(place, dict) and rng.random() < 0.2:
        del place[key]
    else:
        place[key] = copy.deepcopy(rng.choice(_ODD))


def _arrays(folder: Path, rng: random.Random) -> None:
    """Arrays of a head with other values, shapes and types."""
    path = folder / "head" / "head.safetensors"
    arrays = {name: array.copy() for name, array in load_file(path).items()}
    for _ in range(rng.choice([1, 1, 2, 3])):
        name = rng.choice(sorted(arrays))
        array = arrays[name]
        kind = rng.random()
        if kind < 0.5 and array.size:
            values = (
                [np.nan, np.inf, -np.inf, 1e30, -1e30, 0, 1e-45]
                if array.dtype.kind == "f"
                else [-1, -2, 0, 1, 2, 2**31, 2**62, -(2**63), array.size, array.max(initial=0) + 1]
            )
            flat = array.reshape(-1)
            where = slice(None) if rng.random() < 0.2 else rng.randrange(flat.size)
            with np.errstate(all="ignore"):
                flat[where] = np.asarray(rng.choice(values)).astype(array.dtype)
        elif kind < 0.6:
            arrays[name] = array[..., :-1] if array.ndim else array.reshape(1)
        elif kind < 0.7:
            arrays[name] = np.repeat(array.reshape(-1), 2)
        elif kind < 0.8:
            with np.errstate(all="ignore"):
                arrays[name] = array.astype(rng.choice(["f2", "f4", "f8", "i1", "i8", "u8", "?"]))
        elif kind < 0.9:
            arrays[name] = array[:0] if array.ndim else array
        else:
            arrays.pop(name)
            if not arrays:
                break
    save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, path)
    _sign(folder)
