"""The surface of a drawn metal part: outline, holes, slopes, brushing, and its defect."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Map = npt.NDArray[np.float32]
Spot = tuple[float, float]
Hole = tuple[float, float, float]  # x and y from the middle of the part, radius
Random = np.random.Generator

SIDE = 480  # of a part's maps, in pixels; a photograph of 640 × 480 shows them about 1:1
_DESIGN, _SURFACE, _DEFECT = (10, 11, 12)  # random streams of one seed


@dataclass(frozen=True)
class Surface:
    """A part as float32 maps of 480 × 480 pixels."""

    cover: Map  # 1 on metal, 0 beside it and in holes
    slope: tuple[Map, Map]  # in x and y: rise per pixel
    grain: tuple[Map, Map]  # unit vector along the brushing
    rough: tuple[float, float]  # width of the reflection along and across the brushing, in slope
    brightness: Map  # share of the light that comes back
    defect: Map  # above 0 where the defect is


def draw_surface(seed: int, part: int, defect: str = "", *, lot: int = 0) -> Surface:
    """Draw part number `part` (from 0), with a "crack", a "wrinkle" or no defect ("")."""
    design = np.random.default_rng((seed, _DESIGN))  # all parts of a seed are one product
    rng = np.random.default_rng((seed, _SURFACE, lot, part))
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) - np.float32(SIDE / 2 - 0.5)
    radius, angle = np.sqrt(x * x + y * y) + 1e-3, np.arctan2(y, x)
    reach = _outline(design, angle)
    rise_y, rise_x = np.gradient(reach - radius)
    edge = (reach - radius) / np.maximum(np.sqrt(rise_x**2 + rise_y**2), 1)  # pixels to it
    hole, holes = _holes(design, x, y, edge)
    inside = np.minimum(edge, hole)
    texture, grain, rough = _finish(rng, int(design.integers(3)), x, y, radius, angle)
    scratches = _scratches(rng)
    height = _relief(design, edge, hole, radius / reach) + 0.5 * scratches
    brightness = 0.8 + 0.035 * noise(rng, (7, 7)) + 0.02 * noise(rng, (40, 40))
    brightness += 0.10 * scratches + 0.25 * texture
    change = mark = np.zeros_like(height)
    rng = np.random.default_rng((seed, _DEFECT, lot, part))
    for _ in range(40 if defect else 0):  # until most of it lies on metal
        change, mark = _crack(rng, holes) if defect == "crack" else _wrinkle(rng, x, y)
        if mark[inside > 2].sum() > 0.8 * mark.sum():
            break
    mark = mark * np.clip(inside, 0, 1)
    if defect == "crack":
        brightness *= 1 - rng.uniform(0.55, 0.95) * mark
    rise_y, rise_x = np.gradient(height + change)
    slope = (rise_x - texture * grain[1], rise_y + texture * grain[0])
    return Surface(np.clip(inside + 0.5, 0, 1), slope, grain, rough, brightness, mark)


def noise(rng: Random, cells: tuple[int, int], shape: tuple[int, int] = (SIDE, SIDE)) -> Map:
    """Give a smooth random map (height, width) of `cells` bumps, mean 0, deviation near 1."""
    bumps = Image.fromarray(rng.standard_normal(cells, dtype=np.float32))
    return np.array(bumps.resize(shape[::-1], Image.Resampling.BICUBIC))


def _outline(rng: Random, angle: Map) -> Map:
    """Draw pixels from the middle to the edge, by angle: a disc, a flange with ears, a polygon."""
    kind, turn = rng.integers(4), rng.uniform(0, 2 * math.pi)
    reach = np.ones_like(angle)
    if kind == 1:
        reach += rng.uniform(0.04, 0.08) * np.cos(int(rng.integers(3, 6)) * (angle - turn))
    elif kind > 1:
        sides = 4 if kind == 2 else int(rng.integers(5, 9))
        narrow = rng.uniform(0.66, 0.85) if kind == 2 else 1.0
        blunt, total = rng.uniform(10, 18), np.zeros_like(angle)
        for side in range(sides):
            facing = np.cos(angle - turn - side * 2 * math.pi / sides)
            total += (np.maximum(facing, 0) / (narrow if side % 2 else 1)) ** blunt
        reach = np.asarray(total ** (-1 / blunt), np.float32)
    return reach * np.float32(rng.uniform(0.42, 0.46) * SIDE / reach.max())


def _holes(rng: Random, x: Map, y: Map, edge: Map) -> tuple[Map, list[Hole]]:
    """Draw pixels to the nearest stamped hole's edge, positive outside it; and all holes."""
    centre = rng.uniform(0.05, 0.11) * SIDE
    slot = rng.uniform(10, 28) if rng.random() < 0.35 else 0.0
    hole = np.sqrt((x - np.clip(x, -slot, slot)) ** 2 + y * y) - np.float32(centre)
    holes = [(0.0, 0.0, centre)]
    count, turn, small = int(rng.integers(3, 7)), rng.uniform(0, 6.28), rng.uniform(9, 16)
    ray = np.arange(SIDE // 2 - 1)
    for way in turn + np.arange(count) * 2 * math.pi / count:
        cos, sin = math.cos(way), math.sin(way)
        rows, columns = (np.rint(SIDE / 2 + ray * step).astype(int) for step in (sin, cos))
        out = float(ray[edge[rows, columns] > 0].max()) * 0.76
        holes.append((out * cos, out * sin, small))
        hole = np.minimum(hole, np.sqrt((x - out * cos) ** 2 + (y - out * sin) ** 2) - small)
    return hole, holes


def _relief(rng: Random, edge: Map, hole: Map, share: Map) -> Map:
    """Draw the pressed shape, in pixels of height: edge, rim, step, collars, waves, stamp."""
    rim, rim_width = rng.uniform(11, 15), rng.uniform(4, 6)
    step, lift = rng.uniform(0.52, 0.64), float(rng.choice([-1, 1])) * rng.uniform(1.5, 4)
    height: Map = rng.uniform(1.0, 2.6) * np.exp(-(((edge - rim) / rim_width) ** 2))
    height += lift * np.tanh((step - share) * (SIDE / 2 / rng.uniform(3, 6)))
    height += rng.uniform(-2, 1.5) * np.exp(-((hole / rng.uniform(3, 6)) ** 2))
    height += 0.7 * noise(rng, (7, 7)) - 2.5 * np.exp(-np.maximum(edge, 0) / 3)
    code = f"{rng.choice(list('ABCEHKMPRTX'))}{rng.integers(10, 99)}-{rng.integers(100, 999)}"
    stamp, spot = Image.new("L", (SIDE, SIDE)), (SIDE / 2, SIDE / 2 + rng.uniform(66, 78))
    font = ImageFont.load_default(rng.uniform(16, 21))
    ImageDraw.Draw(stamp).text(spot, code, fill=255, font=font, anchor="mm")
    return height - 0.9 * unit(stamp.filter(ImageFilter.GaussianBlur(0.8)))


def _finish(
    rng: Random, kind: int, x: Map, y: Map, radius: Map, angle: Map
) -> tuple[Map, tuple[Map, Map], tuple[float, float]]:
    """Draw texture (slope across the grain), its direction, roughness: turned, brushed or cast."""
    straight = (np.ones_like(x), np.zeros_like(x))
    if kind == 0:  # turned on a lathe: fine rings
        table = noise(rng, (300, 6), (300, 360)) + 0.5 * noise(rng, (150, 24), (300, 360))
        rings = np.minimum(radius * 0.85, 299).astype(int)
        texture = table[rings, ((angle + math.pi) * (359 / 6.3)).astype(int)]
        return texture * np.float32(0.05), (-y / radius, x / radius), (0.13, 0.33)
    if kind == 1:  # brushed: streaks along x
        texture = noise(rng, (SIDE, 9)) + 0.6 * noise(rng, (SIDE, 40))
        return texture * np.float32(0.055), straight, (0.15, 0.36)
    texture = noise(rng, (240, 240)) + 0.6 * noise(rng, (110, 110))
    return texture * np.float32(0.07), straight, (0.30, 0.30)


def _scratches(rng: Random) -> Map:
    """Draw fine scratches of handling, 0 to 1; good and defective parts have them alike."""
    draw = ImageDraw.Draw(canvas := Image.new("L", (2 * SIDE, 2 * SIDE)))
    for _ in range(int(rng.integers(2, 9))):
        start = rng.uniform(0.2, 0.8, 2) * 2 * SIDE
        draw.line(
            [*start, *(start + rng.uniform(-110, 110, 2))], fill=int(rng.integers(60, 220)), width=1
        )
    return unit(canvas.reduce(2))


def _crack(rng: Random, holes: list[Hole]) -> tuple[Map, Map]:
    """Give a branching crack, mostly from a hole: change of height, and where it is (0 to 1)."""
    way, size = rng.uniform(0, 2 * math.pi), rng.uniform(0, 1)
    width, length = 2 + 3.5 * size, 80 + 110 * size + rng.uniform(0, 70)
    x, y, radius = holes[int(rng.integers(len(holes)))]
    if rng.random() < 0.3:  # somewhere on the sheet
        x, y, radius = *rng.uniform(-0.3 * SIDE, 0.3 * SIDE, 2), 0.0
    start = (x + radius * math.cos(way) + SIDE / 2, y + radius * math.sin(way) + SIDE / 2)
    canvas = Image.new("L", (2 * SIDE, 2 * SIDE))
    trunk = _tear(rng, canvas, start, way, length, width)
    for _ in range(int(rng.integers(1, 5))):
        fork = int(rng.integers(len(trunk) // 4, len(trunk)))
        turn = way + rng.choice([-1, 1]) * rng.uniform(0.4, 1.1)
        rest = width * (0.75 - 0.45 * fork / len(trunk))
        _tear(rng, canvas, trunk[fork], turn, rng.uniform(20, 70), rest)
    mark = canvas.reduce(2)
    lip = unit(mark.filter(ImageFilter.GaussianBlur(2.5)))
    return rng.uniform(1.0, 2.0) * (1 + size) * (2 * lip - unit(mark)), unit(mark)


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
    """Draw parallel folds where the sheet was pushed together: change of height, and where."""
    way, out = rng.uniform(0, 2 * math.pi), rng.uniform(0.24, 0.34) * SIDE
    radial = x * math.cos(way) + y * math.sin(way) - out
    tangent = y * math.cos(way) - x * math.sin(way)
    wide, deep = rng.uniform(38, 62), rng.uniform(26, 42)
    strength = np.exp(-((tangent / wide) ** 2) - (radial / deep) ** 2)
    phase = tangent * (2 * math.pi / rng.uniform(17, 27)) + 0.9 * noise(rng, (9, 9))
    change = rng.uniform(1.6, 3.0) * strength * np.cos(phase)
    return change.astype(np.float32), np.clip(strength * 4 - 0.5, 0, 1).astype(np.float32)


def unit(image: Image.Image) -> Map:
    """Give a grey picture as numbers from 0 to 1."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)
