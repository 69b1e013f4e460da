"""The pictures of the inspector's pages in docs/pictures, drawn anew: drawn parts, a real Chromium.

    python -m benchmarks.screens

Needs Chromium. Draws parts, makes a model whose heatmaps can be shown (efficientnet-lite0, whose
weights come with the installation), serves it on loopback, and photographs the pages.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

import pipeline
from benchmarks.serve import served
from benchmarks.turns import ROOT
from pipeline.data.extract_folder import ExtractOptions
from pipeline.demo.draw_parts import draw_parts
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.training.fit import FitOptions

sys.path.insert(0, str(ROOT / "tests"))
from browser import Browser

PICTURES = ROOT / "docs" / "pictures"
READY, SHOWN = "document.body.dataset.ready === 'yes'", "!document.querySelector('#result').hidden"
DESKTOP, PHONE = (1000, 760), (390, 800)


class Photographer:
    """Opens pages of one service and keeps what they look like."""

    def __init__(self, browser: Browser, port: int) -> None:
        self.browser, self.url = browser, f"http://127.0.0.1:{port}"

    def open(self, page: str, size: tuple[int, int], *, dark: bool = False) -> None:
        """Show a page, ready."""
        self.browser.open(self.url + page, width=size[0], height=size[1], dark=dark)
        self.browser.until(READY)

    def keep(self, name: str, size: tuple[int, int]) -> None:
        """Write what the window shows as a small PNG."""
        time.sleep(0.7)
        self.browser.evaluate("window.scrollTo(0, 0)")
        time.sleep(0.2)
        shot = self.browser.screenshot()
        with Image.open(io.BytesIO(shot)) as image:
            seen = image.convert("RGB").crop((0, 0, image.width, min(image.height, size[1])))
        seen.quantize(192, dither=Image.Dither.NONE).save(PICTURES / name, optimize=True)
        print(f"{name}: {(PICTURES / name).stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Draw them all."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="onepass-screens-") as name:
        root = Path(name)
        draw_parts(root / "data", parts=40, views=4, seed=7)
        draw_parts(root / "new", parts=8, views=3, seed=7, lot=1)
        rule = pipeline.GroupRule("regex", r"part-(\d+)")
        asked = ExtractOptions(backbone="efficientnet-lite0", group_rule=rule)
        pipeline.extract_folder(root / "data", root / "features.h5", asked)
        spec = FeatureSpec.parse("avg")
        pipeline.fit(
            pipeline.load_dataset(root / "features.h5"), root / "model",
            FitOptions(head="logistic", features=spec, optimism=False),
        )  # fmt: skip
        with served(root / "model", root / "features.h5") as (port, _), Browser() as browser:
            shoot(Photographer(browser, port), root / "new")


def shoot(camera: Photographer, new: Path) -> None:
    """Go through the loop: verdict, correction, refit, history."""
    bad, good = (sorted((new / label).glob("*.jpg")) for label in ("defects", "Healthy"))
    browser = camera.browser
    for number in (3, 6, 9):
        camera.open("/", DESKTOP)
        browser.choose("#files", good[number - 3 : number])
        browser.until(SHOWN)
    for size, name, dark in ((DESKTOP, "inspect.png", False), (PHONE, "inspect-phone.png", True)):
        camera.open("/", size, dark=dark)
        browser.choose("#files", bad[:3])
        browser.until(SHOWN)
        browser.until("!document.querySelector('#heat').hidden")
        browser.until("document.querySelectorAll('#alike .card').length === 4")
        camera.keep(name, size)
    browser.click("[data-judgement=right]")
    browser.until("!document.querySelector('#kept').hidden")
    camera.open("/refit", DESKTOP)
    browser.click("#start")
    browser.until("!document.querySelector('#outcome').hidden", 120)
    camera.keep("refit.png", DESKTOP)
    camera.open("/history", DESKTOP)
    camera.keep("history.png", (DESKTOP[0], 640))


if __name__ == "__main__":
    main()
