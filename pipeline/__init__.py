"""Rows to decisions: folders and classes, splits, heads, comparison, models, verdicts.

Everything that the commands do, for use from Python: typed, no printing, no exit. Each name is
imported when it is first asked for, so that a command loads no more than it runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from features.cache.maintenance import Collection, Merge, Verification, collect, merge, verify
    from features.cache.repair import Repair, repair
    from pipeline.audit import Audit, audit_dataset, save_audit
    from pipeline.data.classes import Classes
    from pipeline.data.dataset import Dataset, load_dataset
    from pipeline.data.extract_folder import ExtractOptions, FolderExtraction, extract_folder
    from pipeline.data.folder_record import FolderRecord
    from pipeline.evaluation.predictions import Assessment
    from pipeline.feature_specs.heads import Contender
    from pipeline.feature_specs.rows import load_rows
    from pipeline.feature_specs.spec import FLAT, FeatureSpec
    from pipeline.feature_specs.transformer import BottleneckFeatures
    from pipeline.groups.contact_sheets import show_groups
    from pipeline.groups.proposal import Proposal
    from pipeline.groups.proposal_cache import proposed_groups
    from pipeline.groups.rules import GroupRule
    from pipeline.heads import HEADS, Head, make_head
    from pipeline.heatmaps.drawing import heatmap_picture, legend_picture
    from pipeline.heatmaps.explain import Frame, explain, find_frame, frame_of
    from pipeline.heatmaps.folder import check_folder, write_heatmaps
    from pipeline.heatmaps.prediction_sheet import prediction_sheet
    from pipeline.model.bundle import Bundle, load_bundle
    from pipeline.model.evaluate import (
        EvaluateOptions,
        Evaluation,
        evaluate_folder,
        evaluate_holdout,
    )
    from pipeline.model.part_predictions import predict_parts, told_parts
    from pipeline.model.predict import Prediction, find_photographs, predict
    from pipeline.model.prediction_tables import (
        check_format,
        check_outputs,
        format_parts,
        format_predictions,
    )
    from pipeline.model.probabilities import PredictOptions
    from pipeline.model.record import ModelRecord
    from pipeline.report import (
        comparison_report,
        evaluation_report,
        fit_report,
        learning_curve_report,
        reproduction_report,
        write_report,
    )
    from pipeline.thresholds import Decision, ThresholdRule
    from pipeline.training.compare_heads import HeadComparison, best_head, compare_heads
    from pipeline.training.cross_validate import CompareOptions
    from pipeline.training.fit import Fit, FitOptions, fit
    from pipeline.training.learning_curve import CurveOptions, LearningCurve, learning_curve
    from pipeline.write_up.ladder import Ladder
    from pipeline.write_up.reproduce import ReproduceOptions, reproduce
    from pipeline.write_up.train_cnn import CnnFit, CnnOptions, train_cnn

_HOMES = {
    "ModelRecord": "pipeline.model.record",
    "FolderRecord": "pipeline.data.folder_record",
    "PredictOptions": "pipeline.model.probabilities",
    "CompareOptions": "pipeline.training.cross_validate",
    "CnnOptions": "pipeline.write_up.train_cnn",
    "ReproduceOptions": "pipeline.write_up.reproduce",
    "CurveOptions": "pipeline.training.learning_curve",
    "FitOptions": "pipeline.training.fit",
    "EvaluateOptions": "pipeline.model.evaluate",
    "ExtractOptions": "pipeline.data.extract_folder",
    "Assessment": "pipeline.evaluation.predictions",
    "Audit": "pipeline.audit",
    "BottleneckFeatures": "pipeline.feature_specs.transformer",
    "Bundle": "pipeline.model.bundle",
    "Classes": "pipeline.data.classes",
    "CnnFit": "pipeline.write_up.train_cnn",
    "Collection": "features.cache.maintenance",
    "Dataset": "pipeline.data.dataset",
    "Decision": "pipeline.thresholds",
    "Evaluation": "pipeline.model.evaluate",
    "Fit": "pipeline.training.fit",
    "Contender": "pipeline.feature_specs.heads",
    "FLAT": "pipeline.feature_specs.spec",
    "FeatureSpec": "pipeline.feature_specs.spec",
    "FolderExtraction": "pipeline.data.extract_folder",
    "Frame": "pipeline.heatmaps.explain",
    "GroupRule": "pipeline.groups.rules",
    "HEADS": "pipeline.heads",
    "Head": "pipeline.heads",
    "HeadComparison": "pipeline.training.compare_heads",
    "Ladder": "pipeline.write_up.ladder",
    "LearningCurve": "pipeline.training.learning_curve",
    "Merge": "features.cache.maintenance",
    "Prediction": "pipeline.model.predict",
    "Proposal": "pipeline.groups.proposal",
    "Repair": "features.cache.repair",
    "ThresholdRule": "pipeline.thresholds",
    "Verification": "features.cache.maintenance",
    "audit_dataset": "pipeline.audit",
    "best_head": "pipeline.training.compare_heads",
    "check_folder": "pipeline.heatmaps.folder",
    "check_format": "pipeline.model.prediction_tables",
    "check_outputs": "pipeline.model.prediction_tables",
    "collect": "features.cache.maintenance",
    "compare_heads": "pipeline.training.compare_heads",
    "comparison_report": "pipeline.report",
    "evaluate_folder": "pipeline.model.evaluate",
    "evaluate_holdout": "pipeline.model.evaluate",
    "evaluation_report": "pipeline.report",
    "explain": "pipeline.heatmaps.explain",
    "extract_folder": "pipeline.data.extract_folder",
    "find_photographs": "pipeline.model.predict",
    "fit": "pipeline.training.fit",
    "fit_report": "pipeline.report",
    "format_parts": "pipeline.model.prediction_tables",
    "format_predictions": "pipeline.model.prediction_tables",
    "find_frame": "pipeline.heatmaps.explain",
    "frame_of": "pipeline.heatmaps.explain",
    "heatmap_picture": "pipeline.heatmaps.drawing",
    "learning_curve": "pipeline.training.learning_curve",
    "learning_curve_report": "pipeline.report",
    "legend_picture": "pipeline.heatmaps.drawing",
    "load_bundle": "pipeline.model.bundle",
    "load_dataset": "pipeline.data.dataset",
    "load_rows": "pipeline.feature_specs.rows",
    "make_head": "pipeline.heads",
    "merge": "features.cache.maintenance",
    "predict": "pipeline.model.predict",
    "predict_parts": "pipeline.model.part_predictions",
    "prediction_sheet": "pipeline.heatmaps.prediction_sheet",
    "proposed_groups": "pipeline.groups.proposal_cache",
    "repair": "features.cache.repair",
    "reproduce": "pipeline.write_up.reproduce",
    "reproduction_report": "pipeline.report",
    "save_audit": "pipeline.audit",
    "show_groups": "pipeline.groups.contact_sheets",
    "told_parts": "pipeline.model.part_predictions",
    "train_cnn": "pipeline.write_up.train_cnn",
    "verify": "features.cache.maintenance",
    "write_heatmaps": "pipeline.heatmaps.folder",
    "write_report": "pipeline.report",
}

__all__ = [
    "FLAT",
    "HEADS",
    "Assessment",
    "Audit",
    "BottleneckFeatures",
    "Bundle",
    "Classes",
    "CnnFit",
    "CnnOptions",
    "Collection",
    "CompareOptions",
    "Contender",
    "CurveOptions",
    "Dataset",
    "Decision",
    "EvaluateOptions",
    "Evaluation",
    "ExtractOptions",
    "FeatureSpec",
    "Fit",
    "FitOptions",
    "FolderExtraction",
    "FolderRecord",
    "Frame",
    "GroupRule",
    "Head",
    "HeadComparison",
    "Ladder",
    "LearningCurve",
    "Merge",
    "ModelRecord",
    "PredictOptions",
    "Prediction",
    "Proposal",
    "Repair",
    "ReproduceOptions",
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
    "find_frame",
    "find_photographs",
    "fit",
    "fit_report",
    "format_parts",
    "format_predictions",
    "frame_of",
    "heatmap_picture",
    "learning_curve",
    "learning_curve_report",
    "legend_picture",
    "load_bundle",
    "load_dataset",
    "load_rows",
    "make_head",
    "merge",
    "predict",
    "predict_parts",
    "prediction_sheet",
    "proposed_groups",
    "repair",
    "reproduce",
    "reproduction_report",
    "save_audit",
    "show_groups",
    "told_parts",
    "train_cnn",
    "verify",
    "write_heatmaps",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home.

    Raises:
        AttributeError: no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *__all__})
