"""What the README promises of crashes, damage and attacks, tried for real. Never part of it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # `toy` and `caches`
