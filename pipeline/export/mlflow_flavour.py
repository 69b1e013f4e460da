"""Models and their scores in MLflow, for teams that keep theirs there: `fit --log-to mlflow`.

What is logged is the model's folder as it is, and this module as what loads it: no pickle, and the
same verdicts as `predict`. MLflow's own telemetry is switched off before it is imported. Where it
keeps its runs, its own variables say (MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME).
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from features.errors import DataError, EngineError
from features.files import write_whole
from features.photographs.file import Photograph
from pipeline.export.model_card import model_card
from pipeline.model.bundle import Bundle, load_bundle, read_record
from pipeline.model.predict import predict
from pipeline.model.probabilities import PredictOptions

MLFLOW = "mlflow"


def check_log_to(name: str | None) -> None:
    """Say before hours of training that nothing could be logged there.

    Raises:
        DataError: a name that is not known.
        EngineError: MLflow is not installed.
    """
    if name is None:
        return
    if name != MLFLOW:
        raise DataError(f"found --log-to {name!r}; expected {MLFLOW}")
    if importlib.util.find_spec(MLFLOW) is None:
        raise EngineError(
            "--log-to mlflow needs a package that is not installed; "
            'run: pip install "onepass[mlflow]"'
        )


def log_to_mlflow(folder: Path, report: Path | None = None) -> str:
    """Log a model: parameters, scores, card, report, and the model itself.

    Args:
        folder: of a model that `fit` wrote.
        report: its page, if there is one.

    Returns:
        The address of the logged model, for `mlflow.pyfunc.load_model`.

    Raises:
        BundleError: the folder holds no model.
        EngineError: MLflow cannot be reached, or does not take it.
    """
    check_log_to(MLFLOW)
    facts = read_record(folder).to_json()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    import mlflow

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        with mlflow.start_run(run_name=folder.name), tempfile.TemporaryDirectory() as other:
            mlflow.log_params(dict(parameters(facts)))
            mlflow.log_metrics(dict(scores(facts)))
            card = Path(other) / "card.md"
            write_whole(card, model_card(folder))
            mlflow.log_artifact(str(card))
            if report is not None:
                mlflow.log_artifact(str(report))
            logged = mlflow.pyfunc.log_model(
                name="model",
                loader_module=__name__,
                data_path=str(folder),
                pip_requirements=["onepass"],
            )
            return str(logged.model_uri)
    except Exception as error:  # whatever MLflow and its stores raise
        raise EngineError(
            f"MLflow did not take the model ({' '.join(str(error).split())[:200]}); the model "
            f"itself is in {folder}; see MLFLOW_TRACKING_URI"
        ) from error


def parameters(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """List what was asked for and chosen, by name."""
    yield "head", facts["head"]
    yield "feature_spec", facts["feature_spec"]
    for name in ("backbone", "precision"):
        yield name, facts["fingerprint"][name]
    yield "recipe", facts["fingerprint"]["recipe"]["name"]
    yield "weights", facts["weights"]["digest"]
    for name in ("kind", "seed", "test_size"):
        yield f"split_{name}", facts["split"][name]
    for name in ("pass_below", "reject_from", "method", "part_rule"):
        yield name, facts["decision"][name]
    for name, value in facts["settings"].items():
        yield f"head_{name}", value


def scores(facts: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """List the scores of the holdout with their intervals, by name; those that are defined."""
    for side, prefix in (("holdout_parts", "part"), ("holdout", "photograph")):
        for name, value in ((facts.get(side) or {}).get("scores") or {}).items():
            low, high = facts[side]["intervals_95"].get(name, (None, None))
            for word, number in (("", value), ("_low", low), ("_high", high)):
                if number is not None and math.isfinite(number):
                    yield f"{prefix}_{name}{word}", float(number)


class OnepassModel:
    """A model as MLflow asks it; see `_load_pyfunc`.

    Attributes:
        bundle: the loaded model.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Take a loaded model."""
        self.bundle = bundle

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> list[Any]:  # noqa: ANN401 - whatever MLflow hands over
        """Judge photographs.

        Args:
            model_input: paths of files: a list, or a table whose first column has them.
            params: "weights" and "engine", as the options of `predict`.

        Returns:
            A dict for each: path, class, probability, note, error.
        """
        if hasattr(model_input, "columns"):
            model_input = model_input[model_input.columns[0]].tolist()
        given = {key: str(value) for key, value in (params or {}).items()}
        found = predict(
            self.bundle,
            [Photograph(Path(path), str(path)) for path in model_input],
            None,
            PredictOptions(weights=given.get("weights"), engine=given.get("engine", "auto")),
        )
        return [
            {
                "path": one.path,
                "class": one.verdict,
                "probability": one.probability,
                "note": one.why,
                "error": one.error,
            }
            for one in found
        ]


def _load_pyfunc(path: str) -> OnepassModel:
    """Load what was logged; MLflow calls it by this name. Nothing of the folder is run."""
    return OnepassModel(load_bundle(Path(path)))
