"""Rows to decisions: folders and classes, splits, heads, comparison, models, verdicts.

Everything that the commands do, for use from Python: typed, no printing, no exit.
"""

from pipeline.bundle import Bundle, load_bundle
from pipeline.classes import Classes
from pipeline.comparison import HeadComparison, best_head, compare_heads
from pipeline.dataset import Dataset, load_dataset
from pipeline.evaluate import Evaluation, evaluate_folder, evaluate_holdout
from pipeline.fit import Assessment, Fit, fit
from pipeline.grouping.proposal import Proposal
from pipeline.grouping.remembered import proposed_groups
from pipeline.grouping.rules import GroupRule
from pipeline.grouping.show import show_groups
from pipeline.heads import HEADS, Head, make_head
from pipeline.ladder import Ladder
from pipeline.predict import (
    Prediction,
    check_format,
    find_photographs,
    format_predictions,
    predict,
)
from pipeline.report import comparison_report, evaluation_report, fit_report, write_report
from pipeline.reproduce import reproduce
from pipeline.sheets import prediction_sheet
from pipeline.sync import FolderExtraction, extract_folder
from pipeline.train_cnn import CnnFit, train_cnn

__all__ = [
    "HEADS",
    "Assessment",
    "Bundle",
    "Classes",
    "CnnFit",
    "Dataset",
    "Evaluation",
    "Fit",
    "FolderExtraction",
    "GroupRule",
    "Head",
    "HeadComparison",
    "Ladder",
    "Prediction",
    "Proposal",
    "best_head",
    "check_format",
    "compare_heads",
    "comparison_report",
    "evaluate_folder",
    "evaluate_holdout",
    "evaluation_report",
    "extract_folder",
    "find_photographs",
    "fit",
    "fit_report",
    "format_predictions",
    "load_bundle",
    "load_dataset",
    "make_head",
    "predict",
    "prediction_sheet",
    "proposed_groups",
    "reproduce",
    "show_groups",
    "train_cnn",
    "write_report",
]
