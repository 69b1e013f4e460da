"""The demo's photographs: drawn pressed metal parts, with and without cracks and wrinkles.

A part is drawn once, as maps of its surface (outline, holes, slopes, brushing, brightness); each
photograph then lights it, lays it on a background and takes it with a camera of its own. Defect,
surface and photograph draw from separate random streams, so a defective part and its healthy
twin differ in the defect alone: neither light nor background can give the label away.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from features.errors import DataError, OutputError
from features.files import write_whole
from pipeline.demo.draw_photograph import Box, photograph_surface
from pipeline.demo.draw_surface import draw_surface
from pipeline.output.tables import to_csv

HEALTHY, DEFECTIVE = "Healthy", "defects"  # the class folders
HEALTHY_SHARE = 0.55  # of the parts

_SET, _VIEW = range(2)  # random streams of one seed; those of the surface have other numbers


@dataclass(frozen=True)
class DrawnPhotograph:
    """One photograph that was drawn."""

    path: str  # below the folder, with forward slashes
    group: str  # the part, such as "part-017"
    label: str  # its class folder
    defect: str  # "crack", "wrinkle" or "" for none
    box: Box | None  # x0, y0, x1, y1 around the defect in pixels, x1 and y1 just behind it


def draw_parts(
    folder: Path,
    *,
    parts: int = 60,
    views: int = 4,
    seed: int,
    lot: int = 0,
    size: tuple[int, int] = (640, 480),
) -> list[DrawnPhotograph]:
    """Draw JPEG photographs of metal parts into `folder/Healthy` and `folder/defects`.

    Beside these it writes `groups.csv` (path, group) and `truth.csv` (path, x0, y0, x1, y1; empty
    for healthy parts). The same arguments give the same bytes on one computer with one version
    of numpy and Pillow; another seed (0 or more) gives other parts.

    Args:
        folder: made where it does not exist.
        parts: at least 2; 55 % of them, but never all and never none, are healthy.
        views: photographs per part, at least 1.
        seed: of everything that is drawn: another one is another design.
        lot: another one (0 or more) is other parts of the same design.
        size: (width, height) in pixels, each at least 64.

    Raises:
        DataError: one of the numbers is too small.
        OutputError: the folder holds other photographs, or cannot be written.
    """
    if parts < 2 or views < 1 or min(seed, lot) < 0 or min(size) < 64:
        raise DataError(
            f"cannot draw {parts} parts, {views} views, {size[0]}×{size[1]} pixels, seed {seed}; "
            "expected at least 2 parts, 1 view, 64×64 pixels and a seed of 0 or more"
        )
    planned = _plan(parts, views, seed, lot)
    there = {f"{c}/{file.name}" for c in (HEALTHY, DEFECTIVE) for file in (folder / c).glob("*")}
    if stale := sorted(there - {entry.path for entry in planned}):
        raise OutputError(
            f"{folder} already holds {stale[0]!r}; expected a new folder; name another or empty it"
        )
    drawn = []
    for number in range(parts):
        entries = planned[number * views : (number + 1) * views]
        surface = draw_surface(seed, number, entries[0].defect, lot=lot)
        for view, entry in enumerate(entries):
            camera = np.random.default_rng((seed, _VIEW, lot, number, view))
            photograph, box = photograph_surface(surface, camera, size)
            photograph.save(data := io.BytesIO(), "JPEG", quality=int(camera.integers(84, 95)))
            write_whole(folder / entry.path, data.getvalue())
            drawn.append(replace(entry, box=box))
    write_whole(folder / "groups.csv", to_csv(["path", "group"], map(vars, drawn)))
    corners = ["x0", "y0", "x1", "y1"]
    boxes = ({"path": d.path} | dict(zip(corners, d.box or (), strict=False)) for d in drawn)
    write_whole(folder / "truth.csv", to_csv(["path", *corners], boxes))
    return drawn


def _plan(parts: int, views: int, seed: int, lot: int) -> list[DrawnPhotograph]:
    """Plan which part gets which defect, and what its photographs are called."""
    rng = np.random.default_rng((seed, _SET, lot))
    healthy = min(max(round(parts * HEALTHY_SHARE), 1), parts - 1)
    kinds = [""] * healthy + ["wrinkle" if i % 4 == 3 else "crack" for i in range(parts - healthy)]
    entries = []
    for number, kind in enumerate(rng.permutation(kinds).tolist(), 1):
        label = DEFECTIVE if kind else HEALTHY
        for view in range(1, views + 1):
            path = f"{label}/part-{number:03d}_view-{view}.jpg"
            entries.append(DrawnPhotograph(path, f"part-{number:03d}", label, kind, None))
    return entries
