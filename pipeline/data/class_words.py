"""Read names of folders: which mean a good part, a defective one, or a part of a split."""

from __future__ import annotations

import re

from pipeline.output.names import name_key

_WORDS = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

_GOOD = (  # at the beginning of a word; what begins other words (okt, goodyear, freeze) is whole
    r"healthy|ok(?:ay|e|s|teile?|parts?)?(?![^\W\d_]*[a-zà-ÿ])|good(?:s|parts?)?(?![^\W\d_])|"
    r"free(?:of)?(?![^\W\d_])|normal(?!i[sz])|intact|intakt|undamaged|flawless|gesund|in ordnung|"
    r"годен|годн|исправн|норм|хорош|"
    r"perfect|fresh|godkän|goedgekeurd|dobr|sağlam|saglam|"
    r"(?:gut|gute|guter|gutes|gutteile?|io|pass|passed|accept|accepted|approved|clean|"
    r"conform(?:es?|i|ing)?|apro[bv]ad[oa]s?|"
    r"bon(?:ne)?s?|buen[oa]s?|buon[oaie]|boas?|bom|sain|goede?|bra)(?![^\W_])"
)
_BAD = (
    r"defect|defective|defekt|defaut|difett|fault|fail|bad|nok|broken|break|damag|crack|scratch|"
    r"anomal|abnormal|reject|schlecht|fehler|ausschuss|flaw|dent|hole|rust|stain|scrap|"
    r"брак|дефект|негодн|неисправн|плох|трещин|царапин|"
    r"reprovad|rechazad|disapprov|ng品|rott|defeit|wadliw|zmet|hatal|afgekeurd|underkän|mauvais|rebut|scart|"
    r"(?:ng|ko|nio|bads|def)(?![^\W_])"
)
_NO = (  # the last line stands apart: neko, Wong
    r"(?:(?:not|no|non|un|never|nicht|kein|keine|without|w o|ohne|sans|sin|senza|zero|"
    r"не|без)[-_ ]*|"
    r"(?:niet|ej|ei|icke|inte|ikke|uden|utan|zonder|pas|não|nao|sem|nie|ne|není|bez|wo|n)[-_ ]+)"
)
_FALSE = re.compile(  # a false reject is a good part, and a false ok a bad one
    rf"(?<![^\W\d_])(?:false|falsche?[rs]?|pseudo|faux|fausse|falso|falsa)[-_ ]*(?:{_GOOD}|{_BAD})"
)
_NO_SIGNS = re.compile("[非不未](?:合格|良品|正常)")
_NONE_SIGNS = re.compile(
    "(?:无|無|没有)(?:异常|異常|缺陷|不良|瑕疵)|(?:異常|不良|결함|불량) ?(?:なし|無し|없음)"
)

_HEALTHY = re.compile(rf"(?<![^\W\d_])(?:{_GOOD})")
_DEFECTIVE = re.compile(rf"(?<![^\W\d_])(?:{_BAD})")
_NEGATED = re.compile(rf"(?<![^\W\d_]){_NO}(?:{_GOOD})")
_SEEN = (  # between no and defect
    r"(?:(?:visible|obvious|apparent|detected|observed|any|known|surface|sichtbar\w*|erkennbar\w*)"
    r"[-_ ]+)?"
)
_WITHOUT = re.compile(
    rf"(?<![^\W\d_]){_NO}{_SEEN}(?:{_BAD})|(?:defects?|faults?|cracks?)[-_ ]?free|fehlerfrei|"
    r"fehlerlos|defektfrei"
)
_IN_ORDER = re.compile(r"(?<![^\W\d_])(?P<not>n\.? ?)?i\.? ?o\.?(?![^\W\d_])")
_BAD_ALONE = re.compile(
    r"bad|ng|nok|ko|nio|defects?|defective|defekte?|defectuos[oa]s?|faulty|fail(?:ed|ure|ures)?|"
    r"reject(?:ed|s)?|abnormal|anomal(?:y|ies|ous)|damaged|scrap|schlecht\w*|fehlerhaft\w*|"
    r"fehlteile?|ausschuss\w*|"
    r"ng品|reprovad[oa]s?|rechazad[oa]s?|rebuts?|scart[oi]|mauvais\w*|брак|негодн\w+|дефект\w*|不合格品?|不良品?|异常|異常|불량품?|불합격"
)
_WITHOUT_NUMBER = re.compile(r"^\d+[-_. )]+(?=\D)|(?<=\D)[-_. ]*\(?\d+\)?$")  # 2_NG, NG (2)
_COLLECTION = frozenset({
    "data", "dataset", "datasets", "database", "classification", "detection", "inspection",
    "recognition", "images", "image", "photos", "pictures",
})  # fmt: skip
_GOOD_SIGNS = ("合格", "良品", "正常", "합격", "양품", "정상")
_BAD_SIGNS = (
    "不合格", "不良", "异常", "異常", "缺陷", "瑕疵", "次品", "불합격", "불량", "비정상", "결함",
)  # fmt: skip


def is_healthy(name: str) -> bool:
    """Say whether a name means good parts, in one of the words that people use for it.

    Example:
        >>> [is_healthy(name) for name in ("MT_Free", "i.O.", "n.i.O.", "not_ok", "годные")]
        [True, True, False, False, True]
    """
    words = _words(name)
    if _FALSE.search(words):
        return False
    if any(sign in words for sign in _BAD_SIGNS):
        return bool(_NONE_SIGNS.search(words))
    if _NO_SIGNS.search(words):
        return False
    if _WITHOUT.search(words):
        return True
    said = bool(_HEALTHY.search(words)) or any(sign in words for sign in _GOOD_SIGNS)
    return said and not _NEGATED.search(words)


