"""What the torture's child processes do to a cache: the calls that a user's commands make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from features.cache.maintenance import collect, merge
from features.cache.repair import repair
from features.extract import Progress, extract
from features.extract_outcome import RunOptions
from torture import toys


def extract_folder(
    folder: str,
    cache: str,
    *,
    notes: str = "",
    pause: float = 0.0,
    batch: int = 4,
    here: bool = False,
) -> int:
    """Bring a cache in line with a folder; returns the photographs computed.

    here: decode in this process.
    """
    if here:
        toys.decode_here()
    toys.NotingToy.notes = Path(notes) if notes else None
    toys.NotingToy.pause = pause
    done = extract(
        toys.photographs_in(Path(folder)),
        toys.settings(),
        Path(cache),
        RunOptions(batch_size=batch, workers=2),
        note=toys.NOTE | {"root": folder},
        progress=_report(notes),
    )
    return done.extracted


def predict(
    model: str, folder: str, cache: str, *, notes: str = "", pause: float = 0.0, batch: int = 4
) -> list[float | None]:
    """Judge a folder's photographs, whose rows fill the cache; returns the probabilities."""
    import pipeline  # here, as it takes longer to import than most tries take

    bundle = pipeline.load_bundle(Path(model))
    toys.NotingToy.notes = Path(notes) if notes else None
    toys.NotingToy.pause = pause
    found = pipeline.predict(
        bundle,
        pipeline.find_photographs([folder]),
        Path(cache),
        pipeline.PredictOptions(batch_size=batch),
        progress=_report(notes),
    )
    return [verdict.probability for verdict in found]


def _report(notes: str) -> Progress:
    path = Path(notes) if notes else None
    return lambda done, _total: toys.note(path, f"reported {done}")


def fit(cache: str, model: str) -> None:
    """Give a model whose head is quick to train."""
    import pipeline

    pipeline.fit(
        pipeline.load_dataset(Path(cache)),
        Path(model),
        pipeline.FitOptions(head="logistic", split="random"),
    )


def gc(cache: str) -> int:
    """Drop what nobody uses; returns how many rows."""
    return collect(Path(cache), apply=True).unused


def mend(cache: str) -> int:
    """Repair; returns the rows that stay."""
    return repair(Path(cache)).rows


def join(first: str, second: str, out: str) -> int:
    """Merge; returns the rows of the second alone."""
    return merge(Path(first), Path(second), Path(out)).second


def nothing() -> dict[str, Any]:
    """To see how long a child takes that does nothing."""
    return {}
