"""Rows to decisions: folders and classes, splits, heads, comparison, models, verdicts.

Everything that the commands do, for use from Python: typed, no printing, no exit.
"""

from features.cache.maintenance import Collection, Merge, Verification, collect, merge, verify
from features.cache.repair import Repair, repair
from pipeline.audit import Audit, audit_dataset, save_audit
from pipeline.data.classes import Classes
from pipeline.data.dataset import Dataset, load_dataset
from pipeline.data.extract_folder import FolderExtraction, extract_folder
from pipeline.evaluation.judgements import Assessment
from pipeline.groups.contact_sheets import show_groups
from pipeline.groups.proposal import Proposal
from pipeline.groups.proposal_cache import proposed_groups
from pipeline.groups.rules import GroupRule
from pipeline.heads import HEADS, Head, make_head
from pipeline.heatmaps.drawing import heatmap_picture, legend_picture
from pipeline.heatmaps.explain import Frame, explain, frame_of
from pipeline.heatmaps.folder import check_folder, write_heatmaps
from pipeline.model.bundle import Bundle, load_bundle
from pipeline.model.evaluate import Evaluation, evaluate_folder, evaluate_holdout
from pipeline.model.predict import (
    Prediction,
    check_format,
    check_outputs,
    find_photographs,
    format_predictions,
    predict,
)
from pipeline.report import comparison_report, evaluation_report, fit_report, write_report
from pipeline.report.prediction_sheet import prediction_sheet
from pipeline.thresholds import Decision, ThresholdRule
from pipeline.training.compare_heads import HeadComparison, best_head, compare_heads
from pipeline.training.fit import Fit, fit
from pipeline.training.learning_curve import LearningCurve, learning_curve
from pipeline.write_up.ladder import Ladder
from pipeline.write_up.reproduce import reproduce
from pipeline.write_up.train_cnn import CnnFit, train_cnn

__all__ = [
    "HEADS",
    "Assessment",
    "Audit",
    "Bundle",
    "Classes",
    "CnnFit",
    "Collection",
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
    "Merge",
    "Prediction",
    "Proposal",
    "Repair",
    "ThresholdRule",
    "Verification",
    "audit_dataset",
    "best_head",
    "check_folder",
    "check_format",
    "check_outputs",
    "collect",
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
    "merge",
    "predict",
    "prediction_sheet",
    "proposed_groups",
    "repair",
    "reproduce",
    "save_audit",
    "show_groups",
    "train_cnn",
    "verify",
    "write_heatmaps",
    "write_report",
]