def is_defective(name: str) -> bool:
    """Say whether a name says that its parts are defective; many names say neither.

    Example:
        >>> [is_defective(name) for name in ("NOK", "n.i.O.", "no defect", "false reject", "part")]
        [True, True, False, False, False]
    """
    words = _words(name)
    if _FALSE.search(words):
        return False
    if any(sign in words for sign in _BAD_SIGNS):
        return not _NONE_SIGNS.search(words)
    if _NO_SIGNS.search(words):
        return True
    if _WITHOUT.search(words):
        return False
    return bool(_DEFECTIVE.search(words) or _NEGATED.search(words))


def says_bad_alone(name: str) -> bool:
    """Say whether a name says that parts are defective and nothing of how: what is not good.

    Example:
        >>> [says_bad_alone(name) for name in ("2_NG", "defective_parts", "not ok", "crack", "OK")]
        [True, True, True, False, False]
    """
    beside = r"[-_ ]+(?:parts?|images?|pieces?|teile?|products?|quality|confirmed|verified)$"
    words = re.sub(beside, "", _WITHOUT_NUMBER.sub("", _words(name)))
    return bool(_BAD_ALONE.fullmatch(words) or _NEGATED.fullmatch(words))


def says_opposite(one: str, other: str) -> bool:
    """Say whether one of two names says good and the other bad.

    Example:
        >>> says_opposite("NG", "ok"), says_opposite("crack", "NG")
        (True, False)
    """
    both = (one, other), (other, one)
    return any(is_healthy(good) and is_defective(bad) for good, bad in both)


def without_number(name: str) -> str:
    """Give a name without a number before or behind it.

    Example:
        >>> [without_number(name) for name in ("2_NG", "IO1", "OK (2)", "12")]
        ['NG', 'IO', 'OK', '12']
    """
    return _WITHOUT_NUMBER.sub("", name)


def is_collection(name: str) -> bool:
    """Say whether a name is that of a collection: "surface defect dataset" is no class.

    Example:
        >>> [is_collection(name) for name in ("casting defect images", "defects", "database")]
        [True, False, True]
    """
    return not _COLLECTION.isdisjoint(_WORDS.findall(name_key(name)))


def _words(name: str) -> str:
    """Give small letters, with camel case cut, and i.O. and n.i.O. as io and nio."""
    return _IN_ORDER.sub(_short, name_key(_CAMEL.sub(" ", name)))


def _short(match: re.Match[str]) -> str:
    return "nio" if match["not"] else "io"


# ---- parts of a split ---------------------------------------------------------------------

TRAIN, VALIDATION, TEST = "train", "validation", "test"

SPLITS = {
    "train": TRAIN, "training": TRAIN, "trainset": TRAIN, "trn": TRAIN, "trainval": TRAIN,
    "entraînement": TRAIN, "entrainement": TRAIN, "entrenamiento": TRAIN, "treino": TRAIN,
    "apprentissage": TRAIN, "addestramento": TRAIN, "обучение": TRAIN, "학습": TRAIN, "훈련": TRAIN,
    "学習": TRAIN, "訓練": TRAIN, "训练": TRAIN, "训练集": TRAIN,
    "calibration": VALIDATION,
    "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "validate": VALIDATION,
    "validierung": VALIDATION, "검증": VALIDATION, "驗證": VALIDATION,
    "dev": VALIDATION, "検証": VALIDATION, "验证": VALIDATION, "验证集": VALIDATION,
    "test": TEST, "testing": TEST, "testset": TEST, "tst": TEST, "holdout": TEST,
    "eval": TEST, "evaluation": TEST, "prueba": TEST, "teste": TEST,
    "prüfung": TEST, "pruefung": TEST, "essai": TEST, "prova": TEST, "тест": TEST, "테스트": TEST,
    "測試": TEST, "テスト": TEST, "評価": TEST, "测试": TEST, "测试集": TEST,
}  # fmt: skip
"""What the parts of a given split are called, and which of the three they are."""

_BESIDE_SPLIT = frozenset({
    "data", "dataset", "set", "images", "image", "imgs", "img", "photos", "pictures", "seg",
    "split", "folder", "x", "public", "private", "mixed", "new", "samples",
})  # fmt: skip
"""Words that stand beside one of SPLITS in the name of a folder and say nothing of a class."""


_FLAG = re.compile(r"(?:is|in)[\W_]*(train|test)(?!ed)")


def flagged_split(column: str) -> str:
    """Give the part of a split that a column of yes and no tells from the other; "" for none.

    Example:
        >>> [flagged_split(name) for name in ("is_test", "is_training_image", "is_tested")]
        ['test', 'train', '']
    """
    found = _FLAG.match(name_key(column))
    return SPLITS[found[1]] if found else ""


def split_of(name: str) -> str:
    """Give the part of a split that a folder or a cell is called, in any usual form; "" for none.

    Example:
        >>> [split_of(name) for name in ("Train", "test_images", "2_val", "train_val", "test_pad")]
        ['train', 'test', 'validation', 'train', '']
    """
    key = name_key(name)
    if key in SPLITS:
        return SPLITS[key]
    words = {SPLITS.get(w, "") for w in _WORDS.findall(key) if w not in _BESIDE_SPLIT}
    return TRAIN if words == {TRAIN, VALIDATION} else words.pop() if len(words) == 1 else ""
