"""Say what was decided at the line, when, and by which model: one JSON line for each part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from features.errors import DataError
from pipeline.line.json_lines import append_lines, is_number, read_lines


@dataclass(frozen=True)
class LoggedVerdict:
    """The verdict on one part, as it was told.

    Attributes:
        time: seconds since 1970.
        source: who asked: "page", "service" or "watch".
        part: its name.
        digests: SHA-256 (hex) of its photographs' files; "" for one that could not be read.
        verdict: class name, or "review"; None where no photograph can be read.
        probability: of two classes, that of the defective one; of more, of the verdict (0 to 1).
        limit: of two classes, from which probability on a part is not passed.
        model: `pipeline.line.corrections.model_fingerprint`.
        unlike: whether a photograph of it is unlike anything that the model was trained on.
        error: why there is no verdict; "" where there is one.
    """

    time: float
    source: str
    part: str
    digests: tuple[str, ...]
    verdict: str | None
    probability: float | None
    limit: float | None
    model: str
    unlike: bool = False
    error: str = ""


def append_verdicts(path: Path, verdicts: Iterable[LoggedVerdict]) -> None:
    """Add verdicts to a log; raises as `pipeline.line.json_lines.append_lines`."""
    append_lines(path, [asdict(one) for one in verdicts])


def read_verdicts(
    path: Path, since: float | None = None, *, last_bytes: int | None = None
) -> list[LoggedVerdict]:
    """Read the verdicts of a log, oldest first.

    Args:
        path: of the log; one that does not exist has none.
        since: only those of this time (seconds since 1970) and later.
        last_bytes: see `pipeline.line.json_lines.read_lines`.

    Raises:
        DataError: the log cannot be read, or a line of it is no verdict.
    """
    found = [_verdict(path, record) for record in read_lines(path, last_bytes)]
    return [one for one in found if since is None or one.time >= since]


def _verdict(path: Path, record: dict[str, Any]) -> LoggedVerdict:
    try:
        one = LoggedVerdict(**{**record, "digests": tuple(map(str, record["digests"]))})
        sound = _is_sound(one)
    except (KeyError, TypeError) as error:
        sound, why = False, str(error)
    else:
        why = "a number or a text is something else"
    if not sound:
        raise DataError(
            f"{path} has a line that is no verdict ({why}); expected what serve or watch wrote"
        )
    return one


def _is_sound(one: LoggedVerdict) -> bool:
    """Say whether numbers are numbers and texts are texts."""
    numbers = (one.time, *(n for n in (one.probability, one.limit) if n is not None))
    texts = (one.source, one.part, one.model, one.error, one.verdict or "")
    return all(is_number(n) for n in numbers) and all(isinstance(text, str) for text in texts)
