"""What a worker of a test's cluster loads first: the toy in the backbone's place."""

from __future__ import annotations

import os

import toy

from features.backbones.settings import BACKBONES

BACKBONES["inception_v3"] = "toy:ToyBackbone"
toy.ToyBackbone.pause = float(os.environ.get("ONEPASS_TOY_PAUSE", "0"))
