"""Which photographs of a cache seem to show one physical part, from everything that can tell.

Evidence: exact copies; near copies by pixels and rows; bursts by capture time; names. What is
certain ties photographs; what is probable links them, and links join groups only together
(`pipeline.groups.evidence`). No label decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.arrays import Indices
from features.cache.cache import Cache
from features.cache.sample_table import Sample
from features.cache.thumbnail_table import glimpses_of
from features.cache.thumbnails import Glimpse, Glimpses
from pipeline.groups.counters_and_times import Line, judge_line
from pipeline.groups.evidence import Finding, Joiner, Witness
from pipeline.groups.file_names import judge_key, read_names
from pipeline.groups.proposal import Evidence, Link, Proposal, Question
from pipeline.groups.similarity import FEWEST, Looks, look, look_at_pictures

CHANCE = 0.3
"""Photographs are linked when fewer strangers than this are expected to be as alike by chance."""

SURE = 0.01
"""A link of fewer expected strangers is enough by itself to put two photographs together."""

_ASKED = 1.0  # expected strangers up to which a pair is a question for a person
_WEAK = 0.02  # a photograph whose best tie is more doubtful than this is a question too
_QUESTIONS = 40
_UNUSED = 3  # parts of names that are shown though they do not serve


def propose(cache: Cache, samples: Sequence[Sample] | None = None) -> Proposal:
    """Propose groups for the readable photographs of an open cache.

    Takes memory for about 1,000 float32 per photograph and a block of likenesses, and time in the
    square of the photographs.

    Args:
        cache: open.
        samples: the photographs, with their rows in the cache; None for those of its own table.

    Raises:
        CacheError: the cache is damaged.
    """
    given = cache.samples if samples is None else samples
    readable = [sample for sample in given if sample.row >= 0]
    rows, unit = np.unique([sample.row for sample in readable], return_inverse=True)
    looks = look(cache, rows.tolist()) if len(rows) else None
    glimpses = glimpses_of(cache, rows.tolist()) if len(rows) else None
    return _proposed(readable, unit.astype(np.int64), looks, glimpses)


def propose_by_pictures(samples: Sequence[Sample], found: Sequence[Glimpse]) -> Proposal:
    """Propose groups for readable photographs that have no rows.

    Args:
        samples: with their digests.
        found: one of each photograph.
    """
    if not samples:
        return _proposed([], np.empty(0, dtype=np.int64), None, None)
    digests = [sample.digest for sample in samples]
    _, first, unit = np.unique(digests, return_index=True, return_inverse=True)
    glimpses = Glimpses.of([found[number] for number in first.tolist()])
    return _proposed(samples, unit.astype(np.int64), look_at_pictures(glimpses.grey), glimpses)


def _proposed(
    samples: Sequence[Sample], unit: Indices, looks: Looks | None, glimpses: Glimpses | None
) -> Proposal:
    """From all evidence; `unit` are the photographs' numbers in `looks` and `glimpses`."""
    witness = Witness(looks, unit)
    findings = [_copies(samples, unit), _looks(witness, unit), *_times(glimpses, witness, unit)]
    findings += _names(samples, witness)
    proposal = _joined(samples, findings, witness, unit)
    proposal.notes = _notes(len(np.unique(unit)), glimpses)
    return proposal


def _copies(samples: Sequence[Sample], unit: Indices) -> Finding:
    """Photographs with the same bytes."""
    first: dict[int, int] = {}
    ties = []
    for number, row in enumerate(unit.tolist()):
        if row in first:
            ties.append(Link(first[row], number, "copy", 0.0))
        first.setdefault(row, number)
    groups = len({tie.a for tie in ties})
    why = "the same bytes under several names" if ties else "no two files have the same bytes"
    return Finding(
        Evidence("copy", "the same bytes", len(ties) + groups, groups, bool(ties), why), ties
    )


def _looks(witness: Witness, unit: Indices) -> Finding:
    """Near copies: fewer strangers than CHANCE would be as alike."""
    what = "look nearly the same"
    if witness.looks is None:
        why = f"fewer than {FEWEST} different photographs: what is usual here cannot be told"
        return Finding(Evidence("look", what, 0, 0, False, why))
    a, b, expected = witness.looks.pairs(CHANCE)
    place = np.full(len(witness.looks.vectors), -1)
    place[unit[::-1]] = np.arange(len(unit))[::-1]  # the first photograph of each row
    links = [
        Link.between(int(place[x]), int(place[y]), "look", float(doubt))
        for x, y, doubt in zip(a, b, expected, strict=True)
    ]
    alone = Joiner(len(unit))
    _link(alone, links)
    sizes = np.bincount(alone.groups())
    several = sizes[sizes > 1]
    why = (
        f"fewer than {SURE:g} photographs of other parts would be as alike by chance, or fewer "
        f"than {CHANCE:g} and several such links agree; judged by each photograph's own neighbours"
    )
    evidence = Evidence("look", what, int(several.sum()), len(several), bool(links), why)
    return Finding(evidence, [], links)


