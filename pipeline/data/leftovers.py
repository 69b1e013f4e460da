"""Tell folders that hold no verdict: put aside, not judged yet, thrown away, made by programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from pipeline.data.class_words import is_defective, is_healthy, says_bad_alone, without_number
from pipeline.output.names import name_key, typed

_WAITING = (  # in some factories these are the rejected parts
    r"review|(?:re|nach|noch ?mal|nochmals|double)[-_ ]?(?:check|inspect|test|prüf\w*|pruef\w*|"
    r"kontroll\w*)|(?:on )?hold|quarantin\w*|karantina|quarentena|gesperrt|sperrlager|aussortiert|"
    r"trash|junk|garbage|rubbish|discard(?:ed)?|deleted?|removed?|recycle(?: bin)?|wastebasket|"
    r"papierkorb|müll|muell|abfall|gelöscht|geloescht|poubelle|corbeille|cestino|spazzatura|"
    r"papelera|basura|lixo|lixeira|prullenbak|papperskorg|skräp|papirkurv|søppel|kosz|śmieci|koš|"
    r"çöp|мусор|корзина|垃圾桶?|回收站|废弃|ゴミ箱?|保留|휴지통|보류"
)
_UNJUDGED = (
    r"un(?:sure|clear|known|certain|decided|defined|determined|identified|label+ed|sorted|"
    r"classified|annotated|tagged|assigned|approved|categori[sz]ed|checked|reviewed|verified|inspected|"
    r"rated|graded|named)|undetermined|not? (?:sure|label+ed|sorted|classified|checked|verified)|"
    r"to ?(?:do|check|review|label|sort|verify|inspect|decide|annotate|classify)|"
    r"(?:needs?|please) ?(?:check|review|label)\w*|doubt(?:s|ful)?|dubious|ambiguous|uncertainty|"
    r"maybe|perhaps|questions?|questionable|borderline|pending|tbd|tbc|skip(?:ped)?|ignored?|"
    r"excluded?|te?mp|misc|results?|pred(?:ict(?:ions?)?)?|inference|outputs?|n ?a|nan|null|"
    r"unsicher|unklar|unbekannt|unsortiert|unbewertet|ungepr(?:ü|ue)ft|ungelabelt|unbestimmt|"
    r"nicht (?:sortiert|bewertet|gepr(?:ü|ue)ft|klar|sicher)|fraglich|zweifel\w*|"
    r"grenzf(?:ä|ae)lle?|offen|"
    r"(?:zu |noch )*(?:pr(?:ü|ue)fen|kl(?:ä|ae)ren|kontrollieren|sortieren|bewerten)|"
    r"incertain\w*|inconnu\w*|douteu\w+|en attente|non (?:classé|trié|vérifié|étiqueté)\w*|"
    r"[àa] (?:vérifier|verifier|trier|revoir|contrôler|controler|classer|étiqueter)|"
    r"incert[oiae]|sconosciut\w|dubbi\w?|da (?:verificare|controllare|rivedere|classificare)|"
    r"in attesa|incierto?s?|desconocid\w+|dudos\w+|pendientes?|"
    r"(?:por|a|para) (?:verificar|revisar|clasificar|classificar|comprobar)|"
    r"sin (?:clasificar|etiquetar|revisar)|desconhecid\w+|duvidos\w+|pendentes?|"
    r"onzeker|onbekend|onduidelijk|twijfel\w*|te (?:controleren|bekijken|sorteren)|"
    r"niepewn\w+|nieznan\w+|wątpliw\w+|do sprawdzenia|os(?:ä|a)ker|okänd|oklar|usikker|ukendt|"
    r"ukjent|uklar|nejist\w+|neznám\w+|ke kontrole|belirsiz|bilinmeyen|kontrol edilecek|"
    r"неизвестн\w+|неясн\w+|сомнит\w+|спорн\w+|(?:на )?провер(?:ить|ку)|не ?разобран\w+|"
    r"не ?размечен\w+|未知|不明|不确定|待(?:定|检|检查|确认|复核|分类|判定?)|疑似|可疑|"
    r"未(?:分类|標注|标注|検査|判定|分類|確認|确认|整理)|要確認|미분류|미정|미확인|확인필요|재검"
)
_BESIDE = (
    r"images?|imgs?|photos?|pictures?|parts?|data|samples?|files?|folder|bilder|fotos|teile|"
    r"later|again|manually|please|still|noch|old|new|alt|neu|\d+"
)
_NO_VERDICT = re.compile(
    rf"(?:{_WAITING}|{_UNJUDGED})(?: ?(?:{_BESIDE}|{_WAITING}|{_UNJUDGED}))*|(?!.*\w).*"
)
_MAY_BE_REJECTED = re.compile(rf"(?:{_WAITING})(?: ?(?:{_BESIDE}))*")
_VERDICTS = is_healthy, is_defective, says_bad_alone


def is_undecided(name: str) -> bool:
    """Say whether the whole name of a folder says that its photographs have no verdict.

    Example:
        >>> [is_undecided(name) for name in ("3_unsure_2", "à vérifier", "?", "odd stain", "ok")]
        [True, True, True, False, False]
    """
    return bool(_NO_VERDICT.fullmatch(_words(name)))


def leftovers(level: Iterable[str], meant: frozenset[str]) -> list[str]:
    """List the folders beside good ones that are no class: unsure, todo, results.

    Beside good alone, what waits for a review or was thrown away may well be what was rejected.

    Example:
        >>> leftovers(["NG", "OK", "unsure"], frozenset()), leftovers(["a", "unsure"], frozenset())
        (['unsure'], [])
        >>> leftovers(["OK", "trash"], frozenset())
        []
    """
    names = sorted(level)
    found = [name for name in names if name_key(name) not in meant and is_undecided(name)]
    others = [name for name in names if name not in found]
    if len(others) == 1:
        found = [name for name in found if not _MAY_BE_REJECTED.fullmatch(_words(name))]
    return found if any(map(is_healthy, others)) else []


def set_aside(labels: Sequence[str], meant: frozenset[str], notes: list[str]) -> list[str]:
    """Take the class from photographs whose class is none; say it in `notes`.

    Args:
        labels: class of each photograph; "" for none.
        meant: keys of names that a person called classes.
        notes: what a person should know is appended.
    """
    level = sorted({label for label in labels if label})
    left = leftovers(level, meant)
    if meant.isdisjoint(map(name_key, level)):  # else somebody said which are classes
        notes += say_leftovers(left, level)
    return ["" if label in left else label for label in labels]


def say_leftovers(left: Sequence[str], level: Iterable[str]) -> Iterator[str]:
    """Say which folders are taken for no classes, and which for some, though they may be none.

    Args:
        left: of `leftovers`.
        level: the names of all folders where classes stand.
    """
    names = sorted(level)
    if left:
        yield (
            f"photographs of {', '.join(left)} are taken for ones without a class; if "
            f"{'it is one' if len(left) == 1 else 'these are classes'}: --classes {typed(*names)}"
        )
    taken = doubtful(left, names)
    if taken:
        rest = [name for name in names if name not in (*taken, *left)]
        many = len(taken) > 1
        yield (
            f"{', '.join(taken)} {'say' if many else 'says'} neither good nor bad, and "
            f"{'are' if many else 'is'} taken for {'classes' if many else 'a class'}; if "
            f"{'they are none' if many else 'it is none'}: --classes {typed(*rest)}"
        )
    for what, says in (("good", is_healthy), ("bad", says_bad_alone)):
        alike = [name for name in names if name not in left and says(without_number(name))]
        if len(alike) > 1:
            yield (
                f"{', '.join(alike)} all say {what}, and are taken for {len(alike)} classes; if "
                "they are one, call them the same, or put their folders, as they are, into one"
            )


def doubtful(left: Sequence[str], level: Iterable[str]) -> list[str]:
    """List the classes that may be none: beside good and a plain bad, what says neither.

    Example:
        >>> doubtful([], ["NG", "OK", "rework"]), doubtful([], ["OK", "crack", "rework"])
        (['rework'], [])
    """
    names = [name for name in sorted(level) if name not in left]
    if any(map(is_healthy, names)) and any(map(says_bad_alone, names)):
        return [name for name in names if not any(says(name) for says in _VERDICTS)]
    found = [name for name in names if is_undecided(name)]
    return found if len(names) - len(found) > 1 else []


def _words(name: str) -> str:
    cut = name if name_key(name) == "nan" else re.sub(r"(?<=[a-zà-ÿ])(?=[A-Z])", " ", name)
    return re.sub(r"^\d+ (?=\D)", "", re.sub(r"[-_ ./]+", " ", name_key(cut)).strip())
