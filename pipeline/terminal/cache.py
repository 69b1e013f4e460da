"""Write what the `cache` commands found and did, as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from features.cache.lock import network_file_system
from features.cache.maintenance import Collection, Merge, Verification
from features.cache.repair import Repair
from features.cache.slim import Slim
from pipeline.output.tables import printable

_SHOWN = 10


def verification(found: Verification) -> str:
    """Give the verdict first, then what is broken, then remarks."""
    looked = (
        "every row was read and matches its checksum"
        if found.full
        else "structure and digests only; --full reads every row"
    )
    lines = [
        f"{found.path}: sound: {found.rows:,} rows, {found.photographs:,} photographs ({looked})"
        if found.sound
        else f"{found.path}: {'damaged' if found.opened else 'cannot be read as a cache'}"
    ]
    lines += [f"  {fault}" for fault in found.faults]
    if found.damaged:
        lines.append(
            f"  {len(found.damaged):,} of {found.rows:,} rows are damaged, or hold no numbers: "
            f"{_numbers(found.damaged)}; run: cache repair {found.path}"
        )
    if found.rows and not found.photographs:
        lines.append(f"  no finished extract yet: run extract FOLDER --cache {found.path}")
    elif found.unused:
        lines.append(
            f"  {found.unused:,} rows belong to no photograph of the folder (from predict, or of "
            f"photographs or views that are gone); cache gc {found.path} would drop them"
        )
    lines += [f"  {remark}" for remark in found.remarks]
    return printable_lines(lines)


def repaired(done: Repair) -> str:
    """Say what was kept, and each thing that was dropped."""
    if not done.changed:
        return printable_lines([f"{done.path}: sound, nothing was changed ({done.rows:,} rows)"])
    lines = [f"{done.path}: repaired, {done.rows:,} sound rows kept"]
    if done.dropped:
        lines.append(f"  dropped {len(done.dropped):,} damaged rows: {_numbers(done.dropped)}")
    lines += [f"  of photograph {path}" for path in done.photographs[:_SHOWN]]
    if len(done.photographs) > _SHOWN:
        lines.append(f"  … and {len(done.photographs) - _SHOWN:,} more photographs")
    lines += [f"  lost: {what}" for what in done.lost]
    if done.backup:
        lines.append(f"  as it was: {done.backup}")
    lines.append("  extract computes what is missing, and only that")
    return printable_lines(lines)


def collected(done: Collection) -> str:
    """Say what was dropped, or would be."""
    left = done.rows - done.unused
    views = f" ({done.of_views:,} are of tiles)" if done.of_views else ""
    if done.bytes_after is None:
        if not done.unused:
            return f"{done.path}: all {done.rows:,} rows are used"
        return (
            f"{done.path}: {done.unused:,} of {done.rows:,} rows belong to no photograph of the "
            f"folder{views}; nothing was changed: --apply drops them (needs room for {left:,} rows)"
        )
    return (
        f"{done.path}: {done.unused:,} rows dropped, {left:,} kept; "
        f"{_megabytes(done.bytes_before)} before, {_megabytes(done.bytes_after)} now"
    )


def merged(done: Merge) -> str:
    """Say which rows came from where, what is listed, and what to do next."""
    told = (
        f"{done.path}: {done.first + done.second:,} rows: {done.first:,} of the first, "
        f"{done.second:,} that only the second had ({done.both:,} were in both)\n"
    )
    if done.listed:
        return f"{told}  its table lists {done.listed:,} photographs of their folder"
    return (
        f"{told}  it lists no photographs yet: now run extract FOLDER --cache {done.path}, on the "
        "folder that holds them all; none is computed again"
    )


def slimmed(done: Slim) -> str:
    """Say how large rows are now, what for, and what may be done with them."""
    each = done.bytes_after / max(1, done.rows)
    return printable_lines(
        [
            f"{done.path}: {done.rows:,} rows of {done.cached_width:,} values instead of "
            f"{done.width_before:,}, {each / 1e3:,.1f} kB each: "
            f"{_megabytes(done.bytes_before)} before, {_megabytes(done.bytes_after)} now",
            f"  kept for the features {', '.join(done.kept.specs)}; others are refused there",
        ]
    )


def where(path: Path) -> list[str]:
    """Say what to know of where a cache lies; nothing on a disk of this computer."""
    kind = "" if path.is_dir() else network_file_system(path)
    if not kind:
        return []
    return [
        f"note: {printable(str(path))} lies on a network file system ({kind}), where locks hold "
        "less well: write to it from one computer at a time"
    ]


def printable_lines(lines: Sequence[str]) -> str:
    """Give lines with nothing in them that a terminal would act upon."""
    return "\n".join(printable(line) for line in lines)


def _numbers(rows: Sequence[int]) -> str:
    shown = ", ".join(str(row) for row in rows[:_SHOWN])
    return shown + (f" and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else "")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
