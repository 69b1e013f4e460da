"""Photographs of parts that all lie on one background, and copies of them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from toy import toy_settings

from features.cache.cache import Cache
from features.cache.sample_table import TableRow
from features.cache.thumbnails import Thumbnail, thumbnail_of
from features.photographs.decode import capture_time, decode
from features.photographs.recipe import RECIPES

Pixels = npt.NDArray[np.uint8]

SIDE = 112


def part(number: int, *, light: float = 1.0, shift: int = 0, noise: int = 0) -> Pixels:
    """One part in the jig: what all parts share is ten times stronger than what tells them apart.

    Args:
        number: another one is another part.
        light: factor of brightness.
        shift: pixels to the right.
        noise: of the camera; another one is another photograph.
    """
    shared, own = _blotches(0, 9), _blotches(number + 1, 14)
    picture = np.roll(120 + 60 * shared + 6 * own, shift, axis=1)[:, :SIDE] * light
    picture += np.random.default_rng((7, number, noise)).normal(0, 1.5, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _blotches(seed: int, cells: int) -> npt.NDArray[np.float64]:
    bumps = np.random.default_rng((seed, cells)).standard_normal((cells, cells))
    picture = Image.fromarray(bumps.astype(np.float32)).resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC
    )
    return np.asarray(picture, dtype=np.float64)


def encode(pixels: Pixels, quality: int = 92) -> bytes:
    """As a JPEG."""
    out = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()


def make_cache(
    path: Path, photographs: dict[str, bytes], *, times: dict[str, int] | None = None
) -> Path:
    """Give a cache of these photographs, with what a toy backbone sees and their thumbnails."""
    settings = toy_settings()
    backbone = settings.load(1)
    with Cache.write(path, settings.fields, settings.cached_width, "float32") as cache:
        table_rows = []
        for name, data in photographs.items():
            digest = hashlib.sha256(data).hexdigest()
            if cache.find(digest) < 0:
                pixels = decode(data, RECIPES["imagenet"])
                thumbnail = thumbnail_of(pixels, capture_time(data))
                if times is not None:
                    thumbnail = Thumbnail(thumbnail.grey, times[name])
                cache.append([digest], backbone.run(pixels[None]), thumbnails=[thumbnail])
            label = name.split("/")[0]
            table_rows.append(TableRow(name, label, "", digest, cache.find(digest), "", 1, 2, 3, 4))
        about = {
            "root": str(path.parent),
            "group_rule": {"kind": "none", "value": ""},
            "weights": {"source": "random", "name": "random", "digest": "random:0", "seed": 0},
        }
        cache.replace_table(table_rows, about)
        cache.commit()
    return path
