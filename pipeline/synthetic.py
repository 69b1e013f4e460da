"""The demo's photographs: drawn pressed metal parts, with and without cracks and wrinkles.

A part is drawn once, as maps of its surface (outline, holes, slopes, brushing, brightness); each
photograph then lights it, lays it on a background and takes it with a camera of its own. Defect,
surface and photograph draw from separate random streams, so a defective part and its healthy
twin differ in the defect alone: neither light nor background can give the label away.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from features.errors import DataError, OutputError
from features.files import write_whole
from pipeline.tables import to_csv

HEALTHY, DEFECTIVE = "Healthy", "defects"
"""The class folders."""

HEALTHY_SHARE = 0.55
"""Share of the parts without a defect."""

Box = tuple[int, int, int, int]
Map = npt.NDArray[np.float32]
Spot = tuple[float, float]
Hole = tuple[float, float, float]  # x and y from the middle of the part, radius
Random = np.random.Generator

_SIDE = 480  # of a part's maps, in pixels; a photograph of 640 × 480 shows them about 1:1
_SET, _SURFACE, _DEFECT, _VIEW = range(4)  # the random streams of one seed


@dataclass(frozen=True)
class DrawnPhotograph:
    """One photograph that was drawn.

    Attributes:
        path: below the folder, with forward slashes.
        group: the part, such as "part-017".
        label: its class folder.
        defect: "crack", "wrinkle" or "" for none.
        box: (x0, y0, x1, y1) around the defect, in pixels of the file; x1 and y1 are the first
            column and row behind it. None for none.
    """

    path: str
    group: str
    label: str
    defect: str
    box: Box | None


def draw_parts(
    folder: Path, *, parts: int = 60, views: int = 4, seed: int, size: tuple[int, int] = (640, 480)
) -> list[DrawnPhotograph]:
    """Draw JPEG photographs of metal parts into `folder/Healthy` and `folder/defects`.

    Beside these it writes `groups.csv` (path, group) and `truth.csv` (path, x0, y0, x1, y1; empty
    for healthy parts). The same arguments give the same bytes on one computer with one version
    of numpy and Pillow; another seed gives other parts.

    Args:
        folder: made where it does not exist.
        parts: at least 2; 55 % of them, but never all and never none, are healthy.
        views: photographs per part, at least 1.
        seed: 0 or more.
        size: (width, height) in pixels, each at least 64.

    Returns:
        One entry per photograph, by part and view.

    Raises:
        DataError: one of the numbers is too small.
        OutputError: the class folders hold something else, or cannot be written.
    """
    if parts < 2 or views < 1 or seed < 0 or min(size) < 64:
        raise DataError(
            f"cannot draw {parts} parts, {views} views, {size[0]}×{size[1]} pixels, seed {seed}; "
            "expected at least 2 parts, 1 view, 64×64 pixels and a seed of 0 or more"
        )
    planned = _plan(parts, views, seed)
    _check_room(folder, {entry.path for entry in planned})
    drawn = []
    for number in range(parts):
        entries = planned[number * views : (number + 1) * views]
        surface = draw_surface(seed, number, entries[0].defect)
        for view, entry in enumerate(entries):
            camera = np.random.default_rng((seed, _VIEW, number, view))
            photograph, box = photograph_surface(surface, camera, size)
            data = io.BytesIO()
            photograph.save(data, "JPEG", quality=int(camera.integers(84, 95)))
            write_whole(folder / entry.path, data.getvalue())
            drawn.append(replace(entry, box=box))
    write_whole(folder / "groups.csv", to_csv(["path", "group"], map(vars, drawn)))
    corners = ["x0", "y0", "x1", "y1"]
    boxes = ({"path": d.path, **dict(zip(corners, d.box or (), strict=False))} for d in drawn)
    write_whole(folder / "truth.csv", to_csv(["path", *corners], boxes))
    return drawn


def _plan(parts: int, views: int, seed: int) -> list[DrawnPhotograph]:
    """Which part gets which defect, and what its photographs are called."""
    rng = np.random.default_rng((seed, _SET))
    healthy = min(max(round(parts * HEALTHY_SHARE), 1), parts - 1)
    kinds = [""] * healthy + ["wrinkle" if i % 4 == 3 else "crack" for i in range(parts - healthy)]
    entries = []
    for number, kind in enumerate(rng.permutation(kinds).tolist()):
        group, label = f"part-{number + 1:03d}", DEFECTIVE if kind else HEALTHY
        for view in range(1, views + 1):
            path = f"{label}/{group}_view-{view}.jpg"
            entries.append(DrawnPhotograph(path, group, label, kind, None))
    return entries


def _check_room(folder: Path, planned: set[str]) -> None:
    """Photographs of another drawing, left among the new ones, would stand in two classes."""
    for label in (HEALTHY, DEFECTIVE):
        for file in sorted((folder / label).glob("*")):
            if f"{label}/{file.name}" not in planned:
                raise OutputError(
                    f"{folder / label} already holds {file.name!r}, which this drawing does not "
                    "make; expected an empty folder; name another or empty this one"
                )


@dataclass(frozen=True)
class Surface:
    """A part as float32 maps of 480 × 480 pixels."""

    cover: Map  # 1 on metal, 0 beside it and in holes
    slope_x: Map  # rise per pixel
    slope_y: Map
    grain_x: Map  # unit vector along the brushing
    grain_y: Map
    rough: tuple[float, float]  # width of the reflection along and across the brushing, in slope
    brightness: Map  # share of the light that comes back
    defect: Map  # above 0 where the defect is


def draw_surface(seed: int, part: int, defect: str = "") -> Surface:
    """The surface of part number `part` (from 0), with a "crack", a "wrinkle" or no defect ("")."""
    rng = np.random.default_rng((seed, _SURFACE, part))
    y, x = np.mgrid[:_SIDE, :_SIDE].astype(np.float32) - np.float32(_SIDE / 2 - 0.5)
    radius, angle = np.sqrt(x * x + y * y) + 1e-3, np.arctan2(y, x)
    reach = _outline(rng, angle)
    rise_y, rise_x = np.gradient(reach - radius)
    edge = (reach - radius) / np.maximum(np.sqrt(rise_x**2 + rise_y**2), 1)  # pixels to it
    hole, holes = _holes(rng, x, y, edge)
    inside = np.minimum(edge, hole)
    texture, grain_x, grain_y, rough = _finish(rng, x, y, radius, angle)
    scratches = _scratches(rng)
    height = _relief(rng, edge, hole, radius / reach) + 0.5 * scratches
    brightness = 0.8 + 0.035 * _noise(rng, (7, 7)) + 0.02 * _noise(rng, (40, 40))
    brightness += 0.10 * scratches + 0.25 * texture
    mark = np.zeros_like(height)
    rng = np.random.default_rng((seed, _DEFECT, part))
    for _ in range(40 if defect else 0):  # until most of it lies on metal
        change, mark = _crack(rng, holes) if defect == "crack" else _wrinkle(rng, x, y)
        if mark[inside > 2].sum() > 0.8 * mark.sum():
            height += change
            break
    mark = mark * np.clip(inside, 0, 1)
    if defect == "crack":
        brightness *= 1 - rng.uniform(0.55, 0.95) * mark
    slope_y, slope_x = np.gradient(height)
    slope_x, slope_y = slope_x - texture * grain_y, slope_y + texture * grain_x
    cover = np.clip(inside + 0.5, 0, 1)
    return Surface(cover, slope_x, slope_y, grain_x, grain_y, rough, brightness, mark)


def _noise(rng: Random, cells: tuple[int, int], shape: tuple[int, int] = (_SIDE, _SIDE)) -> Map:
    """A smooth random map (height, width) of `cells` bumps, mean 0, deviation near 1."""
    bumps = Image.fromarray(rng.standard_normal(cells, dtype=np.float32))
    return np.array(bumps.resize(shape[::-1], Image.Resampling.BICUBIC))


def _outline(rng: Random, angle: Map) -> Map:
    """Pixels from the middle to the edge, by angle: a disc, a flange with ears, a blunt polygon."""
    kind, turn = rng.integers(4), rng.uniform(0, 2 * math.pi)
    reach = np.ones_like(angle)
    if kind == 1:
        reach += rng.uniform(0.04, 0.08) * np.cos(rng.integers(3, 6) * (angle - turn))
    elif kind > 1:
        sides = 4 if kind == 2 else int(rng.integers(5, 9))
        narrow = rng.uniform(0.66, 0.85) if kind == 2 else 1.0
        blunt, total = rng.uniform(10, 18), np.zeros_like(angle)
        for side in range(sides):
            facing = np.cos(angle - turn - side * 2 * math.pi / sides)
            total += (np.maximum(facing, 0) / (narrow if side % 2 else 1)) ** blunt
        reach = total ** (-1 / blunt)
    return (reach * (rng.uniform(0.42, 0.46) * _SIDE / reach.max())).astype(np.float32)


def _holes(rng: Random, x: Map, y: Map, edge: Map) -> tuple[Map, list[Hole]]:
    """Pixels to the nearest stamped hole's edge, positive outside it; and (x, y, radius) of each."""
    centre = rng.uniform(0.05, 0.11) * _SIDE
    slot = rng.uniform(10, 28) if rng.random() < 0.35 else 0.0
    hole = np.sqrt((x - np.clip(x, -slot, slot)) ** 2 + y * y) - np.float32(centre)
    holes = [(0.0, 0.0, centre)]
    count, turn, small = int(rng.integers(3, 7)), rng.uniform(0, 6.28), rng.uniform(9, 16)
    for number in range(count):
        way = turn + number * 2 * math.pi / count
        ray = np.arange(_SIDE // 2 - 1)
        columns = np.rint(_SIDE / 2 + ray * math.cos(way)).astype(int)
        rows = np.rint(_SIDE / 2 + ray * math.sin(way)).astype(int)
        out = float(ray[edge[rows, columns] > 0].max()) * 0.76
        spot = (out * math.cos(way), out * math.sin(way), small)
        distance = np.sqrt((x - np.float32(spot[0])) ** 2 + (y - np.float32(spot[1])) ** 2)
        hole = np.minimum(hole, distance - np.float32(small))
        holes.append(spot)
    return hole, holes


def _relief(rng: Random, edge: Map, hole: Map, share: Map) -> Map:
    """The pressed shape in pixels of height: rolled edge, rim, step, collars, waves, a stamp."""
    rim, rim_width = rng.uniform(11, 15), rng.uniform(4, 6)
    step, lift = rng.uniform(0.52, 0.64), rng.choice([-1, 1]) * rng.uniform(1.5, 4)
    height = -2.5 * np.exp(-np.maximum(edge, 0) / 3)
    height += rng.uniform(1.0, 2.6) * np.exp(-(((edge - rim) / rim_width) ** 2))
    height += lift * np.tanh((step - share) * (_SIDE / 2 / rng.uniform(3, 6)))
    height += rng.uniform(-2, 1.5) * np.exp(-((hole / rng.uniform(3, 6)) ** 2))
    height += 0.7 * _noise(rng, (7, 7))
    stamp = Image.new("L", (_SIDE, _SIDE))
    code = f"{rng.choice(list('ABCEHKMPRTX'))}{rng.integers(10, 99)}-{rng.integers(100, 999)}"
    spot = (_SIDE / 2, _SIDE / 2 + rng.uniform(66, 78))
    font = ImageFont.load_default(rng.uniform(16, 21))
    ImageDraw.Draw(stamp).text(spot, code, fill=255, font=font, anchor="mm")
    stamp = stamp.filter(ImageFilter.GaussianBlur(0.8))
    height -= 0.9 * _unit(stamp)
    return height.astype(np.float32)


def _finish(
    rng: Random, x: Map, y: Map, radius: Map, angle: Map
) -> tuple[Map, Map, Map, tuple[float, float]]:
    """Texture (slope across the grain), grain direction, roughness: turned, brushed or cast."""
    kind = rng.integers(3)
    if kind == 0:  # turned on a lathe: fine rings
        table = _noise(rng, (300, 6), (300, 360)) + 0.5 * _noise(rng, (150, 24), (300, 360))
        rings = np.minimum(radius * 0.85, 299).astype(int)
        texture = table[rings, ((angle + math.pi) * (359 / 6.3)).astype(int)]
        return 0.05 * texture, -y / radius, x / radius, (0.13, 0.33)
    along, across = np.ones_like(x), np.zeros_like(x)
    if kind == 1:  # brushed: streaks along x
        texture = _noise(rng, (_SIDE, 9)) + 0.6 * _noise(rng, (_SIDE, 40))
        return 0.055 * texture, along, across, (0.15, 0.36)
    texture = _noise(rng, (240, 240)) + 0.6 * _noise(rng, (110, 110))
    return 0.07 * texture, along, across, (0.30, 0.30)


def _scratches(rng: Random) -> Map:
    """Fine straight scratches of handling, 0 to 1; healthy and defective parts have them alike."""
    canvas = Image.new("L", (2 * _SIDE, 2 * _SIDE))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(2, 9))):
        start, way = rng.uniform(0.2, 0.8, 2) * 2 * _SIDE, rng.uniform(0, 6.28)
        end = start + rng.uniform(20, 160) * np.array([math.cos(way), math.sin(way)])
        draw.line([*start, *end], fill=int(rng.integers(60, 220)), width=1)
    return _unit(canvas.reduce(2))


