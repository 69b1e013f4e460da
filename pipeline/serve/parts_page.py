"""The Data page: what there is to learn from, and which photographs show one part.

What a person moves is written as a table, INBOX/data-groups.csv, as `extract --groups` reads it;
the photographs stay where they are. Used, it goes into the cache, and no backbone runs for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from features.cache.shards import open_cache
from features.errors import DataError
from features.files import write_whole
from pipeline.data.dataset import Dataset, load_dataset
from pipeline.data.extract_folder import ExtractOptions, extract_folder
from pipeline.groups.rules import GroupRule
from pipeline.output.tables import MARK, to_csv
from pipeline.serve.api import read_json, run, told
from pipeline.serve.jobs import Jobs
from pipeline.serve.refit import Say
from pipeline.serve.station import Station

TABLE = "data-groups.csv"
_PAGE = 24  # parts that are shown at once
_LONGEST = 120  # characters of a part's name


class PartsPage:
    """Say what the page asks for and sends."""

    def __init__(self, station: Station, jobs: Jobs) -> None:
        """Serve this station."""
        self.station, self.jobs = station, jobs
        self._read: tuple[tuple[int, int], Dataset] | None = None

    def routes(self) -> list[Route]:
        """List their addresses."""
        return [
            Route("/v1/data", told(self.overview), methods=["GET"]),
            Route("/v1/data/parts", told(self.parts), methods=["GET"]),
            Route("/v1/data/groups", told(self.save), methods=["POST"]),
            Route("/v1/data/apply", told(self.apply), methods=["POST"]),
        ]

    async def overview(self, request: Request) -> Response:
        """Give counts by class, and where the parts come from."""
        return JSONResponse(await run(self._overview))

    async def parts(self, request: Request) -> Response:
        """Give some parts with their photographs: page=N, find=TEXT."""
        page, find = request.query_params.get("page", "0"), request.query_params.get("find", "")
        number = int(page) if page.isascii() and page.isdigit() else 0
        return JSONResponse(await run(self._parts, number, find.casefold()))

    async def save(self, request: Request) -> Response:
        """Write the table with what was moved: {"moved": {path: part}}."""
        asked = await read_json(request)
        return JSONResponse(await run(self._save, asked.get("moved")))

    async def apply(self, request: Request) -> Response:
        """Start to bring the cache in line with the table that was written."""
        return JSONResponse(self.jobs.start("groups", self._apply).to_json(), 202)

    # ---- what they do ---------------------------------------------------------------------

    def _dataset(self) -> Dataset:
        """Give the photographs of the cache, read anew where it has changed."""
        cache = self.station.settings.cache
        if not cache.exists():
            raise DataError(f"found no cache at {cache}; name that of the model with --cache")
        stat = cache.stat()
        state = stat.st_mtime_ns, stat.st_size
        read = self._read  # once: a job may forget it meanwhile
        if read is None or read[0] != state:
            read = self._read = state, load_dataset(cache)
        return read[1]

    def _overview(self) -> dict[str, Any]:
        data = self._dataset()
        corrected = Counter(p.label for p in self.station.inbox.photographs())
        photographs = Counter(table_row.label for table_row in data.table_rows)
        parts: dict[str, set[int]] = {}
        for table_row, group in zip(data.table_rows, data.groups.tolist(), strict=True):
            parts.setdefault(table_row.label, set()).add(group)
        names = [*photographs, *(name for name in corrected if name not in photographs)]
        return {
            "classes": [
                {
                    "label": name,
                    "photographs": photographs[name],
                    "parts": len(parts.get(name, ())),
                    "corrected": corrected[name],
                }
                for name in names
            ],
            "parts": len(set(data.groups.tolist())),
            "photographs": len(data),
            "proposed": data.proposal is not None,
            "how": (data.proposal or data.folder.group_rule).describe(),
            "root": Path(data.folder.root).name,
            "warnings": list(data.warnings),
        }

    def _parts(self, page: int, find: str) -> dict[str, Any]:
        data = self._dataset()
        members: dict[str, list[int]] = {}
        for number in range(len(data)):
            members.setdefault(_part(data, number), []).append(number)
        chosen = [
            (name, numbers)
            for name, numbers in members.items()
            if not find
            or find in name.casefold()
            or any(find in data.table_rows[n].path.casefold() for n in numbers)
        ]
        # Those of several photographs first: whether these show one part is the question.
        chosen.sort(key=lambda item: len(item[1]) == 1)
        shown = chosen[page * _PAGE : (page + 1) * _PAGE]
        return {
            "parts": [
                {"part": name, "photographs": [_photograph(data, n) for n in numbers]}
                for name, numbers in shown
            ],
            "total": len(chosen),
            "more": len(chosen) > (page + 1) * _PAGE,
        }

    def _save(self, moved: object) -> dict[str, Any]:
        data = self._dataset()
        paths = {table_row.path: number for number, table_row in enumerate(data.table_rows)}
        changed = _checked(moved, paths)
        rows = [
            {"path": table_row.path, "group": changed.get(table_row.path, _part(data, number))}
            for number, table_row in enumerate(data.table_rows)
        ]
        path = self.station.settings.inbox / TABLE
        write_whole(path, MARK + to_csv(["path", "group"], rows))
        return {"path": str(path), "moved": len(changed)}

    def _apply(self, say: Say) -> dict[str, Any]:
        settings = self.station.settings
        table = settings.inbox / TABLE
        if not table.is_file():
            raise DataError(f"found no {table}; save the table first")
        with open_cache(settings.cache) as cache:
            root = Path(str(cache.note.get("root", "")))
        if settings.data is None or settings.data.resolve() != root.resolve():
            raise DataError(
                "the cache was filled from another folder than --data; expected the same; use "
                f"the table yourself: extract FOLDER --groups {table}"
            )
        options = ExtractOptions(
            group_rule=GroupRule("file", str(table.resolve())),
            weights=settings.weights,
            engine=settings.engine,
        )
        done = extract_folder(
            settings.data,
            settings.cache,
            options,
            progress=lambda at, of: say("photographs", at, of),
        )
        self._read = None
        return {"photographs": len(done.extraction.table_rows), "ungrouped": done.ungrouped}


def _part(data: Dataset, number: int) -> str:
    """Name the part of a photograph; one of its own is called by its path."""
    table_row = data.table_rows[number]
    return table_row.group or table_row.path


def _photograph(data: Dataset, number: int) -> dict[str, Any]:
    table_row = data.table_rows[number]
    return {
        "path": table_row.path,
        "name": table_row.path.rpartition("/")[2],
        "digest": table_row.digest,
        "label": table_row.label,
    }


def _checked(moved: object, paths: Mapping[str, int]) -> dict[str, str]:
    """Check what a client moved.

    Raises:
        DataError: it is something else, or names photographs that the cache has not.
    """
    if not isinstance(moved, dict) or not moved:
        raise DataError("found nothing that was moved; expected photographs with their new parts")
    for path, part in moved.items():
        if path not in paths:
            raise DataError(f"found {str(path)[:80]!r}; expected a photograph of the cache")
        if not isinstance(part, str) or not part.strip() or len(part) > _LONGEST:
            raise DataError(f"found the part {str(part)[:80]!r}; expected a name")
    return {path: part.strip() for path, part in moved.items()}
