"""Names that look equal are equal: folders, classes, cells of tables and options share one key."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"""[\s,;&|<>()*?!#'`$\[\]{}~]""")
_NO_WORD = re.compile(r"""[\s;&|<>()*?!#'"`$\[\]{}\\%^]|^[~@=]""")  # for some shell
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\u00ad"))


def name_key(name: str) -> str:
    """Give what two names have in common that a person takes for one.

    Spaces around it and runs of spaces, characters that nobody sees, Unicode's composed and
    decomposed forms (a Mac's é and a keyboard's) and letter case do not tell names apart. Letter
    case is Unicode's (`str.casefold`), the same in every country. Bytes that are no UTF-8 stay.

    Example:
        >>> name_key(" Part\u00a0 7") == name_key("part 7")
        True
    """
    composed = unicodedata.normalize("NFC", name.translate(_INVISIBLE))
    return unicodedata.normalize("NFC", " ".join(composed.split()).casefold())


def tidy_name(name: str) -> str:
    """Give the spelling to show and to keep: composed, without spaces around it."""
    return unicodedata.normalize("NFC", name).strip() or name


def one_spelling(names: Iterable[str]) -> dict[str, str]:
    """Map every spelling to the most frequent one of its key (of equals, the first), tidied.

    Example:
        >>> one_spelling(["OK", "ok ", "OK"])
        {'OK': 'OK', 'ok ': 'OK'}
    """
    counts = Counter(names)
    kept: dict[str, str] = {}
    for name, _ in counts.most_common():
        kept.setdefault(name_key(name), tidy_name(name))
    return {name: kept[name_key(name)] for name in counts}


def merged_spellings(spelling: dict[str, str]) -> list[str]:
    """List the spellings that were taken for one: "'Part 7' (also 'part 7 ')", a text for each."""
    forms: dict[str, list[str]] = {}
    for name, kept in spelling.items():
        forms.setdefault(kept, []).append(name)
    return [
        f"{kept!r} (also {', '.join(repr(name) for name in sorted(names) if name != kept)})"
        for kept, names in forms.items()
        if len(names) > 1
    ]


def split_names(text: str | None) -> list[str] | None:
    """Cut names with commas between them; a name with a comma may stand in double quotes.

    Example:
        >>> split_names('Crack, "scratch, deep"')
        ['Crack', 'scratch, deep']
    """
    if not text:
        return None
    found, inside, current = [], False, ""
    for character in text:
        if character == '"':
            inside = not inside
        elif character == "," and not inside:
            found.append(current)
            current = ""
        else:
            current += character
    return [name.strip() for name in (*found, current) if name.strip()]


def typed(*names: str) -> str:
    """Write names as they are typed after an option, with commas between them.

    Double quotes mean the same in every shell, and `match_names` puts together what was cut at a
    comma in a name.

    Example:
        >>> typed("OK", "scratch, deep", "n.i.O.")
        'OK,"scratch, deep",n.i.O.'
    """
    return ",".join(f'"{name}"' if _SPECIAL.search(name) else name for name in names)


def command_line(words: Iterable[str]) -> str:
    r"""Write a command so that every shell takes it, that of Windows, too.

    Single quotes are none to cmd.exe, so they stand only where double ones would not hold a word.

    Example:
        >>> print(command_line(["onepass", "extract", "my data", "--group-regex", r"part-(\d+)"]))
        onepass extract "my data" --group-regex "part-(\d+)"
    """
    return " ".join(map(_word, words))


def _word(word: str) -> str:
    if word and not _NO_WORD.search(word):
        return word
    doubled = "\\\\" in word and os.name != "nt"  # a share's name in Windows begins so
    if re.search(r'["`$!]', word) or word.endswith("\\") or doubled:
        return shlex.quote(word)
    return f'"{word}"'


def match_names(wanted: Sequence[str], known: Sequence[str]) -> tuple[list[str], list[str]]:
    """Find known names by what a person typed; neighbours are put together where a name has commas.

    Args:
        wanted: as typed, cut at commas.
        known: the names that there are.

    Returns:
        The known names, and what fits none of them.

    Example:
        >>> match_names(["scratch", "deep", "ok"], ["OK", "scratch, deep"])
        (['scratch, deep', 'OK'], [])
    """
    exact = {name: name for name in known}
    by_key = {_joined(name): name for name in known}
    found: list[str] = []
    unknown: list[str] = []
    at = 0
    while at < len(wanted):
        for end in range(len(wanted), at, -1):
            text = ",".join(wanted[at:end])
            name = exact.get(text, by_key.get(_joined(text)))
            if name is not None:
                found.append(name)
                at = end
                break
        else:
            unknown.append(wanted[at])
            at += 1
    return list(dict.fromkeys(found)), unknown


def _joined(name: str) -> str:
    """Give the key, with the spaces around commas left out."""
    return ",".join(part.strip() for part in name_key(name).split(","))
