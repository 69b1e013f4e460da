"""The page of a report: verdict first, then contents and sections; one file that loads nothing.

A report is a list of sections. Each comes from a module of `pipeline.report.sections` that takes
a typed input and gives a `Section`; what has nothing to show gives None and is left out.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from pipeline.model.bundle import versions
from pipeline.output.overwrite import SOFTWARE
from pipeline.output.wording import sentence
from pipeline.report.html import Child, Html, element, facts, join


@dataclass(frozen=True)
class Section:
    """One numbered part of a report.

    Attributes:
        anchor: its id on the page.
        title: its heading.
        body: what stands under it; headings there are h3.
    """

    anchor: str
    title: str
    body: Html


@dataclass(frozen=True)
class KeyFigure:
    """A number that the verdict rests on, what it is, and how sure it is."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Verdict:
    """Hold what a person should take away.

    Attributes:
        headline: one sentence.
        sentences: what stands behind it, and what to do.
        figures: the numbers.
        warnings: what makes all of this less trustworthy.
    """

    headline: str
    sentences: Sequence[str]
    figures: Sequence[KeyFigure]
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        title: its heading.
        about: what it is about, as names with values.
        verdict: what stands first.
        sections: None is left out.
        footer: what made it.
    """

    title: str
    about: Sequence[tuple[str, Child]]
    verdict: Verdict
    sections: Sequence[Section | None]
    footer: str

    def html(self) -> str:
        """Give the file's text. It needs no script, and forbids the browser to load anything."""
        shown = [section for section in self.sections if section is not None]
        body = element(
            "body",
            element("a", "Skip to the verdict", href="#verdict", class_="skip"),
            element(
                "header", element("p", "Onepass", class_="maker"), element("h1", self.title),
                facts(self.about, class_="about"),
            ),
            element(
                "main", _verdict(self.verdict), _contents(shown),
                [_section(number, section) for number, section in enumerate(shown, 1)],
            ),
            element("footer", element("p", self.footer)),
        )  # fmt: skip
        return f"<!DOCTYPE html>\n{element('html', _head(self.title), body, lang='en')}\n"


def _head(title: str) -> Html:
    style = Html(resources.files("pipeline.report").joinpath("style.css").read_text("utf-8"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="generator", content=SOFTWARE),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        element("style", style),
    )


def _verdict(verdict: Verdict) -> Html:
    figures = [
        element(
            "div",
            element("dt", figure.label),
            element("dd", figure.value, class_="value"),
            element("dd", figure.note, class_="note"),
        )
        for figure in verdict.figures
    ]
    weakened = [
        element("h3", "Read this before you rely on it"),
        element("ul", [element("li", sentence(warning)) for warning in verdict.warnings]),
    ]
    return element(
        "section",
        element("h2", "Verdict", id="verdict-title"),
        element("p", verdict.headline, class_="headline"),
        [element("p", sentence) for sentence in verdict.sentences],
        element("div", weakened, class_="warnings") if verdict.warnings else None,
        element("dl", figures, class_="figures") if figures else None,
        id="verdict",
        aria_labelledby="verdict-title",
        tabindex=-1,
    )


def _contents(sections: Sequence[Section]) -> Html:
    entries = [
        element("li", element("a", section.title, href=f"#{section.anchor}"))
        for section in sections
    ]
    return element("nav", element("h2", "Contents"), element("ol", entries), aria_label="Contents")


def _section(number: int, section: Section) -> Html:
    heading = f"{section.anchor}-title"
    return element(
        "section",
        element("h2", element("span", f"{number}", class_="counter"), section.title, id=heading),
        section.body,
        id=section.anchor,
        aria_labelledby=heading,
    )


def paragraphs(*texts: Child) -> Html:
    """Write each text as a paragraph; None is left out."""
    return join([element("p", text) for text in texts if text is not None])


def page_text(
    title: str,
    about: Sequence[tuple[str, Child]],
    verdict: Verdict,
    sections: Sequence[Section | None],
) -> str:
    """Give the file's text of a whole report, with what made it and when; see `Page`."""
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    footer = (
        f"Made by Onepass {versions().get('onepass', 'from a checkout')} on {now}. "
        "This file is complete: it loads nothing from anywhere and runs no script."
    )
    return Page(title, [*about, ("made", now)], verdict, sections, footer).html()
