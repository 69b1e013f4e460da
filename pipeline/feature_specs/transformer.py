"""Photographs' paths to rows inside scikit-learn's pipelines: a transformer over the cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from features.arrays import Rows
from features.backbones.engines import DEFAULT_ENGINE
from features.cache.row_parts import RowParts
from features.cache.shards import open_cache
from features.errors import DataError
from features.extract import extract
from features.extract_outcome import RunOptions
from features.photographs.file import Photograph
from pipeline.data.extract_folder import ExtractOptions, settings_asked_for
from pipeline.feature_specs.spec import FeatureSpec


class BottleneckFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The backbone's rows of photographs: paths in, rows out, each computed once in a cache's life.

    Nothing is learned in `fit`, so that it can stand before any estimator, in any fold.

    Attributes:
        cache: file that keeps the rows; made where there is none.
        features: what is made of each row, a text of `pipeline.feature_specs.spec`.
        backbone, weights, recipe, precision, taps: as `extract` takes them; None for the cache's
            own, or the defaults of a new one.
        engine: one of `features.backbones.engines.ENGINES`.
        batch_size: photographs per call of the backbone.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> features = BottleneckFeatures("features.h5", features="flat")
        >>> make_pipeline(features, LogisticRegression()).fit(paths, y).score(paths, y)
        1.0
    """

    def __init__(
        self,
        cache: str | Path = "features.h5",
        *,
        features: str = "flat",
        backbone: str | None = None,
        weights: str | None = None,
        recipe: str | None = None,
        precision: str | None = None,
        taps: Sequence[str] | None = None,
        engine: str = DEFAULT_ENGINE,
        batch_size: int = 32,
    ) -> None:
        self.cache = cache
        self.features = features
        self.backbone = backbone
        self.weights = weights
        self.recipe = recipe
        self.precision = precision
        self.taps = taps
        self.engine = engine
        self.batch_size = batch_size

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ANN401 - as scikit-learn has it
        """Learn nothing; see that the features are understood.

        Raises:
            FeatureSpecError: they are not; it is a ValueError as well.
        """
        FeatureSpec.parse(self.features)
        return self

    def transform(self, X: Sequence[str | Path]) -> Rows:
        """Give the rows of photographs, computing those that the cache lacks.

        Args:
            X: paths (n,), of the same kind as `extract` takes.

        Returns:
            float32 (n, width).

        Raises:
            DataError: a photograph cannot be read; it is a ValueError as well.
            OnepassError: see `features.extract.extract`.
        """
        spec, path = FeatureSpec.parse(self.features), Path(self.cache)
        options = ExtractOptions(
            self.backbone, self.weights, self.recipe, self.precision, self.engine, taps=self.taps
        )
        settings = settings_asked_for(path, options)
        photographs = [Photograph(Path(name), Path(name).as_posix()) for name in X]
        done = extract(
            photographs,
            settings,
            path,
            RunOptions(views=spec.views, batch_size=self.batch_size, max_failures=1.0),
        )
        if done.failed:
            first = done.failed[0]
            raise DataError(
                f"{len(done.failed)} of {len(photographs)} photographs cannot be read, such as "
                f"{first.path}: {first.reason}; expected one row for each; leave them out"
            )
        row_parts = RowParts.of(settings.fields)
        with open_cache(path) as cache:
            digests = [table_row.digest for table_row in done.table_rows]
            views = [cache.take(cache.rows_of(digests, view)) for view in spec.views]
        return (
            spec.of(views, row_parts)
            if digests
            else np.empty((0, spec.width(row_parts)), np.float32)
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Answer yes: there is nothing to fit."""
        return True
