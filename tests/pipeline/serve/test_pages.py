"""The pages in a real Chromium, as an inspector uses them: by keys, by finger, dark and light."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from models import write_parts

import pipeline
from pipeline.line.corrections import Correction, Inbox, model_fingerprint

pytest.importorskip("uvicorn", reason="needs the extra serve")
pytest.importorskip("fcntl", reason="the tests speak to Chromium over pipes of POSIX")
from browser import CHROMIUM, Browser
from serving import Service, serving

from pipeline.serve import labelling

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

PAGES = ("/", "/next", "/data", "/refit", "/history")
READY = "document.body.dataset.ready === 'yes'"
SHOWN = "!document.querySelector('#result').hidden"
HELD = "!document.querySelector('#kept').hidden"
DESKTOP, PHONE = (1280, False), (390, True)  # width, dark


@pytest.fixture(scope="module")
def service(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(line, folder, dirs_exist_ok=True)
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture
def part(tmp_path: Path) -> list[Path]:
    """Three photographs of a defective part that nobody has seen."""
    return sorted((write_parts(tmp_path, parts=1, first=300) / "defects").glob("*.png"))


def text(browser: Browser, selector: str) -> str:
    return str(browser.evaluate(f"document.querySelector('{selector}').textContent"))


def check_quiet(browser: Browser, service: Service) -> None:
    """Nothing was asked of another computer, and the browser had nothing to complain of."""
    own = (service.url + "/", f"blob:{service.url}/")
    assert [url for url in browser.requests if not url.startswith(own)] == []
    assert browser.complaints == []


@pytest.mark.parametrize(("width", "dark"), [DESKTOP, PHONE])
def test_every_page_fits_and_is_quiet(
    service: Service, browser: Browser, width: int, dark: bool
) -> None:
    """Nothing is wider than the screen, what is pressed is large enough for a glove."""
    for page in (*PAGES, "/api", "/login"):
        browser.open(service.url + page, width=width, dark=dark)
        if page != "/api":
            browser.until(READY)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width, page
        colour = browser.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (colour == "rgb(16, 19, 22)") is dark
        small = browser.evaluate(
            "[...document.querySelectorAll('button, .big, nav a')].filter(e => e.offsetParent)"
            ".filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )
        assert small == [], page
        unnamed = browser.evaluate(
            "[...document.querySelectorAll('button, input, a, textarea')]"
            ".filter(e => !e.hidden && !(e.textContent.trim() || e.ariaLabel || e.labels?.length))"
            ".map(e => e.outerHTML)"
        )
        assert unnamed == [], page
    check_quiet(browser, service)


def test_by_keys_drop_verdict_correct_undo(
    service: Service, browser: Browser, part: list[Path]
) -> None:
    """A part is dropped, judged, corrected, taken back and corrected again without a mouse."""
    browser.open(service.url + "/", width=1280)
    browser.until(READY)
    browser.drop("#capture", part)
    browser.until(SHOWN)
    assert text(browser, "#word") == "REJECT"
    assert "3 photographs" in text(browser, "#sub")
    assert "≥" in text(browser, "#said")
    browser.until("!document.querySelector('#heat').hidden")
    browser.until("document.querySelectorAll('#alike .card').length === 4")
    shown = "document.querySelector('#views [aria-pressed=true]').title"
    assert browser.evaluate(shown) == part[0].name
    inbox = Inbox(service.folder / "inbox")
    before = {one.id for one in inbox.corrections()}

    def said() -> list[Correction]:
        return [one for one in inbox.corrections() if one.id not in before]

    browser.press("w")
    browser.until(HELD)
    assert [one.label for one in said()] == ["Healthy"]
    browser.press("z")
    browser.until("document.querySelector('#kept').hidden")
    assert said() == []
    browser.press("u")
    browser.until(HELD)
    assert [one.judgement for one in said()] == ["unsure"]
    browser.press("z")
    browser.until("document.querySelector('#kept').hidden")
    browser.press("r")
    browser.until(HELD)
    assert [one.label for one in said()] == ["defects"]
    browser.press("n")
    browser.until("!document.querySelector('#capture').hidden")
    check_quiet(browser, service)


def test_on_a_phone_camera_each_part_and_another_view(
    service: Service, browser: Browser, part: list[Path]
) -> None:
    """The camera's photograph is judged; a second view joins it; several parts become a list."""
    browser.open(service.url + "/", width=390, dark=True)
    browser.until(READY)
    browser.choose("#camera", part[:1])
    browser.until(SHOWN)
    assert "1 photograph" in text(browser, "#sub")
    browser.choose("#camera", part[1:2])
    browser.until("document.querySelector('#sub').textContent.includes('2 photographs')")
    browser.click("#next-part")
    browser.click("input[value=each] + span")
    browser.choose("#files", part)
    browser.until("document.querySelectorAll('#list .row').length === 3")
    browser.click("#list .row:nth-child(3)")
    browser.until(f"document.querySelector('#sub').textContent.includes('{part[2].name}')")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    browser.evaluate("localStorage.clear()")
    check_quiet(browser, service)


