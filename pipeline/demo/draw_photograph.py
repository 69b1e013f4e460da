"""A drawn part under a camera: pose, light, background, exposure, blur and noise."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

from features.arrays import Floats
from pipeline.demo.draw_surface import SIDE, Map, Random, Surface, noise, unit

Box = tuple[int, int, int, int]

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

    Returns:
        The photograph (RGB, `size`) and the box around the defect, or None. What is drawn from
        `rng` does not depend on the surface.
    """
    turn, lamp = rng.uniform(0, 2 * math.pi, 2)
    place = _placement(rng, size, turn)

    def laid(values: Map) -> Image.Image:
        """Lay a map of the part into the photograph."""
        flat = Image.fromarray(np.clip(values * 255, 0, 255).astype(np.uint8))
        return flat.transform(size, Image.Transform.PERSPECTIVE, place, Image.Resampling.BILINEAR)

    cover = laid(surface.cover)
    metal = unit(laid(0.6 * _shine(rng, surface, lamp - turn))) * unit(cover) / np.float32(0.6)
    behind, colour = _background(rng, size)
    behind *= (1 - unit(cover)) * _shadow(rng, cover, lamp)
    light = _fall_off(rng, size, lamp)
    photograph = _expose(rng, metal * light, behind * light, colour)
    if not surface.defect.any():
        return photograph, None
    near = laid(surface.defect).filter(ImageFilter.BoxBlur(6))  # room for the camera's blur
    return photograph, near.point(lambda value: 255 * (value > 1)).getbbox()


def _placement(rng: Random, size: tuple[int, int], turn: float) -> tuple[float, ...]:
    """Compute Pillow's eight numbers from pixels of the photograph to those of the part's maps."""
    zoom = rng.uniform(0.84, 1.04) * min(size) / SIDE
    x = (0.5 + rng.uniform(-0.08, 0.08)) * size[0]
    y = (0.5 + rng.uniform(-0.03, 0.03)) * size[1]
    a, b = rng.uniform(-0.12, 0.12, 2) / max(size)  # the camera looks down slightly askew
    cos, sin, middle = math.cos(turn) / zoom, math.sin(turn) / zoom, SIDE / 2
    to_part = np.array([[cos, sin, middle], [-sin, cos, middle], [0, 0, 1]])
    to_part[:2, :2] += middle * np.array([a, b])
    matrix = to_part @ np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    matrix[2] = (a, b, 1 - a * x - b * y)
    return tuple((matrix.ravel() / matrix[2, 2]).tolist()[:8])


def _shine(rng: Random, surface: Surface, way: float) -> Map:
    """Compute the metal's brightness, 0 to about 1.6, lit from `way` in the part's own frame.

    Diffuse light and an anisotropic highlight, Gaussian in the slopes (after Ward, "Measuring and
    modeling anisotropic reflection", 1992); the lamp is near, so the highlight is a patch.
    """
    x = np.linspace(-1, 1, SIDE, dtype=np.float32)
    low, reach = rng.uniform(0.05, 0.32), rng.uniform(0.25, 0.55)
    slope_x = surface.slope[0] + reach * x + low * math.cos(way)
    slope_y = surface.slope[1] + reach * x[:, None] + low * math.sin(way)
    along = (slope_x * surface.grain[0] + slope_y * surface.grain[1]) / surface.rough[0]
    across = (slope_y * surface.grain[0] - slope_x * surface.grain[1]) / surface.rough[1]
    shine = np.exp(-0.5 * np.minimum(along * along + across * across, 40))
    facing = surface.slope[0] * math.cos(way) + surface.slope[1] * math.sin(way)
    diffuse = rng.uniform(0.42, 0.58) * np.clip(1 - 0.8 * facing, 0.2, 1.8)
    bright = surface.brightness * (diffuse + rng.uniform(0.35, 0.7) * shine)
    return np.asarray(bright, np.float32)


def _background(rng: Random, size: tuple[int, int]) -> tuple[Map, Floats]:
    """Draw what the part lies on: brightness (height, width), near 1, and colour (3,), 0 to 1."""
    colour, mottling, streaks, grain, spacing, both = _BACKGROUNDS[rng.integers(len(_BACKGROUNDS))]
    upright = rng.random() < 0.5
    height, width = shape = size if upright else size[::-1]
    value = 1 + mottling * noise(rng, (5, 7), shape)
    value += grain * noise(rng, (height // 2, width // 2), shape)
    value += streaks * noise(rng, (height // 3, 4), shape)
    value += streaks * noise(rng, (height // 12, 3), shape)
    start = rng.integers(1000, size=2)
    if spacing:
        value[(np.arange(height) + start[0]) % spacing < 2] *= 0.72
    if both:
        value[:, (np.arange(width) + start[1]) % spacing < 2] *= 0.72
    return np.maximum(value.T if upright else value, 0.05), np.array(colour) * rng.uniform(0.8, 1.2)


def _shadow(rng: Random, cover: Image.Image, lamp: float) -> Map:
    """Draw the part's shadow, 0 to 1 of the light: dark on the side away from the lamp."""
    far, small = rng.uniform(1.0, 3.5), cover.reduce(4)
    shift = (1, 0, -far * math.cos(lamp), 0, 1, -far * math.sin(lamp))
    moved = small.transform(small.size, Image.Transform.AFFINE, shift)
    soft = moved.filter(ImageFilter.GaussianBlur(rng.uniform(1.0, 3.0)))
    return 1 - rng.uniform(0.45, 0.75) * unit(soft.resize(cover.size, Image.Resampling.BILINEAR))


def _fall_off(rng: Random, size: tuple[int, int], lamp: float) -> Map:
    """Draw light over the scene (height, width), near 1: brighter towards lamp and middle."""
    x, y = (np.linspace(-1, 1, length, dtype=np.float32) for length in size)
    fall, corners = rng.uniform(0.0, 0.22), rng.uniform(0.03, 0.14)
    across = 1 - fall * math.cos(lamp) * x - corners * x * x
    return across - (fall * math.sin(lamp) * y + corners * y * y)[:, None]


def _expose(rng: Random, metal: Map, behind: Map, colour: Floats) -> Image.Image:
    """Give the camera: exposure, white balance, noise, sharpness."""
    gains = 255 * math.exp(rng.uniform(-0.25, 0.22)) * (1 + rng.uniform(-0.035, 0.035, 3))
    noise = rng.standard_normal(metal.shape, dtype=np.float32)
    strength, tinged = rng.uniform(1.5, 6), rng.uniform(0.5, 2.5)
    bands = []
    for band, gain in enumerate(gains.tolist()):
        values = metal * gain + behind * (gain * float(colour[band])) + noise * strength
        values += np.roll(noise, 7 * band + 5, axis=0) * tinged
        bands.append(Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)))
    return Image.merge("RGB", bands).filter(ImageFilter.BoxBlur(rng.uniform(0.15, 0.6)))
