"""What every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy import ToyBackbone

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def toy() -> type[ToyBackbone]:
    """The toy backbone with its counters at zero."""
    ToyBackbone.reset()
    return ToyBackbone


@pytest.fixture(scope="session")
def tile_folder() -> Path:
    """The shared photographs of magnetic tiles; skips where they are absent."""
    folder = SHARED / "data" / "magnetic_tile"
    if not folder.is_dir():
        pytest.skip(f"needs the real photographs in {folder}")
    return folder


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """The shared InceptionV3 weights; skips where they are absent."""
    file = SHARED / "weights" / "inception_v3_imagenet_2015_notop.weights.h5"
    if not file.is_file():
        pytest.skip(f"needs the real weights in {file}")
    return file