def _crack(rng: Random, holes: list[Hole]) -> tuple[Map, Map]:
    """A branching crack, mostly from a hole: change of height, and where it is (0 to 1)."""
    way, width = rng.uniform(0, 2 * math.pi), rng.uniform(2.4, 5.0)
    x, y, radius = holes[int(rng.integers(len(holes)))]
    if rng.random() < 0.3:  # somewhere on the sheet
        x, y, radius = *rng.uniform(-0.3 * _SIDE, 0.3 * _SIDE, 2), 0.0
    start = (x + radius * math.cos(way) + _SIDE / 2, y + radius * math.sin(way) + _SIDE / 2)
    canvas = Image.new("L", (2 * _SIDE, 2 * _SIDE))
    trunk = _tear(rng, canvas, start, way, rng.uniform(70, 190), width)
    for _ in range(int(rng.integers(0, 4))):
        fork = int(rng.integers(len(trunk) // 4, len(trunk)))
        turn = way + rng.choice([-1, 1]) * rng.uniform(0.4, 1.1)
        rest = width * (0.75 - 0.45 * fork / len(trunk))
        _tear(rng, canvas, trunk[fork], turn, rng.uniform(20, 70), rest)
    mark = canvas.reduce(2)
    lip = _unit(mark.filter(ImageFilter.GaussianBlur(2.5)))
    return rng.uniform(1.5, 3.5) * (2 * lip - _unit(mark)), _unit(mark)


def _tear(
    rng: Random, canvas: Image.Image, start: Spot, way: float, length: float, width: float
) -> list[Spot]:
    """Draw a jagged path that keeps its direction and thins out, on a canvas of twice the size."""
    points, wander, steps = [start], 0.0, max(3, int(length / 5))
    for step in range(steps):
        x, y = points[-1]
        wander = 0.7 * wander + rng.normal(0, 0.38)
        points.append((x + 5 * math.cos(way + wander), y + 5 * math.sin(way + wander)))
        line = [(2 * x, 2 * y), (2 * points[-1][0], 2 * points[-1][1])]
        thick = max(1, round(2 * width * (1 - 0.75 * step / steps)))
        ImageDraw.Draw(canvas).line(line, fill=255, width=thick)
    return points


def _wrinkle(rng: Random, x: Map, y: Map) -> tuple[Map, Map]:
    """Parallel folds where the sheet was pushed together: change of height, and where they are."""
    way, out = rng.uniform(0, 2 * math.pi), rng.uniform(0.24, 0.34) * _SIDE
    radial = x * math.cos(way) + y * math.sin(way) - out
    tangent = y * math.cos(way) - x * math.sin(way)
    wide, deep = rng.uniform(38, 62), rng.uniform(26, 42)
    strength = np.exp(-((tangent / wide) ** 2) - (radial / deep) ** 2)
    phase = tangent * (2 * math.pi / rng.uniform(17, 27)) + 0.9 * _noise(rng, (9, 9))
    change = rng.uniform(1.6, 3.0) * strength * np.cos(phase)
    return change.astype(np.float32), np.clip(strength * 4 - 0.5, 0, 1).astype(np.float32)


def _unit(image: Image.Image) -> Map:
    return np.asarray(image, dtype=np.float32) / np.float32(255)


# The photograph ----------------------------------------------------------------------------------

# colour (red, green, blue), mottling, streaks, grain, pixels between lines (0: none), a grid
_BACKGROUNDS = (
    ((0.20, 0.20, 0.21), 0.10, 0.08, 0.12, 0, False),  # rubber conveyor belt
    ((0.26, 0.27, 0.29), 0.06, 0.03, 0.08, 37, False),  # slatted conveyor
    ((0.56, 0.42, 0.29), 0.07, 0.13, 0.05, 150, False),  # wooden bench
    ((0.20, 0.36, 0.33), 0.05, 0.02, 0.05, 60, True),  # cutting mat
    ((0.62, 0.61, 0.58), 0.05, 0.02, 0.04, 0, False),  # paper
    ((0.34, 0.42, 0.52), 0.09, 0.04, 0.06, 0, False),  # painted steel
)


def photograph_surface(
    surface: Surface, rng: Random, size: tuple[int, int]
) -> tuple[Image.Image, Box | None]:
    """Light a part, lay it on a background and photograph it.

    What is drawn from `rng` does not depend on the surface.

    Returns:
        The photograph (RGB, `size`) and the box around the defect, None without one.
    """
    turn, lamp = rng.uniform(0, 2 * math.pi, 2)
    place = _placement(rng, size, turn)

    def laid(values: Map) -> Image.Image:
        flat = Image.fromarray(np.clip(values * 255, 0, 255).astype(np.uint8))
        return flat.transform(size, Image.Transform.PERSPECTIVE, place, Image.Resampling.BILINEAR)

    cover_image = laid(surface.cover)
    cover = _unit(cover_image)
    light = _fall_off(rng, size, lamp)
    metal = _unit(laid(0.6 * _shine(rng, surface, lamp - turn))) * light * cover / np.float32(0.6)
    value, colour = _background(rng, size)
    behind = value * _shadow(rng, cover_image, lamp) * light * (1 - cover)
    photograph = _expose(rng, metal, behind, colour)
    return photograph, _box(laid(surface.defect)) if surface.defect.any() else None


def _placement(rng: Random, size: tuple[int, int], turn: float) -> tuple[float, ...]:
    """Pillow's eight numbers from pixels of the photograph to pixels of the part's maps."""
    zoom = rng.uniform(0.84, 1.04) * min(size) / _SIDE
    x = (0.5 + rng.uniform(-0.08, 0.08)) * size[0]
    y = (0.5 + rng.uniform(-0.03, 0.03)) * size[1]
    a, b = rng.uniform(-0.12, 0.12, 2) / max(size)  # the camera looks down slightly askew
    cos, sin, middle = math.cos(turn) / zoom, math.sin(turn) / zoom, _SIDE / 2
    to_part = np.array([[cos, sin, middle], [-sin, cos, middle], [0, 0, 1]])
    to_part[:2, :2] += middle * np.array([a, b])
    matrix = to_part @ np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    matrix[2] = (a, b, 1 - a * x - b * y)
    return tuple((matrix / matrix[2, 2]).ravel()[:8].tolist())


def _shine(rng: Random, surface: Surface, way: float) -> Map:
    """Brightness of the metal, 0 to about 1.6, lit from direction `way` in the part's own frame.

    Diffuse light plus one anisotropic Gaussian highlight over slopes (after Ward, "Measuring and
    modeling anisotropic reflection", 1992). The lamp is near, so its highlight is a patch.
    """
    x = np.linspace(-1, 1, _SIDE, dtype=np.float32)
    low, reach = rng.uniform(0.05, 0.32), rng.uniform(0.25, 0.55)
    slope_x = surface.slope_x + reach * x + np.float32(low * math.cos(way))
    slope_y = surface.slope_y + reach * x[:, None] + np.float32(low * math.sin(way))
    along = (slope_x * surface.grain_x + slope_y * surface.grain_y) / surface.rough_along
    across = (slope_y * surface.grain_x - slope_x * surface.grain_y) / surface.rough_across
    shine = np.exp(-0.5 * np.minimum(along * along + across * across, 40))
    facing = surface.slope_x * math.cos(way) + surface.slope_y * math.sin(way)
    diffuse = rng.uniform(0.42, 0.58) * np.clip(1 - 0.8 * facing, 0.2, 1.8)
    return np.asarray(
        surface.brightness * (diffuse + rng.uniform(0.35, 0.7) * shine), dtype=np.float32
    )


def _background(rng: Random, size: tuple[int, int]) -> tuple[Map, npt.NDArray[np.float64]]:
    """What the part lies on: brightness (height, width), near 1, and colour (3,), 0 to 1."""
    colour, mottling, streaks, grain, spacing, both = _BACKGROUNDS[rng.integers(len(_BACKGROUNDS))]
    upright = rng.random() < 0.5
    height, width = size if upright else size[::-1]
    shape = (height, width)
    value = 1 + mottling * _noise(rng, (5, 7), shape)
    value += grain * _noise(rng, (height // 2, width // 2), shape)
    value += streaks * (
        _noise(rng, (height // 3, 4), shape) + _noise(rng, (height // 12, 3), shape)
    )
    start = rng.integers(1000, size=2)
    if spacing:
        value[(np.arange(height) + start[0]) % spacing < 2] *= 0.72
    if both:
        value[:, (np.arange(width) + start[1]) % spacing < 2] *= 0.72
    colours = np.array(colour) * rng.uniform(0.8, 1.2)
    return np.maximum(value.T if upright else value, np.float32(0.05)), colours


def _shadow(rng: Random, cover: Image.Image, light: float) -> Map:
    """What the part leaves of the light beside it, 0 to 1: dark on the side away from the lamp."""
    small = cover.reduce(4)
    far, soft = rng.uniform(1.0, 3.5), rng.uniform(1.0, 3.0)
    shift = (1, 0, -far * math.cos(light), 0, 1, -far * math.sin(light))
    moved = small.transform(small.size, Image.Transform.AFFINE, shift)
    blurred = moved.filter(ImageFilter.GaussianBlur(soft)).resize(
        cover.size, Image.Resampling.BILINEAR
    )
    return np.float32(1) - np.float32(rng.uniform(0.45, 0.75)) * _unit(blurred)


def _fall_off(rng: Random, size: tuple[int, int], lamp: float) -> Map:
    """Light over the scene (height, width), near 1: brighter towards the lamp and the middle."""
    x = np.linspace(-1, 1, size[0], dtype=np.float32)
    y = np.linspace(-1, 1, size[1], dtype=np.float32)[:, None]
    fall, corners = rng.uniform(0.0, 0.22), rng.uniform(0.03, 0.14)
    across = x * np.float32(fall * math.cos(lamp)) + y * np.float32(fall * math.sin(lamp))
    return np.asarray(1 - across - np.float32(corners) * (x * x + y * y), dtype=np.float32)


def _expose(rng: Random, metal: Map, behind: Map, colour: npt.NDArray[np.float64]) -> Image.Image:
    """The camera: exposure, white balance, noise, sharpness."""
    gains = 255 * math.exp(rng.uniform(-0.25, 0.22)) * (1 + rng.uniform(-0.035, 0.035, 3))
    noise = rng.standard_normal(metal.shape, dtype=np.float32)
    strength, tinged = rng.uniform(1.5, 6), rng.uniform(0.5, 2.5)
    bands = []
    for band, gain in enumerate(gains):
        values = metal * np.float32(gain) + behind * np.float32(gain * colour[band])
        values += noise * np.float32(strength)
        values += np.roll(noise, 7 * band + 5, axis=0) * np.float32(tinged)
        bands.append(Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)))
    soft = ImageFilter.BoxBlur(rng.uniform(0.15, 0.6))
    return Image.merge("RGB", bands).filter(soft)


def _box(mark: Image.Image) -> Box | None:
    """Around all of the defect that the photograph shows, with room for the camera's blur."""
    found = mark.point(lambda value: 255 if value > 12 else 0).getbbox()
    if found is None:
        return None
    x0, y0, x1, y1 = found
    return max(x0 - 6, 0), max(y0 - 6, 0), min(x1 + 6, mark.width), min(y1 + 6, mark.height)
