"""Ask what is wrong with photographs and labels before a model is trusted."""

from pipeline.audit.result import (
    Audit,
    CopyFinding,
    FactFinding,
    LabelFinding,
    LabelFindings,
    PhotographFinding,
    Shortcuts,
)
from pipeline.audit.run import audit_dataset, save_audit

__all__ = [
    "Audit",
    "CopyFinding",
    "FactFinding",
    "LabelFinding",
    "LabelFindings",
    "PhotographFinding",
    "Shortcuts",
    "audit_dataset",
    "save_audit",
]