def test_refit_use_and_bring_back(service: Service, browser: Browser, part: list[Path]) -> None:
    """The new model is compared, used because a person says so, and the old one comes back."""
    model = service.folder / "model"
    before = model_fingerprint(model)
    browser.open(service.url + "/", width=390, dark=True)
    browser.until(READY)
    browser.choose("#files", part)
    browser.until(SHOWN)
    browser.until("document.querySelectorAll('#alike .card').length === 4")
    browser.click("[data-judgement=right]")
    browser.until(HELD)
    browser.open(service.url + "/refit", width=390, dark=True)
    browser.until(READY)
    browser.click("#start")
    browser.until("!document.querySelector('#outcome').hidden", 60)
    assert browser.evaluate("document.querySelectorAll('#tables .panel').length") == 2
    report = browser.evaluate("document.querySelector('#report:not([hidden])').href")
    assert model_fingerprint(model) == before
    browser.click("#use")
    browser.until(f"!document.querySelector('footer').textContent.includes('{before}')")
    after = model_fingerprint(model)
    assert after != before
    browser.until(f"document.querySelector('#models .active').textContent.includes('{after}')")
    back = "#models .row:not(.active) button"
    browser.click(back)
    assert model_fingerprint(model) == after
    browser.click(back)
    browser.until(f"document.querySelector('footer').textContent.includes('{before}')")
    assert model_fingerprint(model) == before
    browser.open(report, width=390, dark=True)  # whole, with its style, and without a script
    assert text(browser, "h1").startswith("Model report: ")
    assert ":" not in text(browser, "h1").removeprefix(
        "Model report: "
    )  # what it sees stands below
    assert browser.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    check_quiet(browser, service)


def test_next_data_and_history(service: Service, browser: Browser, part: list[Path]) -> None:
    """A question is answered with a key; photographs are put to another part; an old verdict."""
    write_parts(service.folder / "inbox" / "unlabelled", parts=2, first=400)
    service.predict((part[0].name, part[0].read_bytes()))  # there is an old verdict
    browser.open(service.url + "/next", width=1280)
    browser.until(READY)
    browser.click("#start")
    browser.until("!document.querySelector('#question').hidden", 60)
    inbox = Inbox(service.folder / "inbox")
    count = len(inbox.corrections())
    browser.press("1")
    browser.until("document.querySelector('#at').textContent.startsWith('2 ')")
    assert len(inbox.corrections()) == count + 1
    browser.press("z")
    browser.until("document.querySelector('#at').textContent.startsWith('1 ')")
    assert len(inbox.corrections()) == count

    browser.open(service.url + "/data", width=1280)
    browser.until(READY)
    browser.click("#parts .group:nth-child(1) .thumb")
    browser.press("m")
    browser.click("#parts .group:nth-child(2) header button")
    browser.until("document.querySelector('#parts .group:nth-child(2) .thumb.moved')")
    browser.click("#save")
    browser.until("!document.querySelector('#apply').hidden")
    assert (service.folder / "inbox" / "data-groups.csv").is_file()

    browser.open(service.url + "/history", width=1280)
    browser.until(READY)
    browser.click("#latest button.row")
    browser.click("#latest .choices button")
    browser.until(f"document.querySelectorAll('#corrections .row').length >= {count}")
    check_quiet(browser, service)


FOCUS = """(() => {
  const e = document.activeElement, box = e.getBoundingClientRect();
  const drawn = [e, e.nextElementSibling].some(
    (one) => one && getComputedStyle(one).outlineStyle !== 'none');
  return [e.className || e.id || e.tagName, drawn, box.bottom > 0 && box.top < innerHeight];
})()"""


def test_every_stop_of_the_tab_key_is_seen(service: Service, browser: Browser) -> None:
    """The first skips to the content, each has a ring, none is scrolled away."""
    for page in PAGES:
        browser.open(service.url + page, width=1280, dark=True)
        browser.until(READY)
        browser.press("Tab")
        assert browser.evaluate(FOCUS) == ["skip", True, True], page
        for _ in range(25):
            browser.press("Tab")
            if browser.evaluate("document.activeElement === document.body"):
                break
            name, drawn, seen = browser.evaluate(FOCUS)
            assert (drawn, seen) == (True, True), f"{page}: {name}"
    browser.open(service.url + "/", width=1280)
    browser.until(READY)
    browser.press("Tab")
    browser.press("Enter")
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.id") == "camera-label"
    check_quiet(browser, service)


