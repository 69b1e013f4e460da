"""Reports as a browser shows them: nothing asked from outside, nothing complained of, legible."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import toy  # noqa: F401 - registers the toy backbone
from browser import CHROMIUM, Browser
from models import write_parts
from PIL import Image

import pipeline
from features.backbones.registry import BACKBONES

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium (Debian's package chromium)"
)
DESKTOP, PHONE = 1280, 390

# Every text of the page with too little contrast to what is behind it (WCAG 2.2, 1.4.3).
TOO_FAINT = """
(() => {
  const numbers = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = numbers(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const colour = e.closest('svg') ? style.fill : style.color;
    const [a, b] = [light(numbers(colour)), light(behind(e))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24;
    if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) found.push(e.outerHTML.slice(0, 100));
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give a report of each kind, of drawn parts, one of them with a name to break pages."""
    root = tmp_path_factory.mktemp("reports")
    folder = write_parts(root / "data")
    evil = "<img src='http://203.0.113.1/x.png'><script>alert(1)</script>".replace("/", "∕")
    (folder / "defects" / f"{evil}.png").write_bytes(b"nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
        cache = root / "features.h5"
        rule = pipeline.GroupRule("regex", r"part-(\d+)")
        pipeline.extract_folder(
            folder, cache, pipeline.ExtractOptions(weights="random", group_rule=rule)
        )
        dataset = pipeline.load_dataset(cache)
        done = pipeline.fit(dataset, root / "model", pipeline.FitOptions(head="logistic"))
        done.head._history = [{"loss": 1 / n, "accuracy": 1 - 0.3 / n} for n in range(1, 9)]
        found = pipeline.compare_heads(
            dataset,
            root / "c",
            pipeline.CompareOptions(heads=["lda", "majority"], folds=2, repeats=1, jobs=1),
        )
        bundle = pipeline.load_bundle(root / "model")
        pages = {
            "fit": pipeline.fit_report(dataset, done),
            "comparison": pipeline.comparison_report(dataset, found),
            "evaluation": pipeline.evaluation_report(
                bundle, pipeline.evaluate_holdout(bundle, cache)
            ),
        }
    return {
        name: pipeline.write_report(root / f"{name}.html", page) for name, page in pages.items()
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests here."""
    with Browser() as running:
        yield running


def look(browser: Browser, report: Path, width: int, dark: bool) -> None:
    """Open a report; everything in it is legible, and it does not scroll sideways."""
    browser.open(report, width=width, dark=dark)
    page = "document.documentElement"
    assert browser.evaluate(f"{page}.scrollWidth <= {page}.clientWidth")
    assert browser.evaluate(TOO_FAINT) == []


@pytest.mark.parametrize("name", ["fit", "comparison", "evaluation"])
def test_nothing_is_asked_for_and_nothing_complained_of(
    browser: Browser, reports: dict[str, Path], name: str
) -> None:
    """On desktop and phone, light and dark: only the file itself, and no error is logged."""
    browser.requests.clear()
    browser.complaints.clear()
    look(browser, reports[name], DESKTOP, dark=False)
    look(browser, reports[name], PHONE, dark=True)
    assert set(browser.requests) == {reports[name].resolve().as_uri()}
    assert browser.complaints == []


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_looked_at(
    browser: Browser, reports: dict[str, Path], width: int, dark: bool
) -> None:
    """Screenshots, beside the report for who wants to see them: light is light, dark is dark."""
    look(browser, reports["fit"], width, dark)
    shot = reports["fit"].with_name(f"fit-{width}-{'dark' if dark else 'light'}.png")
    shot.write_bytes(browser.screenshot())
    with Image.open(shot) as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.shape[0] > 2000
    assert (np.median(pixels) < 60) == dark


def test_it_prints(browser: Browser, reports: dict[str, Path]) -> None:
    """Some pages of A4, on white whatever the screen shows, with the tables that are folded."""
    browser.open(reports["fit"], width=DESKTOP, dark=True)
    pdf = browser.pdf()
    reports["fit"].with_suffix(".pdf").write_bytes(pdf)
    assert pdf.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 16
    height = "document.querySelector('details table').getBoundingClientRect().height"
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.evaluate(f"document.querySelector('details').open ? 0 : {height}") > 50
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


def test_a_page_that_asks_is_found_out(browser: Browser, tmp_path: Path) -> None:
    """The check can fail: a picture from elsewhere is seen, and the reports' policy stops it."""
    picture = "<img alt='x' src='http://203.0.113.1/x.png'>"
    for policy, seen in (("", "requests"), ("default-src 'none'", "complaints")):
        browser.requests.clear()
        browser.complaints.clear()
        page = tmp_path / "page.html"
        page.write_text(f'<meta http-equiv="Content-Security-Policy" content="{policy}">{picture}')
        browser.open(page, width=DESKTOP)
        assert any("203.0.113.1" in text for text in getattr(browser, seen))


def test_the_keyboard_gets_everywhere(browser: Browser, reports: dict[str, Path]) -> None:
    """The first Tab shows a link past the head; what has the focus is outlined."""
    browser.open(reports["fit"], width=DESKTOP)
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab",
                     windowsVirtualKeyCode=9)  # fmt: skip
    assert browser.evaluate("document.activeElement.className") == "skip"
    assert browser.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_it_works_without_scripts(browser: Browser, reports: dict[str, Path]) -> None:
    """With scripts switched off a table still unfolds at a click."""
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(reports["fit"], width=DESKTOP)
        closed = browser.evaluate("document.documentElement.scrollHeight")
        x, y = browser.evaluate(
            "(() => { const s = document.querySelector('summary'); s.scrollIntoView();"
            " const r = s.getBoundingClientRect(); return [r.x + 5, r.y + 5]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            browser.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )
        assert browser.evaluate("document.documentElement.scrollHeight") > closed
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
