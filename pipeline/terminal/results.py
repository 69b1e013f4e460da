"""Results as plain text for a terminal. Nothing here computes; nothing here prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from features.backbones.settings import BackboneSettings
from features.backbones.weights import UNTRAINED_WARNING
from features.cache.shards import size_of
from features.photographs.views import FULL, LARGE, Chosen
from pipeline.cnn.photograph_batches import PhotographSet
from pipeline.data.dataset import Dataset, Labelled
from pipeline.data.extract_folder import FolderExtraction
from pipeline.data.extraction_plan import Plan
from pipeline.data.folder import Scan, describe_ignored, left_out_pictures
from pipeline.evaluation.band import REVIEW
from pipeline.evaluation.intervals import describe_intervals
from pipeline.evaluation.predictions import Assessment, assessed_sides
from pipeline.evaluation.score_table import about_intervals, confusion_table, scores_table
from pipeline.groups.proposal import say_parts
from pipeline.groups.rules import GroupRule
from pipeline.heads.svm import approximation
from pipeline.model.bundle import Bundle
from pipeline.model.evaluate import Evaluation
from pipeline.output.result_table import told
from pipeline.output.tables import align, printable
from pipeline.terminal import groups as grouping_text
from pipeline.terminal import info as info_text
from pipeline.terminal import thresholds as thresholds_text
from pipeline.training.fit import Fit
from pipeline.write_up.ladder import Ladder


def failures(entries: Sequence[tuple[str, str]], shown: int = 10) -> list[str]:
    """Write one line per unreadable photograph, and how many more there are."""
    lines = [printable(f"unreadable: {path}: {reason}") for path, reason in entries[:shown]]
    if len(entries) > shown:
        lines.append(f"unreadable: … and {len(entries) - shown:,} more")
    return lines


def drift(bundle: Bundle) -> list[str]:
    """Write one line for everything that moved and was accepted."""
    return [f"warning: drift accepted: {moved}" for moved in bundle.drift]


def plan(planned: Plan) -> str:
    """Say what `extract` would do, for `--dry-run`."""
    minutes = planned.seconds / 60
    took = f"{minutes:.0f} minutes" if minutes >= 1.5 else f"{planned.seconds:.0f} seconds"
    first, *read = _read_as(planned.scan)
    rows = [
        [*first[:-1], f"{first[-1]}, of which {planned.missing:,} to be looked at"],
        *read,
        ["rows", f"{planned.rows:,}, from {_counted(planned.pictures, 'picture')} a photograph"],
        ["time", f"about {took} while nothing else runs, measured just now"],
        ["disk", f"{planned.size / 1e6:,.1f} MB"],
        ["look", planned.look],
    ]
    return "\n".join([align(rows, right=False), *_about_folder(planned.scan)])


def extraction(done: FolderExtraction, cache: Path) -> str:
    """Give the summary of `extract`."""
    result, scan = done.extraction, done.scan
    parts, groups = done.parts, done.group_rule.describe()
    if parts or not done.group_rule.from_photographs:
        groups += f" ({parts:,} {'part' if parts == 1 else 'parts'}"
        groups += f"; {done.ungrouped:,} photographs without one)" if done.ungrouped else ")"
    seconds = result.seconds
    stages = ", ".join(
        f"{name} {seconds[key]:.1f}"
        for key, name in (
            ("load", "load backbone"),
            ("read", "read"),
            ("decode", "decode"),
            ("backbone", "backbone"),
            ("write", "write"),
        )
        if seconds[key] >= 0.05
    )
    speed = result.rows / seconds["backbone"] if seconds["backbone"] else 0.0
    count = f", {result.rows:,} rows" if result.rows != result.extracted else ""
    rows = [
        *_read_as(scan),
        ["extracted", f"{result.extracted:,}{count}" + (f" ({speed:.0f}/s)" if speed else "")],
        ["reused", f"{result.reused:,}"],
        ["failed", f"{len(result.failed):,}"],
        ["parts", groups],
        ["seconds", f"{seconds['total']:.1f}" + (f" ({stages}; stages overlap)" if stages else "")],
        ["cache", f"{cache}, {_size(cache)}"],
        *([["engine", result.engine]] if result.engine else []),
        ["look", _look(done.settings, done.views)],
        ["settings", info_text.settings(done.settings.fields, done.settings.weights.describe())],
    ]
    said = [f"note: {line}" for line in done.said]
    text = "\n".join([align(rows, right=False), *_about_folder(scan), *said])
    return text if done.settings.weights.trained else f"{text}\n\n{UNTRAINED_WARNING}"


def _read_as(scan: Scan) -> list[list[str]]:
    """Say how a folder is read: photographs with their classes, layout, what is left out."""
    labels = Counter(p.label or "(no class folder)" for p in scan.photographs)
    classes = ", ".join(f"{printable(name)} {count:,}" for name, count in sorted(labels.items()))
    return [
        ["photographs", f"{len(scan.photographs):,} ({classes})"],
        ["layout", printable(scan.layout)],
        ["ignored", printable(describe_ignored(scan.ignored)) if scan.ignored else "nothing"],
    ]


def _about_folder(scan: Scan) -> list[str]:
    """Say what to know of how a folder was read, and which pictures were left out."""
    said = [f"warning: {printable(note)}" for note in scan.notes]
    splits = Counter(p.split for p in scan.photographs if p.split)
    if len(splits) > 1:
        shown = ", ".join(f"{name} {count:,}" for name, count in splits.items())
        said.insert(0, f"given split: {shown}; fit keeps it (--split grouped draws another)")
    left_out = left_out_pictures(scan.ignored)
    if left_out:
        shown = ", ".join(f"{count:,} {suffix}" for suffix, count in left_out.items())
        said.append(
            f"warning: pictures of formats that are not read are left out: {shown}; save them as "
            "JPEG, PNG or TIFF to have them looked at"
        )
    return said


def dataset(data: Labelled) -> str:
    """Say what is about to be trained on, with the warnings."""
    classes = ", ".join(
        f"{printable(name)} {int((data.y == number).sum()):,} "
        f"of {len(set(data.groups[data.y == number].tolist())):,}"
        for number, name in enumerate(data.classes.names)
        if not (data.classes.only_good and number == 1)
    )
    rule = data.group_rule if isinstance(data, PhotographSet) else None
    rule = data.folder.group_rule if isinstance(data, Dataset) else rule
    parts = say_parts(len(set(data.groups.tolist())), rule)
    lines = [
        f"{len(data):,} photographs of {parts} ({classes})",
        data.classes.describe(),
        *_proposed(data),
        *(f"warning: {text}" for text in data.warnings),
    ]
    if isinstance(data, Dataset) and data.folder.untrained:
        lines.append(UNTRAINED_WARNING)
    return "\n".join(lines)


def _proposed(data: Labelled) -> list[str]:
    if isinstance(data, PhotographSet):
        return grouping_text.of_folder(data.proposal)
    return grouping_text.proposed(data.proposal if isinstance(data, Dataset) else None)


def fit(done: Fit) -> str:
    """Train and holdout side by side, with 95 % intervals."""
    chosen = ", ".join(f"{name}={_short(value)}" for name, value in done.head.chosen.items())
    sides = assessed_sides("holdout", done.held_out, done.held_out_parts) | {"train": done.train}
    rule, refit = done.record.folder.group_rule, done.record.refit
    scores = [_assessments(sides, done.classes.binary, rule)]
    return "\n".join(
        [
            f"{done.head.title}, trained in {done.seconds:.1f} s ({chosen or 'no settings'})",
            *([done.choice.describe()] if done.choice else []),
            *filter(None, [approximation(done.record.head, done.train.count)]),
            *([f"trained again {refit.describe()}"] if refit else []),
            "",
            *(_good_alone() if done.classes.only_good else scores),
            "",
            thresholds_text.decision(done.decision, done.classes.names),
            "",
            *([grouping_text.optimism(done.optimism), ""] if done.optimism else []),
            f"model    {done.folder}",
        ]
    )


def _good_alone() -> list[str]:
    """Say which scores there are not, where all photographs are good."""
    return [
        "all photographs are good: accuracy, recall and ROC AUC cannot be known before some",
        "defective ones are photographed; what is known is how many good parts are rejected",
    ]


def ladder(found: Ladder, out: Path) -> str:
    """Give the write-up's rungs on both splits, and how far the random one flatters."""
    files = ("table.csv", "table.json", "table.md", "sheet.png", found.PAGE)
    return "\n".join(
        [
            found.describe(),
            *grouping_text.of_folder(found.photographs.proposal),
            "",
            align(found.table()),
            found.about_intervals(),
            "",
            *found.words(),
            "",
            f"written: {', '.join(str(out / name) for name in files)}",
        ]
    )


