"""What a worker of a test's cluster loads first: the toy in the backbone's place."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import toy

from features.backbones.registry import BACKBONES

BACKBONES["inception_v3"] = "toy:ToyBackbone"
HOLD = Path(os.environ["ONEPASS_TOY_HOLD"])
"""While this file is there, a worker computes one batch and stays in the next."""

_run = toy.ToyBackbone.run
_since = 0


def run(self: toy.ToyBackbone, pixels: Any) -> Any:
    """As the toy, unless it is held."""
    global _since
    _since = _since + 1 if HOLD.exists() else 0
    while _since > 1 and HOLD.exists():
        time.sleep(0.01)
    return _run(self, pixels)


toy.ToyBackbone.run = run  # type: ignore[method-assign]
