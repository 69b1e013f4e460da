"""An audit's findings to contact sheets: the photographs that a person should look at."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.audit.result import Audit, PhotographFinding
from pipeline.sheet import SheetEntry, draw_sheet

SHOWN = 20


def audit_sheets(audit: Audit) -> dict[str, bytes]:
    """PNG by file name; a sheet without a photograph to show is not drawn."""
    sheets = {}
    if audit.labels is not None and audit.labels.suspects:
        sheets["labels.png"] = _label_sheet(audit)
    for name, found, what in (
        ("outliers.png", audit.outliers, "unlike all others"),
        ("unusable.png", audit.unusable, "hardly usable"),
    ):
        if found:
            sheets[name] = _photograph_sheet(audit, found, what)
    return sheets


def _label_sheet(audit: Audit) -> bytes:
    assert audit.labels is not None
    suspects = audit.labels.suspects
    title = (
        f"{min(SHOWN, len(suspects))} of {len(suspects)} labels to check, the most suspect first: "
        "what a model that never saw the part says, and the folder that the photograph lies in"
    )
    entries = [
        SheetEntry(audit.root / one.path, f"{one.suggested}? {one.p_suggested:.0%}", one.given)
        for one in suspects[:SHOWN]
    ]
    return draw_sheet(entries, title)


def _photograph_sheet(audit: Audit, found: Sequence[PhotographFinding], what: str) -> bytes:
    title = f"{min(SHOWN, len(found))} of {len(found)} photographs that are {what}"
    entries = [SheetEntry(audit.root / one.path, one.caption, one.label) for one in found[:SHOWN]]
    return draw_sheet(entries, title)