def evaluation(found: Evaluation, names: Sequence[str], shown: int = 10) -> str:
    """Write scores, those of each class where there are several, confusion matrix, mistakes."""
    review = found.confusion.shape[1] > len(names)
    sides = assessed_sides(found.what, found.assessment, found.part_assessment)
    scored = [_assessments(sides, len(names) == 2, found.group_rule), ""]
    lines = [
        *(f"warning: {line}\n" for line in found.not_scored),
        *(grouping_text.of_folder(found.proposal) or grouping_text.of_rule(found)),
        *(f"warning: {line}" for line in grouping_text.alike(found.known)),
        *(_one_class(found, names) if found.one_class else scored),
        *([_class_scores(found), ""] if len(names) > 2 else []),
        *([confusion_table(found.parts).text(), "by photograph:"] if found.parts else []),
        confusion_table(found.predicted).text(),
        "",
        *thresholds_text.evaluated(found.outcome, found.what, review, wholes=found.wholes),
        _mistakes(found),
        *(
            printable(
                f"  {m.path}: is {m.truth}, verdict {m.verdict} ({100 * m.probability:.1f} %)"
            )
            for m in found.mistakes[:shown]
        ),
        *([found.unlike] if found.unlike else []),
        *(f"note: {note}" for note in found.notes),
    ]
    if len(found.mistakes) > shown:
        below = len(found.notes) + bool(found.unlike)
        lines.insert(-below or len(lines), f"  … and {len(found.mistakes) - shown:,} more")
    return "\n".join(lines)


