"""Results as one HTML file that a person reads: the verdict first, then what stands behind it."""

from pipeline.report.curve_reports import learning_curve_report, reproduction_report
from pipeline.report.reports import comparison_report, evaluation_report, fit_report, write_report

__all__ = [
    "comparison_report",
    "evaluation_report",
    "fit_report",
    "learning_curve_report",
    "reproduction_report",
    "write_report",
]
