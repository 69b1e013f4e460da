"""What the fuzzer calls: one input through the decoder. Run by `torture.fuzz`, never imported.

Run as: python fuzz_target.py FOLDER [options of libFuzzer], by a Python that has atheris, Pillow
and numpy. The code of Pillow's plug-ins and of ours is instrumented: inputs that reach new code
are kept and changed further; Pillow's C code runs as it is installed.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import atheris

_FEATURES = Path(__file__).resolve().parents[1] / "features"
_MAX_PIXELS = 1_000_000


def main() -> None:
    """Fuzz until libFuzzer's options say enough, or something but ImageError is raised."""
    package = types.ModuleType("features")
    package.__path__ = [str(_FEATURES)]
    sys.modules["features"] = package
    with atheris.instrument_imports(include=["PIL", "features"]):
        from features.errors import ImageError
        from features.photographs import decode as images

    recipes = [
        images.Recipe("small", 16, 16, True, "bilinear", True, (1.0, 0.0)),
        images.Recipe("plain", 16, 16, False, "nearest", False, (1.0, 0.0)),
    ]

    def one_input(data: bytes) -> None:
        try:
            pixels = images.decode(data, recipes[len(data) % 2], max_pixels=_MAX_PIXELS)
        except ImageError as error:
            assert "\n" not in str(error)
            assert len(str(error)) > 5
        else:
            assert pixels.shape == (16, 16, 3)

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


main()