def _mistakes(found: Evaluation) -> str:
    """Count wrong verdicts: of parts where they are judged as wholes, and of photographs."""
    many, s = len(found.mistakes), "" if len(found.mistakes) == 1 else "s"
    first = ", the most certain first:" if many else ""
    if found.parts is None:
        return f"{many:,} mistake{s}{first}"
    is_wrong = (found.parts.verdicts != found.parts.y) & (found.parts.verdicts != REVIEW)
    wrong = f"{is_wrong.sum():,} of {len(is_wrong):,} parts"
    return f"judged wrongly: {wrong}; {many:,} photograph{s}, each by itself{first}"


def _one_class(found: Evaluation, names: Sequence[str]) -> list[str]:
    """Say instead of scores which of them cannot be known."""
    present, absent = (names if (found.predicted.y == 0).all() else names[::-1])[:2]
    return [
        f"all {len(found.predicted.y):,} photographs that were scored are {printable(present)}, so "
        f"there is no accuracy: how {printable(absent)} ones fare is not known",
        "",
    ]


def _class_scores(found: Evaluation) -> str:
    head = ["class", "photographs", "recall", "precision", "F1"]
    rows = [
        [
            printable(c.name),
            f"{c.photographs:,}",
            *(told(span.estimate(n, getattr(c, n))) for n in ("recall", "precision", "f1")),
        ]
        for c, span in zip(found.classes, found.class_intervals, strict=True)
    ]
    few = {c.name: i for c, i in zip(found.classes, found.class_intervals, strict=True) if i.reason}
    return "\n".join([align([head, *rows]), *describe_intervals(few)])


def _assessments(sides: Mapping[str, Assessment], binary: bool, rule: GroupRule) -> str:
    return "\n".join([scores_table(sides, binary, rule).text(), *about_intervals(sides, rule)])


def _look(settings: BackboneSettings, views: Chosen) -> str:
    """Say what is seen of a photograph, what it costs and how to do without."""
    look, large = settings.look, settings.recipe.large
    if look.images == 1:
        return (
            str(look)
            if views.sets == (FULL,)
            else f"{info_text.describe_views(views)}, with a row each"
        )
    crops = sum(view != LARGE for view in look.crops.views)
    seen = ["whole photograph"]
    seen += [f"the same of {large[0]}×{large[1]} pixels"] if large else []
    seen += [f"{crops} crops"] if crops else []
    seen = [" and ".join(seen), _counted(len(look.crops.taps), "layer")]
    seen += [f"the {' and '.join(look.pooled)} of the last map alone"] if look.pooled else []
    return f"{', '.join(seen)}: {settings.cost:.2g} times the time of --look plain"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _size(path: Path) -> str:
    return f"{size_of(path) / 1e6:,.1f} MB"


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