def _times(glimpses: Glimpses | None, witness: Witness, unit: Indices) -> list[Finding]:
    """Bursts by the camera's clock."""
    if glimpses is None:
        return []
    taken = glimpses.taken[unit]
    if (taken >= 0).sum() < FEWEST:
        why = "photographs hold no time of capture (EXIF)"
        return [Finding(Evidence("time", "taken shortly after one another", 0, 0, False, why))]
    seconds = np.where(taken >= 0, taken / 1000.0, np.nan)
    line = Line("time", "taken", seconds, np.zeros(len(unit), dtype=np.int64), "s")
    return [judge_line(line, witness)]


def _names(samples: Sequence[Sample], witness: Witness) -> list[Finding]:
    """Parts and counters in names; of several parts of names that serve, the one of larger groups.

    The larger one keeps more photographs on one side of a split, which is the honest error.
    """
    keys, lines = read_names([sample.path for sample in samples])
    judged = [judge_key(key, witness) for key in keys]
    used = [finding for finding in judged if finding.evidence.used]
    best = min(used, key=lambda f: f.evidence.groups, default=None)
    counted = [judge_line(line, witness) for line in lines] if best is None else []
    serve = [*([best] if best else []), *(f for f in counted if f.evidence.used)]
    others = [finding for finding in (*counted, *judged) if not finding.evidence.used]
    others.sort(key=lambda finding: -finding.evidence.photographs)
    if not serve and not others:
        why = "names are too different from one another to hold a number of the part"
        others = [Finding(Evidence("name", "file names", 0, 0, False, why))]
    return [*serve, *others[:_UNUSED]]


def _joined(
    samples: Sequence[Sample], findings: Sequence[Finding], witness: Witness, unit: Indices
) -> Proposal:
    ties = [tie for finding in findings for tie in finding.ties]
    links = sorted((link for f in findings for link in f.links), key=lambda link: link.doubt)
    joiner = Joiner(len(samples))
    joiner.tie((tie.a, tie.b) for tie in ties)
    _link(joiner, links)
    groups = joiner.groups()
    inside = [link for link in (*ties, *links) if groups[link.a] == groups[link.b]]
    return Proposal(
        [sample.path for sample in samples],
        groups,
        inside,
        [finding.evidence for finding in findings],
        _questions(groups, inside, witness, unit),
    )


def _link(joiner: Joiner, links: Sequence[Link]) -> None:
    """Links sorted by doubt, the sure ones first."""
    for sure in (True, False):
        joiner.link(((k.a, k.b) for k in links if (k.doubt < SURE) == sure), sure=sure)


def _questions(
    groups: Indices, links: Sequence[Link], witness: Witness, unit: Indices
) -> list[Question]:
    """Pairs that nearly belong together, and photographs that hardly do; half of the room each."""
    if witness.looks is None:
        return []
    first = np.unique(unit, return_index=True)[1]
    apart: dict[tuple[int, int], Question] = {}
    for x, y, doubt in zip(*witness.looks.pairs(_ASKED), strict=True):
        a, b = sorted((int(first[x]), int(first[y])))
        pair = tuple(sorted((int(groups[a]), int(groups[b]))))
        if pair[0] != pair[1]:  # one question for each two groups: their most similar photographs
            apart.setdefault((pair[0], pair[1]), Question(a, b, float(doubt), together=False))
    best: dict[int, Link] = {}
    for link in links:
        for end in (link.a, link.b):
            if end not in best or link.doubt < best[end].doubt:
                best[end] = link
    weak = {link: None for link in best.values() if link.kind == "look" and link.doubt > _WEAK}
    hardly = [Question(link.a, link.b, link.doubt, together=True) for link in weak]
    hardly.sort(key=lambda question: -question.doubt)
    asked = list(apart.values())
    room = max(_QUESTIONS // 2, _QUESTIONS - len(hardly))
    asked = asked[:room]
    return asked + hardly[: _QUESTIONS - len(asked)]


def _notes(different: int, glimpses: Glimpses | None) -> list[str]:
    notes = []
    if 0 < different < 3 * FEWEST:
        notes.append(
            f"{different} different photographs are few to tell near copies by; look at the sheets"
        )
    missing = 0 if glimpses is None else int((~glimpses.known).sum())
    if missing:
        notes.append(
            f"{missing:,} photographs were extracted by an earlier version, without the small "
            "pictures that near copies are found by; the rows alone were compared. Run extract on "
            "the folder once more: it adds them without the backbone"
        )
    return notes
