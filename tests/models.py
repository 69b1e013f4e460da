"""Parts that a head can tell apart, and models fitted on them."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from toy import ToyBackbone

import pipeline
from features.cache.cache import Cache
from pipeline.model.bundle import Bundle
from pipeline.model.record import ModelRecord

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


def make_line(folder: Path) -> Path:
    """Make data/, features.h5 and model/ in a folder; the toy must stand for the backbone."""
    data, cache = write_parts(folder / "data"), folder / "features.h5"
    rule = pipeline.GroupRule("regex", r"part-(\d+)")
    pipeline.extract_folder(data, cache, pipeline.ExtractOptions(weights="random", group_rule=rule))
    pipeline.fit(
        pipeline.load_dataset(cache), folder / "model", pipeline.FitOptions(head="logistic")
    )
    return folder


def copy_line(line: Path, folder: Path, *names: str) -> Path:
    """Copy some of data, features.h5 and model, as if they had been made there."""
    for name in names:
        if (line / name).is_dir():
            shutil.copytree(line / name, folder / name)
        else:
            shutil.copyfile(line / name, folder / name)
    root = str(folder / "data")
    if "features.h5" in names:
        with Cache.read(line / "features.h5") as seen:
            fields, width, dtype = seen.fields, seen.cached_width, seen.dtype
        with Cache.write(folder / "features.h5", fields, width, dtype) as cache:
            cache.replace_table(cache.table_rows, {**cache.note, "root": root})
            cache.commit()
    if "model" in names:
        file = folder / "model" / "model.json"
        record = ModelRecord.from_json(json.loads(file.read_text("utf-8")))
        there = replace(record.fit, folder=replace(record.fit.folder, root=root))
        file.write_bytes(replace(record, fit=there).to_bytes())
    return folder
