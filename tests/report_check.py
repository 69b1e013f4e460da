"""What every report must be: well-formed, complete in itself, and readable by everybody."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser

from pipeline.data.classes import Classes

BINARY = Classes(("Free", "Crack"), {"Free": 0, "Crack": 1})


def plain(markup: str) -> str:
    """Give the words of markup."""
    markup = re.sub("</?(bdi|wbr)[^>]*>|<style>.*?</style>", "", markup, flags=re.DOTALL)
    return " ".join(unescape(re.sub("<[^>]*>", " ", markup)).replace("\u00a0", " ").split())


VOID = {"br", "img", "link", "meta", "wbr"}


class _Checker(HTMLParser):
    """Walks a page and notes what is wrong with it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.wanted: set[str] = set()
        self.headings: list[int] = []
        self.images = 0
        self.style = ""
        self.policy = ""
        self.lang: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"{tag} has an attribute twice"
        assert tag not in {"script", "iframe", "object", "embed", "form", "base"}, tag
        for key, value in given.items():
            assert not key.startswith("on"), f"{tag} has {key}"
            assert key != "style", f"{tag} has a style of its own, which the policy forbids"
            if key in {"src", "href", "srcset", "action", "poster", "data", "xlink:href"}:
                assert (value or "").startswith(("#", "data:")), f"{tag} loads {value}"
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self.wanted |= set((given.get("aria-labelledby") or "").split())
        if tag == "a":
            self.wanted.add(str(given["href"]).removeprefix("#"))
        if tag == "img":
            self.images += 1
            assert given.get("alt"), "a picture without words"
            assert given.get("width"), "a picture without a size"
        if tag == "th":
            assert given.get("scope") in {"row", "col"}, "a header that heads nothing"
        if tag == "svg":
            assert given.get("aria-hidden") == "true" or given.get("role") == "img"
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "html":
            self.lang = given.get("lang")
        if tag == "meta" and given.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(given["content"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> ends nothing"
        last = self.open.pop()
        assert last == tag, f"<{last}> is ended by </{tag}>"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data


def check_page(text: str) -> _Checker:
    """Assert that a page is well-formed, loads nothing, and has words for every picture."""
    text.encode("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    page = _Checker()
    page.feed(text)
    page.close()
    assert not page.open, f"never ended: {page.open}"
    assert page.lang == "en"
    assert len(page.ids) == len(set(page.ids)), "an id stands twice"
    assert page.wanted <= set(page.ids), f"points nowhere: {page.wanted - set(page.ids)}"
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert all(after - before <= 1 for before, after in steps), "a heading skips a level"
    assert not re.search(r"url\(|@import|https?:", page.style), "the style loads something"
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.policy
    assert page.policy.startswith("default-src 'none'")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    return page
