"""Parts that a head can tell apart, and models fitted on them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image
from toy import ToyBackbone

import pipeline
from pipeline.model.bundle import Bundle

Toy = type[ToyBackbone]


def shade(seed: int, bright: bool) -> np.ndarray:
    """Give a photograph of noise whose right half is brighter on defective parts."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 160, (20, 20, 3))
    pixels[:, 10:] += 45 if bright else 0
    return pixels.astype(np.uint8)


def write_parts(root: Path, parts: int = 24, first: int = 0) -> Path:
    """Healthy and defective parts, three photographs each, that a head can tell apart."""
    for part in range(first, first + parts):
        label = "defects" if part % 3 == 0 else "Healthy"
        (root / label).mkdir(parents=True, exist_ok=True)
        for view in range(3):
            image = Image.fromarray(shade(part * 10 + view, part % 3 == 0))
            image.save(root / label / f"part-{part:03d}_{view}.png")
    return root


def load(model: Path) -> Bundle:
    return pipeline.load_bundle(model)


def sign(folder: Path) -> Path:
    """Forge the digests, as anybody can: they are no signature."""
    about = json.loads((folder / "model.json").read_text())
    for name in about["files"]:
        about["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(about))
    return folder
