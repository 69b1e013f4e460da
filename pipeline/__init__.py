"""Rows to decisions: folders and classes, splits, heads, comparison, models, verdicts.

Everything that the commands do, for use from Python: typed, no printing, no exit.
"""

from pipeline.assessment import Assessment
from pipeline.audit import Audit, audit_dataset, save_audit
from pipeline.bundle import Bundle, load_bundle
from pipeline.classes import Classes
from pipeline.comparison import HeadComparison, best_head, compare_heads
from pipeline.dataset import Dataset, load_dataset
from pipeline.evaluate import Evaluation, evaluate_folder, evaluate_holdout
from pipeline.fit import Fit, fit
from pipeline.grouping.proposal import Proposal
from pipeline.grouping.remembered import proposed_groups
from pipeline.grouping.rules import GroupRule
from pipeline.grouping.show import show_groups
from pipeline.heads import HEADS, Head, make_head
from pipeline.heatmaps.drawing import heatmap_picture, legend_picture
from pipeline.heatmaps.explain import Frame, explain, frame_of
from pipeline.heatmaps.folder import check_folder, write_heatmaps
from pipeline.ladder import Ladder
from pipeline.learning.curve import LearningCurve, learning_curve
from pipeline.predict import (
    Prediction,
    check_format,
    check_outputs,
    find_photographs,
    format_predictions,
    predict,
)
from pipeline.report import comparison_report, evaluation_report, fit_report, write_report
from pipeline.reproduce import reproduce
from pipeline.sheets import prediction_sheet
from pipeline.sync import FolderExtraction, extract_folder
from pipeline.thresholds import Decision, ThresholdRule
from pipeline.train_cnn import CnnFit, train_cnn

__all__ = [
    "HEADS",
    "Assessment",
    "Audit",
    "Bundle",
    "Classes",
    "CnnFit",
    "Dataset",
    "Decision",
    "Evaluation",
    "Fit",
    "FolderExtraction",
    "Frame",
    "GroupRule",
    "Head",
    "HeadComparison",
    "Ladder",
    "LearningCurve",
    "Prediction",
    "Proposal",
    "ThresholdRule",
    "audit_dataset",
    "best_head",
    "check_folder",
    "check_format",
    "check_outputs",
    "compare_heads",
    "comparison_report",
    "evaluate_folder",
    "evaluate_holdout",
    "evaluation_report",
    "explain",
    "extract_folder",
    "find_photographs",
    "fit",
    "fit_report",
    "format_predictions",
    "frame_of",
    "heatmap_picture",
    "learning_curve",
    "legend_picture",
    "load_bundle",
    "load_dataset",
    "make_head",
    "predict",
    "prediction_sheet",
    "proposed_groups",
    "reproduce",
    "save_audit",
    "show_groups",
    "train_cnn",
    "write_heatmaps",
    "write_report",
]
