"""Photographs to measure on: drawn, seeded, and as many different files as are asked for."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image

LARGE = (4000, 3000)  # 12 megapixels
SMALL = (320, 240)


@functools.lru_cache(maxsize=40)
def draw(size: tuple[int, int], seed: int, quality: int = 93) -> bytes:
    """Give a JPEG of soft shapes under sensor noise; 4000×3000 comes to 5 MB in half a second.

    The last ones are kept: several benchmarks have the same.
    """
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(40, 200, (9, 12, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))
    noise = generator.integers(0, 30, (size[1], size[0], 1), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(soft + noise).save(out, "JPEG", quality=quality)
    return out.getvalue()


def write_folder(root: Path, count: int, size: tuple[int, int], *, first: int = 0) -> list[Path]:
    """`count` files of up to 40 photographs in two class folders, no two equal byte for byte.

    Copies differ in a number behind the JPEG's end marker, which decoders ignore: to Onepass
    these are other photographs, and drawing them takes no time.
    """
    drawn = [draw(size, seed) for seed in range(min(count, 40))]
    files = []
    for number in range(first, first + count):
        label = "Healthy" if number % 2 else "defects"
        file = root / label / f"part-{number:05d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(drawn[(number - first) % len(drawn)] + number.to_bytes(8))
        files.append(file)
    return sorted(files)
