"""What a part of the torture found: figures of one table, printed and kept as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from features.runtime import core_count

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "torture" / "results"
_PACKAGES = ("h5py", "numpy", "pillow", "tensorflow", "keras", "skops", "filelock")


@dataclass
class Figure:
    """One line of the table.

    Attributes:
        what: was done, in a person's words.
        tries: how often.
        faults: in how many of these something did go wrong as intended: the process was killed at
            work, the disk failed, the file was damaged.
        losses: in how many of these a promise was broken; anything but 0 fails the run.
        note: how the faults ended, as "641 refused, 359 harmless"; "" for none.
        details: everything counted or measured, ready for JSON.
    """

    what: str
    tries: int
    faults: int
    losses: int = 0
    note: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Part:
    """The figures of one part.

    Attributes:
        name: in `torture.__main__.PARTS`.
        figures: what it found.
        seconds: that it took.
    """

    name: str
    figures: list[Figure]
    seconds: float

    @property
    def losses(self) -> int:
        """Promises broken, over all figures."""
        return sum(figure.losses for figure in self.figures)


def keep(part: Part, *, quick: bool, folder: Path = RESULTS) -> Path:
    """Write torture/results/NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part.name}.json"
    facts = {
        "part": part.name,
        "command": f"python -m torture {part.name}",
        "quick": quick,
        "seconds": part.seconds,
        "machine": _machine(),
        "figures": [asdict(figure) for figure in part.figures],
    }
    path.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    return path


def read(name: str, folder: Path = RESULTS) -> Part:
    """Give the inverse of `keep`."""
    facts = json.loads((folder / f"{name}.json").read_text("utf-8"))
    figures = [Figure(**figure) for figure in facts["figures"]]
    return Part(facts["part"], figures, facts["seconds"])


def _machine() -> Mapping[str, Any]:
    return {
        "cores": core_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
    }


def table(parts: Sequence[Part]) -> str:
    """All parts as one Markdown table."""
    head = ["what", "tries", "faults", "losses", "how they ended", "command"]
    rows = [
        [
            f.what,
            f"{f.tries:,}",
            f"{f.faults:,}",
            f"{f.losses:,}",
            f.note,
            f"python -m torture {part.name}",
        ]
        for part in parts
        for f in part.figures
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
