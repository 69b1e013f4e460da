"""Questions to a person: labels in doubt, and the parts that would teach most.

A question shows photographs and takes a class, or that nobody can tell. The answer is a correction
like any other (`pipeline.line.corrections`), and the next refit learns from it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from features.errors import DataError, ImageError
from features.files import refuse_outside
from features.photographs.file import Photograph, read_photograph
from pipeline.audit import audit_dataset
from pipeline.data.dataset import load_dataset
from pipeline.data.folder import find_pictures
from pipeline.evaluation.band import REVIEW_NAME
from pipeline.line.corrections import Correction, Judgement, Shown
from pipeline.line.next import Candidate, next_to_label
from pipeline.model.probabilities import PredictOptions
from pipeline.serve.answers import correction_answer, number
from pipeline.serve.api import read_json, run, told
from pipeline.serve.jobs import Jobs
from pipeline.serve.kept_photographs import is_digest
from pipeline.serve.refit import Say
from pipeline.serve.station import Station

UNLABELLED = "unlabelled"
"""Folder of an inbox for photographs that are to be looked through."""

COUNT = 20
_SHUFFLES = 19  # of the audit's test against chance, which is not shown here


@dataclass(frozen=True)
class Question:
    """Photographs of one part that a person is asked about.

    Attributes:
        id: of the question.
        shown: what is told beside them.
        digests: of the photographs, the one to look at first in front.
        given: the class that they have now; "" for none.
        why: they are asked about.
    """

    id: str
    shown: Shown
    digests: tuple[str, ...]
    given: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """Give the question as the page shows it."""
        return {
            "id": self.id,
            "part": self.shown.part,
            "verdict": self.shown.verdict,
            "probability": number(self.shown.probability),
            "digests": list(self.digests),
            "given": self.given or None,
            "why": self.why,
        }


class Labelling:
    """Say what the pages Next and Data ask for and send."""

    def __init__(self, station: Station, jobs: Jobs) -> None:
        """Serve this station."""
        self.station, self.jobs = station, jobs
        self._asked: dict[str, Question] = {}

    def routes(self) -> list[Route]:
        """List their addresses."""
        return [
            Route("/v1/next", told(self.next), methods=["POST"]),
            Route("/v1/suspects", told(self.suspects), methods=["POST"]),
            Route("/v1/questions/{id}", told(self.answer), methods=["POST"]),
        ]

    async def next(self, request: Request) -> Response:
        """Start to look for the parts that would teach most; see /v1/jobs/next."""
        return JSONResponse(self.jobs.start("next", self._next).to_json(), 202)

    async def suspects(self, request: Request) -> Response:
        """Start to look for labels in doubt; see /v1/jobs/suspects."""
        return JSONResponse(self.jobs.start("suspects", self._suspects).to_json(), 202)

    async def answer(self, request: Request) -> Response:
        """Take a class: {"label": CLASS}, or "" for cannot tell."""
        asked = await read_json(request)
        label, note, by = (str(asked.get(name, "")) for name in ("label", "note", "by"))
        made = await run(self._answer, str(request.path_params["id"]), label, note, by)
        return JSONResponse(correction_answer(made), 201)

    # ---- what they do ---------------------------------------------------------------------

    def _answer(self, name: str, label: str, note: str, by: str) -> Correction:
        question = self._asked.get(name)
        if question is None:
            raise DataError("this question is not known any more; look for them again")
        if label and label not in self.station.labels:
            raise DataError(
                f"found the class {label!r}; expected one of {', '.join(self.station.labels)}"
            )
        judgement: Judgement = "unsure"
        if label:
            known = question.given or question.shown.verdict
            same = {label} if question.given else {label, self.station.class_of(label)}
            judgement = "right" if known in {None, REVIEW_NAME, *same} else "wrong"
        return self.station.keep_correction(
            question.shown, question.digests, judgement, label, note=note, by=by
        )

    def _ask(self, questions: Sequence[Question]) -> dict[str, Any]:
        self._asked |= {one.id: one for one in questions}
        return {"questions": [one.to_json() for one in questions]}

    def _next(self, say: Say) -> dict[str, Any]:
        station, settings = self.station, self.station.settings
        photographs = self._unlabelled(say)
        if not photographs:
            return {"questions": []}
        known = {digest for one in station.inbox.corrections() for digest in one.digests}
        options = PredictOptions(
            settings.weights, settings.engine, max_pixels=settings.limits.pixels
        )
        try:
            found = next_to_label(
                station.model.bundle, photographs, settings.cache, options, count=COUNT,
                known=known, progress=lambda at, of: say("photographs", at, of),
            )  # fmt: skip
        except DataError:  # all of them are labelled
            return {"questions": []}
        return self._ask([self._question(one) for one in found])

    def _unlabelled(self, say: Say) -> list[Photograph]:
        """Find photographs that were judged lately, and those in the folder for it."""
        station = self.station
        found = []
        for name, told_ in station.history.latest(1000):
            for digest in told_.digests:
                file = station.kept.folder / digest
                if is_digest(digest) and station.kept.has(digest):
                    found.append(Photograph(file, f"{told_.part} {digest[:8]}", group=name))
        found += self._offered(say)
        return list({one.file: one for one in found}.values())

    def _offered(self, say: Say) -> list[Photograph]:
        """Find photographs in the folder for it; what cannot be read is asked for later."""
        folder = self.station.settings.inbox / UNLABELLED
        refuse_outside(folder, folder.parent)
        if not folder.is_dir():
            return []
        try:
            pictures, _ = find_pictures(folder)
        except DataError:  # there is none
            return []
        found = []
        for at, file in enumerate(pictures):
            say("reading", at, len(pictures))
            refuse_outside(file, folder)
            try:
                data = read_photograph(file, max_pixels=self.station.settings.limits.pixels)
            except ImageError:
                continue
            path = file.relative_to(folder).as_posix()
            self.station.offered[hashlib.sha256(data).hexdigest()] = folder, path
            found.append(Photograph(file, path, group=path))
        return found

    def _question(self, one: Candidate) -> Question:
        first = one.shown.digest
        others = [p.digest for p in one.photographs if p.digest != first and p.error is None]
        path = one.shown.path
        part = path.rpartition(" ")[0] if is_digest(one.shown.file.name) else path
        shown = Shown(part, one.verdict, one.probability, self.station.model.fingerprint)
        return Question(secrets.token_hex(8), shown, (first, *others), "", one.why)

    def _suspects(self, say: Say) -> dict[str, Any]:
        data = load_dataset(self.station.settings.cache)
        found = audit_dataset(
            data, shuffles=_SHUFFLES, progress=lambda at, of: say("photographs", at, of)
        )
        if found.labels is None:
            return {"questions": [], "notes": found.notes}
        table_rows = {table_row.path: table_row for table_row in data.table_rows}
        known = {digest for one in self.station.inbox.corrections() for digest in one.digests}
        questions = []
        for one in found.labels.suspects:
            table_row = table_rows[one.path]
            if table_row.digest in known:
                continue
            chances = (one.given, one.p_given), (one.suggested, one.p_suggested)
            why = ", ".join(f"{name} {100 * p:.0f} %" for name, p in chances)
            shown = Shown(one.path, one.suggested, one.p_suggested, "audit")
            questions.append(
                Question(secrets.token_hex(8), shown, (table_row.digest,), one.given, why)
            )
        return self._ask(questions) | {"notes": found.notes}


def folder_to_fill(inbox: Path) -> str:
    """Say where to put photographs that are to be looked through, for a person."""
    return str(inbox / UNLABELLED)