@pytest.mark.parametrize(("width", "dark"), [DESKTOP, PHONE])
def test_labels_in_doubt_fit(
    service: Service, browser: Browser, monkeypatch: pytest.MonkeyPatch, width: int, dark: bool
) -> None:
    """Long names and a button for each class, on a phone too; a press is an answer."""
    rows = pipeline.load_dataset(service.folder / "features.h5").table_rows[:3]
    doubted = [
        SimpleNamespace(path=row.path, given=row.label, p_given=0.1, suggested="x", p_suggested=0.9)
        for row in rows
    ]
    found = SimpleNamespace(labels=SimpleNamespace(suspects=doubted), notes=[])
    monkeypatch.setattr(labelling, "audit_dataset", lambda *_args, **_more: found)
    browser.open(service.url + "/data", width=width, dark=dark)
    browser.until(READY)
    browser.click("#suspects-start")
    browser.until("document.querySelectorAll('#suspects .row').length === 3")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    names = "[...document.querySelectorAll('#suspects .grow')].map(e => e.clientWidth)"
    assert min(browser.evaluate(names)) >= 120
    browser.click("#suspects button")
    browser.until("document.querySelectorAll('#suspects .row').length === 2")
    assert browser.evaluate("document.activeElement.closest('#suspects') !== null")
    (made,) = [one for one in Inbox(service.folder / "inbox").corrections() if one.model == "audit"]
    assert made.judgement == "right"
    Inbox(service.folder / "inbox").undo(made.id)
    check_quiet(browser, service)


def test_many_parts_by_keys(service: Service, browser: Browser, part: list[Path]) -> None:
    """The next part comes with a key, what was said of each stays, and the list has arrows."""
    browser.open(service.url + "/", width=1280)
    browser.until(READY)
    browser.evaluate("document.querySelector('input[value=each]').click()")
    browser.choose("#files", part)
    browser.until("document.querySelectorAll('#list .row').length === 3")
    assert browser.evaluate("document.querySelector('#add-view').hidden")  # it would end the list
    wide = "document.querySelector('{}').getBoundingClientRect().width"
    assert browser.evaluate(f"{wide.format('#next-part')} > 0.9 * {wide.format('#result .foot')}")
    shown = "[...document.querySelectorAll('#list .row')].findIndex(e => e.ariaPressed === 'true')"
    browser.press("r")
    browser.until(HELD)
    browser.press("n")
    assert browser.evaluate(shown) == 1
    assert browser.evaluate("document.querySelector('#kept').hidden") is True
    browser.evaluate("document.querySelectorAll('#list .row')[1].focus()")
    browser.press("ArrowDown")
    assert browser.evaluate(shown) == 2
    browser.press("ArrowUp")
    browser.press("ArrowUp")
    assert browser.evaluate(shown) == 0
    browser.until(HELD)  # what was said of it
    browser.press("z")
    browser.until("document.querySelector('#kept').hidden")
    for _ in range(3):
        browser.press("n")
    assert browser.evaluate("document.querySelector('#capture').hidden") is False
    browser.evaluate("localStorage.clear()")
    check_quiet(browser, service)


def test_parts_are_merged_and_split_by_keys(service: Service, browser: Browser) -> None:
    """Arrows, Space, M, arrows, Enter; S; Escape: the keyboard's place is never lost."""
    browser.open(service.url + "/data", width=1280)
    browser.until("document.querySelectorAll('#parts .thumb').length > 20")
    place = (
        "(() => { const e = document.activeElement.closest('.group');"
        " return [...document.querySelectorAll('#parts .group')].indexOf(e); })()"
    )
    browser.evaluate("document.querySelector('#parts .thumb').focus()")
    browser.press("ArrowRight")
    browser.press("ArrowDown")
    assert browser.evaluate(place) == 1
    browser.press(" ")
    name = browser.evaluate("document.activeElement.title")
    browser.press("m")
    browser.press("ArrowDown")
    browser.press("ArrowDown")
    assert browser.evaluate(place) == 2
    browser.press("Enter")
    browser.until("document.querySelectorAll('#parts .thumb.moved').length === 1")
    assert browser.evaluate(place) == 2
    assert browser.evaluate("document.activeElement.title") == name
    browser.press("ArrowUp")
    browser.press(" ")
    browser.press("m")
    browser.press("Escape")
    assert browser.evaluate("document.activeElement.ariaPressed") == "true"
    browser.press("s")
    browser.until("document.querySelectorAll('#parts .thumb.moved').length === 2")
    assert browser.evaluate(place) == 0  # a part of its own stands first
    browser.press("v")
    browser.until("document.activeElement.id === 'apply'")
    table = (service.folder / "inbox" / "data-groups.csv").read_text("utf-8-sig")
    assert name in table
    check_quiet(browser, service)
