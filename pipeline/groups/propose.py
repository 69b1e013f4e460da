"""Propose which photographs of a cache show one physical part, from all that can tell.

Evidence in the order of its worth: exact copies; capture times and names, between which
`pipeline.groups.readings` decides; names that say that a file is a copy; near copies by pixels and
rows. What is certain ties photographs; what is probable links them, and links join groups only
together (`pipeline.groups.joining`). Classes decide nothing but which of two readings of the names
is believed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.arrays import Flags, Indices
from features.cache.cache import Cache
from features.cache.sample_table import TableRow
from features.cache.thumbnail_table import thumbnails_of
from features.cache.thumbnails import MISSING, Thumbnail, Thumbnails
from features.runtime import refuse_above_limit
from pipeline.groups.changed_copies import MOST_CUT, MOST_WHOLE, cropped_copies, turned_copies
from pipeline.groups.copies_by_name import original_names
from pipeline.groups.evidence import Finding, PixelEvidence
from pipeline.groups.file_names import codes_of
from pipeline.groups.joining import SURE, joined
from pipeline.groups.neighbours import ALL_PAIRS, Tick
from pipeline.groups.pictures import Pictures
from pipeline.groups.proposal import AT_MOST, Evidence, Link, Proposal, Question
from pipeline.groups.readings import Readings, read_all
from pipeline.groups.rules import doubts_of_parts
from pipeline.groups.similarity import (
    FEWEST,
    PASSES,
    Pairs,
    Progress,
    Similarity,
    similarity_of_pictures,
    similarity_of_rows,
    ticks,
)
from pipeline.groups.timeline import MOST_SHOTS, Line

CHANCE = 0.3
"""Photographs are linked when fewer strangers than this are expected to be as alike by chance."""

_ASKED = 1.0  # expected strangers up to which a pair is a question for a person
_WEAK = 0.02  # a photograph whose best tie is more doubtful than this is a question too
_QUESTIONS = 40
_OF_CROPS, _OF_TURNED, _OF_EACH = 60_000, 19_000, 14_000
"""Bytes of a picture among few that are looked at for crops, among more, and among many."""
_MINUTES, _DOZENS = 120.0, 24  # seconds and shots apart: photographs that are not of one part
_SEVERAL = 3  # copies laid on a picture, from which on those that only look like it are none
_ALONE = 0.5  # share of photographs alone from which on the count of parts is a bound alone
_UNSPOKEN = 0.05  # or of those alone of which names and times say nothing, though of others they do


def propose(
    cache: Cache,
    table_rows: Sequence[TableRow] | None = None,
    gap: float | None = None,
    *,
    progress: Progress | None = None,
) -> Proposal:
    """Propose groups for the readable photographs of an open cache.

    Takes memory for about 2,000 float32 per photograph and a block of likenesses, and time in the
    square of the photographs up to 20,000, beyond that in their number to the power of 1.5.

    Args:
        cache: open.
        table_rows: the photographs, with their rows in the cache; None for those of its own table.
        gap: seconds between shots above which a new part begins, as a person said: then nothing
            else but the same bytes ties photographs.
        progress: called as `progress(photographs compared, photographs)`.

    Raises:
        CacheError: the cache is damaged.
    """
    given = cache.table_rows if table_rows is None else table_rows
    readable = [table_row for table_row in given if table_row.row >= 0]
    rows, unit = np.unique([table_row.row for table_row in readable], return_inverse=True)
    if gap is None:
        _refuse_above_limit(len(rows))
    tick = ticks(progress, len(rows), passes=PASSES + 1)
    similarity = similarity_of_rows(cache, rows.tolist(), tick) if gap is None else None
    times, unit = thumbnails_of(cache, rows.tolist()).capture_time, unit.astype(np.int64)
    pictures = Pictures.of_cache(cache.path, rows)
    found = _proposed(readable, unit, similarity, times, gap, pictures=pictures, tick=tick)
    if progress is not None:
        progress(len(rows), len(rows))
    return found


def propose_by_pictures(
    table_rows: Sequence[TableRow], found: Sequence[Thumbnail], gap: float | None = None
) -> Proposal:
    """Propose groups for readable photographs without rows; `gap` as in `propose`."""
    digests = [table_row.digest for table_row in table_rows]
    _, first, unit = np.unique(digests, return_index=True, return_inverse=True)
    if gap is None:
        _refuse_above_limit(len(first))
    some = [found[number] for number in first.tolist()]
    thumbnails = Thumbnails.of(some) if some else Thumbnails.blank(0)
    pictures = Pictures.of(thumbnails.grey)
    similarity = similarity_of_pictures(pictures) if gap is None else None
    unit = unit.astype(np.int64)
    return _proposed(table_rows, unit, similarity, thumbnails.capture_time, gap, pictures=pictures)


def memory_needed(count: int) -> int:
    """Estimate the bytes that comparing so many photographs takes; see `benchmarks.many`."""
    each = _OF_CROPS if count <= MOST_CUT else _OF_TURNED if count <= MOST_WHOLE else _OF_EACH
    return min(40_000_000 + 150_000 * count, 140_000_000) + each * count


def _refuse_above_limit(count: int) -> None:
    """Raise MemoryLimitError where so many photographs cannot be compared within the limit."""
    mend = "say which photographs show one part (--groups FILE), or "
    what = f"finding those of one part among {count:,} photographs"
    refuse_above_limit(what, memory_needed(count), mend)


def _proposed(
    table_rows: Sequence[TableRow],
    unit: Indices,
    similarity: Similarity | None,
    capture_time: Indices,
    gap: float | None,
    *,
    pictures: Pictures,
    tick: Tick | None = None,
) -> Proposal:
    """Propose groups from all evidence; `unit` are numbers in all that is of pictures."""
    pixels = PixelEvidence(similarity, unit, pictures)
    known = np.asarray(capture_time != MISSING)
    readings = read_all(table_rows, capture_time[unit], pixels, gap)
    findings = [_copies(unit), *readings.findings]
    if gap is None:
        near = None if similarity is None else similarity.pairs(CHANCE)
        seen = known.all() and not readings.spoken.all()
        findings += [
            _exports(table_rows),
            *_near_copies(near, pictures if seen else None, unit, readings, tick),
        ]
    proposal = _joined(table_rows, findings, pixels)
    proposal.cuts = readings.cuts
    if gap is None:
        _say_what_it_stands_on(proposal, readings)
        proposal.notes = _notes(known, similarity)
    else:
        labels = [table_row.label for table_row in table_rows]
        proposal.notes = doubts_of_parts(proposal.names(), labels)
    return proposal


def _near_copies(
    near: Pairs | None,
    pictures: Pictures | None,
    unit: Indices,
    readings: Readings,
    tick: Tick | None,
) -> list[Finding]:
    """Link near copies; of `pictures` also those that were turned or cropped."""
    what = "look nearly the same"
    if pictures is None:
        return [_looks(near, unit, readings, what)]
    turned, cut = turned_copies(pictures, tick), cropped_copies(pictures)
    pictures.forget()
    laid = [pairs for pairs in (turned, cut) if pairs is not None]
    near = _without_crowds(near, laid) if near is not None and laid else near
    return [
        _looks(near, unit, readings, what),
        _looks(turned, unit, readings, "look the same, turned or mirrored"),
        _looks(cut, unit, readings, "look the same, cropped", _BY_LAYING_ON),
    ]


def _copies(unit: Indices) -> Finding:
    """Tie photographs with the same bytes."""
    tied = len(np.unique(unit)) < len(unit)
    why = "the same bytes under several names" if tied else "no two files have the same bytes"
    return Finding.of_groups("copy", "the same bytes", unit, tied, why)


def _exports(table_rows: Sequence[TableRow]) -> Finding:
    """Tie photographs whose names say that they are made from one another."""
    names = original_names([table_row.path for table_row in table_rows])
    codes = np.where([name == "" for name in names], -1, codes_of(names))
    why = "no names as programs give to copies and exports"
    if any(names):
        why = "named as copies, exports or augmented versions of one file"
    return Finding.of_groups("name", "copies by name", codes, any(names), why)


_BY_STRANGERS = (
    f"fewer than {SURE:g} photographs of other parts would be as alike by chance, or fewer than "
    f"{CHANCE:g} and several such links agree; judged by each photograph's own neighbours"
)
_BY_LAYING_ON = (
    "laid on one another where they fit best, they differ by far less than the others that look "
    "like them"
)


def _looks(
    near: Pairs | None, unit: Indices, readings: Readings, what: str, why: str = _BY_STRANGERS
) -> Finding:
    """Link near copies, where neither names nor times have spoken; `near` are numbers of rows."""
    if near is None:
        unknown = "too few different photographs, or too many: what is usual here cannot be told"
        return Finding.nothing("look", what, unknown)
    place = np.unique(unit, return_index=True)[1]  # the first photograph of each row
    a, b = np.sort([place[near.a], place[near.b]], axis=0)
    kept = ~(readings.spoken[a] & readings.spoken[b]) & ~_far_in_time(readings.line, a, b)
    ends = zip(a[kept].tolist(), b[kept].tolist(), near.expected[kept].tolist(), strict=True)
    links = [Link(one, other, "look", doubt) for one, other, doubt in ends]
    sizes = np.bincount(joined(len(unit), [], links))
    several = sizes[sizes > 1]
    if not kept.all():
        why += f"; {(~kept).sum():,} such pairs are not tied: times or names say that they are two"
    evidence = Evidence("look", what, int(several.sum()), len(several), bool(links), why)
    return Finding(evidence, [], links)


def _without_crowds(near: Pairs, laid: Sequence[Pairs]) -> Pairs:
    """Leave out pairs of which both have many copies that were laid on them, but not each other.

    Many copies of few pictures, turned alike and with the same black corners, look nearly the same.
    """
    count = 1 + int(max(pairs.b.max(initial=0) for pairs in (near, *laid)))
    of_laid = np.unique(np.concatenate([pairs.a * count + pairs.b for pairs in laid]))
    copies = np.bincount(np.concatenate(np.divmod(of_laid, count)), minlength=count)
    crowded = (copies[near.a] > _SEVERAL) & (copies[near.b] > _SEVERAL)
    kept = ~crowded | np.isin(near.a * count + near.b, of_laid)
    return Pairs(near.a[kept], near.b[kept], near.expected[kept])


def _far_in_time(line: Line | None, a: Indices, b: Indices) -> Flags:
    """Say which pairs were taken minutes and dozens of shots apart: bool (m,)."""
    if line is None:
        return np.zeros(len(a), dtype=np.bool_)
    shot = np.full(len(line.values), np.nan)
    order = line.walk()[0]
    shot[order] = np.arange(len(order))
    minutes, dozens = (abs(of[a] - of[b]) for of in (line.values, shot))
    return np.asarray((minutes > _MINUTES) & (dozens > _DOZENS))


def _say_what_it_stands_on(proposal: Proposal, readings: Readings) -> None:
    """Set the basis, and the question that settles what is open."""
    by_pixels = any(e.used and e.kind == "look" for e in proposal.evidence)
    proposal.basis = readings.basis or ("pixels" if by_pixels else "copies")
    count = len(proposal.groups)
    if count < 2:
        return
    alone = proposal.sizes[proposal.groups] == 1
    many_alone, unspoken = alone.sum() > _ALONE * count, int((alone & ~readings.spoken).sum())
    left = readings.spoken.any() and unspoken > _UNSPOKEN * count
    at_most = many_alone or left or not readings.basis
    proposal.bound = AT_MOST if at_most else readings.bound
    questions = [
        (proposal.bound == readings.bound, readings.question),
        (
            (readings.line and not readings.basis) or (readings.basis == "times" and many_alone),
            "how many seconds lie at most between two shots of one part (--group-gap 10s)",
        ),
        (
            left,
            f"which parts show the {unspoken:,} photographs of which {readings.basis} say nothing "
            "(--groups TABLE)",
        ),
        (proposal.bound, _asked_of_names(proposal)),
    ]
    proposal.question = next((asked for holds, asked in questions if holds and asked), "")


def _asked_of_names(proposal: Proposal) -> str:
    """Ask which photographs show one part, with what the names offer and what that implies."""
    for item in proposal.evidence:
        if item.hint and item.photographs <= MOST_SHOTS * item.groups:
            return (
                f"do photographs with the same {item.what} show one part ({item.groups:,} parts "
                f"then: {item.hint}), or others (--groups TABLE)"
            )
    return "which photographs show one part (--groups TABLE)"


def _joined(
    table_rows: Sequence[TableRow],
    findings: Sequence[Finding],
    pixels: PixelEvidence,
) -> Proposal:
    ties = [tie for finding in findings for tie in finding.ties]
    links = [link for finding in findings for link in finding.links]
    groups = joined(len(table_rows), ties, links)
    inside = [link for link in (*ties, *links) if groups[link.a] == groups[link.b]]
    return Proposal(
        [table_row.path for table_row in table_rows],
        groups,
        inside,
        [finding.evidence for finding in findings],
        _questions(groups, inside, pixels),
    )


def _questions(groups: Indices, links: Sequence[Link], pixels: PixelEvidence) -> list[Question]:
    """Find pairs that nearly belong together and photographs that hardly do, half of each."""
    if pixels.similarity is None:
        return []
    first = np.unique(pixels.unit, return_index=True)[1]
    apart: dict[tuple[int, int], Question] = {}
    for x, y, doubt in zip(*pixels.similarity.pairs(_ASKED), strict=True):
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


def _notes(known: Flags, similarity: Similarity | None) -> list[str]:
    notes, different, missing = [], len(known), int((~known).sum())
    if 1 < different < 3 * FEWEST:
        notes.append(
            f"{different} different photographs are few to tell near copies by: compare them by eye"
        )
    if missing:
        notes.append(
            f"{missing:,} photographs were extracted by an earlier version, without the small "
            "pictures that near copies are found by; the rows alone were compared. Run extract on "
            "the folder once more: it adds them without the backbone"
        )
    if similarity is not None and different > ALL_PAIRS:
        notes.append(
            f"near copies are looked for among the nearest of {different:,} photographs, not among "
            f"all pairs: of 500 photographs, {100 * similarity.recall:.1f} % were found with "
            "the one that is most alike"
        )
    return notes
