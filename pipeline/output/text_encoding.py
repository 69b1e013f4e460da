"""Bytes of a table to text: UTF-8, UTF-16, else the code page that can be told for sure."""

from __future__ import annotations

import locale
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from features.errors import DataError
from pipeline.output.names import name_key

CODE_PAGES = ("cp932", "gb18030", "big5", "cp949", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254")
"""Which are tried: what spreadsheets save as "CSV" in Asia, Europe and Turkey."""

_WORDS = (
    "良品", "不良", "合格", "正常", "异常", "異常", "缺陷", "欠陥", "判定", "結果", "结果", "类别",
    "分類", "分类", "文件", "路径", "路徑", "图像", "圖像", "画像", "写真", "标签", "標籤",
    "ファイル", "정상", "불량", "양품", "파일", "годен", "брак", "дефект", "файл", "класс", "хорош",
)  # fmt: skip
"""Words that such tables are full of, and that no other code page makes of their bytes."""

_SIGNS = "°µ²³±§·"


class Text(NamedTuple):
    """Hold what a file says.

    Attributes:
        text: its characters; bytes that are no UTF-8 as surrogates, where names of files have them.
        note: which code page was taken and why, for a person; "" for UTF-8 and UTF-16.
    """

    text: str
    note: str = ""


def decode_text(data: bytes, file: Path, names: Iterable[str] = ()) -> Text:
    """Read text in UTF-8 with or without a mark, UTF-16, or the code page that fits for sure.

    A code page is sure where names that are known, or words that such tables are full of, appear in
    it and in no other; where it is this computer's own; or where it is western Europe's and all
    its characters are letters among Latin ones. The note says which was taken.

    Args:
        data: of the file.
        file: for messages.
        names: of photographs, which the text may hold.

    Raises:
        DataError: it is no text, or which code page it is cannot be told.
    """
    encoding = ""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in data[:64]:  # without a mark: every other byte of Latin letters is zero
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        return Text(data.decode(encoding or "utf-8-sig"))
    except UnicodeDecodeError as error:
        if encoding:
            raise DataError(
                f"{file} is no text ({error.reason}); expected a CSV file, UTF-8 or UTF-16"
            ) from error
    if data.startswith(b"\xef\xbb\xbf"):  # UTF-8 by its mark: the others are names of files
        return Text(data.decode("utf-8-sig", "surrogateescape"))
    parts = {part for name in names for part in re.split(r"[/\\]", name) if not part.isascii()}
    kept = data.decode("utf-8-sig", "surrogateescape")
    if any("\udc80" <= c <= "\udcff" for part in parts for c in part) and any(
        part in kept for part in parts
    ):
        return Text(kept)  # names of files that are no UTF-8 either: the same bytes
    return _by_code_page(data, file, parts)


def _by_code_page(data: bytes, file: Path, parts: set[str]) -> Text:
    fitting = {page: text for page in CODE_PAGES if (text := _strictly(data, page)) is not None}
    known = {name_key(part).rpartition(".")[0] or name_key(part) for part in parts} | set(_WORDS)
    hits = {page: _hits(text, known) for page, text in fitting.items()}
    best = max(hits, key=lambda page: hits[page], default="")
    rivals = {fitting[page] for page in fitting if hits[page] == hits.get(best)}
    own = locale.getencoding().lower().replace("windows-", "cp")
    if best and hits[best] and len(rivals) == 1:
        taken, why = best, "names or words that are known fit no other"
    elif own in fitting and own != "cp1252":
        taken, why = own, "as this computer writes"
    elif _western(fitting.get("cp1252", "")):
        taken, why = "cp1252", "western Europe's"
    else:
        raise DataError(_unsure(data, file, fitting))
    shown = _first_word(fitting[taken])
    return Text(
        fitting[taken],
        f"{file} is no UTF-8; it is read as {taken} ({why}), as in {shown!r}; if that is wrong, "
        "save it as UTF-8",
    )


def _strictly(data: bytes, page: str) -> str | None:
    """Decode text without a character that no text has; None where it does not fit."""
    try:
        text = data.decode(page)
    except UnicodeDecodeError:
        return None
    odd = {c for c in text if not c.isascii() and unicodedata.category(c) in ("Cc", "Co", "Cn")}
    return None if odd else text


def _hits(text: str, known: set[str]) -> int:
    """Count the known words in a text, and whether Japanese syllables follow each other."""
    key = name_key(text)
    return sum(word in key for word in known) + bool(re.search(r"[ぁ-んァ-ヶー]{2}", text))


def _western(text: str) -> bool:
    """Say whether all beyond ASCII are Latin letters, few in each word, or usual signs."""
    beyond = [c for c in text if not c.isascii()]
    words = re.findall(r"[^\W\d_]+", text)
    return (
        bool(beyond)
        and all(c in _SIGNS or unicodedata.name(c, "").startswith("LATIN") for c in beyond)
        and all(2 * sum(not c.isascii() for c in w) <= len(w) or w in "àéèÀÉ" for w in words)
        and not re.search(rf"[^\W\d_][{_SIGNS}][^\W\d_]", text)
        and not any(
            c.isupper() and not c.isascii() for w in words if not w.isupper() for c in w[1:]
        )
    )


def _first_word(text: str) -> str:
    """Give the first word with a character beyond ASCII."""
    found = re.search(r"\w*[^\W\x00-\x7f]\w*|[^\x00-\x7f]+", text)
    return found[0][:20] if found else ""


def _unsure(data: bytes, file: Path, fitting: dict[str, str]) -> str:
    at = next(number for number, byte in enumerate(data) if byte > 127)
    line = data[:at].count(b"\n") + 1
    could = ", ".join(f"{page} ({_first_word(text)!r})" for page, text in fitting.items())
    return (
        f"{file} is no UTF-8 (byte 0x{data[at]:02x} in line {line}) and could be "
        f"{could or 'nothing that is known'}; which cannot be told for sure; save it as UTF-8, in "
        "a spreadsheet as 'CSV UTF-8'"
    )
