"""The commands `cache verify | repair | gc | merge | slim`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.terminal import options as opt
from pipeline.terminal.command_group import OUTPUT
from pipeline.terminal.console import bar, show


def cache_verify(
    cache_argument: opt.CacheArgument = None,
    cache: opt.CacheFile = Path("features.h5"),
    full: Annotated[bool, typer.Option("--full", help="Read every row, too.")] = False,
    quiet: opt.Quiet = False,
) -> None:
    """Check a cache. At once: structure and digests; --full: the checksum of every row.

    Example: onepass cache verify features.h5 --full
    """
    import pipeline
    from pipeline.terminal import cache as text

    with bar("rows") as progress:
        found = pipeline.verify(cache_argument or cache, full=full, progress=progress)
    show(text.verification(found), err=quiet and not found.sound)
    if not found.sound:
        raise typer.Exit(1)


def cache_repair(
    cache_argument: opt.CacheArgument = None,
    cache: opt.CacheFile = Path("features.h5"),
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="Do not keep the damaged file.")
    ] = False,
    patience: opt.Wait = 60.0,
    quiet: opt.Quiet = False,
) -> None:
    """Keep what is sound of a damaged cache and name what is not; extract fills it in again.

    Example: onepass cache repair features.h5
    """
    import pipeline
    from pipeline.terminal import cache as text

    with bar("rows") as progress:
        done = pipeline.repair(cache_argument or cache, backup=not no_backup, progress=progress)
    show(text.repaired(done), err=quiet)


def cache_gc(
    cache_argument: opt.CacheArgument = None,
    cache: opt.CacheFile = Path("features.h5"),
    apply: Annotated[bool, typer.Option("--apply", help="Do it, not only say it.")] = False,
    patience: opt.Wait = 60.0,
    quiet: opt.Quiet = False,
) -> None:
    """Drop rows that no photograph of the folder uses; without --apply only say how many.

    Example: onepass cache gc features.h5 --apply
    """
    import pipeline
    from pipeline.terminal import cache as text

    with bar("rows") as progress:
        done = pipeline.collect(cache_argument or cache, apply=apply, progress=progress)
    show(text.collected(done))


def cache_merge(
    first: Annotated[Path, typer.Argument(help="A cache.")],
    second: Annotated[Path, typer.Argument(help="Another, of the same settings.")],
    out: Annotated[Path, opt.out_option("The new cache; must not exist.")],
    patience: opt.Wait = 60.0,
    quiet: opt.Quiet = False,
) -> None:
    """Bring the rows of two caches of the same recipe, weights and precision together.

    Example: onepass cache merge line-1.h5 line-2.h5 --out both.h5
    """
    import pipeline
    from pipeline.terminal import cache as text

    with bar("rows") as progress:
        done = pipeline.merge(first, second, out, progress)
    show(text.merged(done))


def cache_slim(
    keep: Annotated[
        str, opt.option(OUTPUT, "Features to keep, with commas: avg,crops:mixed8:root.", "--keep")
    ],
    out: Annotated[Path, opt.out_option("The new cache; must not exist.")],
    cache_argument: opt.CacheArgument = None,
    cache: opt.CacheFile = Path("features.h5"),
    precision: Annotated[
        str | None, opt.option(OUTPUT, "float16 for half the space.  [default: the cache's]")
    ] = None,
    patience: opt.Wait = 60.0,
    quiet: opt.Quiet = False,
) -> None:
    """Make a small cache of a full one, with what some features read and no more.

    Example: onepass cache slim features.h5 --keep avg --out small.h5
    """
    from pipeline.feature_specs.keep import slim_cache
    from pipeline.terminal import cache as text

    with bar("rows") as progress:
        done = slim_cache(
            cache_argument or cache, keep, out, precision=precision, progress=progress
        )
    show(text.slimmed(done))
