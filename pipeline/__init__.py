"""Rows to decisions: folders and classes, splits, heads, comparison, models, verdicts.

Everything that the commands do, for use from Python: typed, no printing, no exit.
"""

from pipeline.audit import Audit, audit_dataset, save_audit
from pipeline.bundle import Bundle, load_bundle
from pipeline.classes import Classes
from pipeline.comparison import HeadComparison, best_head, compare_heads
from pipeline.dataset import Dataset, load_dataset
from pipeline.evaluate import Evaluation, evaluate_folder, evaluate_holdout
from pipeline.fit import Assessment, Fit, fit
from pipeline.groups import GroupRule
from pipeline.heads import HEADS, Head, make_head
from pipeline.ladder import Ladder
from pipeline.predict import (
    Prediction,
    check_format,
    find_photographs,
    format_predictions,
    predict,
)
from pipeline.reproduce import reproduce
from pipeline.sheets import prediction_sheet
from pipeline.sync import FolderExtraction, extract_folder
from pipeline.train_cnn import CnnFit, train_cnn

__all__ = [
    "HEADS",
    "Assessment",
    "Audit",
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
    "audit_dataset",
    "best_head",
    "check_format",
    "compare_heads",
    "evaluate_folder",
    "evaluate_holdout",
    "extract_folder",
    "find_photographs",
    "fit",
    "format_predictions",
    "load_bundle",
    "load_dataset",
    "make_head",
    "predict",
    "prediction_sheet",
    "reproduce",
    "save_audit",
    "train_cnn",
]
