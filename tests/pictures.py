"""Encode pictures, and decoders that misbehave as they are told."""

from __future__ import annotations

import io
import sys

import numpy as np
from checkout import ROOT
from PIL import Image

from features.photographs.decode_worker_pool import Decoders

_FAKE = """
import os, re, sys, time, types
sys.path.insert(0, {root!r})
import numpy as np
from features.photographs import decode as images
from features.photographs.decode_worker import serve
def decode(data, recipe, max_pixels):
    {body}
def decode_views(data, recipe, names, max_pixels):
    return np.stack([decode(data, recipe, max_pixels) for _ in names])
serve(types.SimpleNamespace(Recipe=images.Recipe, ImageError=images.ImageError,
                            decode_views=decode_views, capture_time=images.capture_time))
"""


def pool(body: str, seconds: float = 20.0) -> Decoders:
    """Give decoders whose `decode` is this Python."""
    code = _FAKE.format(root=str(ROOT), body=body)
    return Decoders([sys.executable, "-c", code], seconds)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def ramp(width: int = 300, height: int = 200) -> Image.Image:
    values = np.linspace(0, 255, width * height * 3).reshape(height, width, 3)
    return Image.fromarray(values.astype(np.uint8))
