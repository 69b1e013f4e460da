"""A user's own scikit-learn estimator as a head: `--head module:Class`.

What it learned is kept as a file of skops, without pickle. Opening such a file imports the class
and builds its objects, so a model with one opens only where the user says so (`--trust`).
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Rows
from features.errors import BundleError, HeadError
from features.files import whole_file
from features.untrusted_files import read_bytes
from pipeline.heads.base import AnyRows, EpochProgress, Head, Scalar, as_probabilities
from pipeline.heads.files import Arrays

_FILE = "head.skops"
_FLAGS = {"true": True, "false": False, "1": True, "0": False}

TRUSTED = (
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "_loss.CyHalfBinomialLoss",  # the same two, as scikit-learn before 1.9 calls them
    "_loss.CyHalfMultinomialLoss",
    "sklearn.tree._tree.Tree",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
"""What scikit-learn's estimators hold beside what skops knows. No other type is built."""


class UserHead(Head):
    """An estimator behind the contract of a head; made by `user_head_class`.

    Its settings are those parameters of its constructor that are numbers, texts or None.
    """

    title = "A user's estimator"
    space: ClassVar[Literal["rows", "raw"]] = "raw"
    calibrate_on: ClassVar[Literal["logit", "share"] | None] = "logit"
    streams: ClassVar[bool] = False
    kind: ClassVar[type[Any]]
    _trained: Any = None

    def estimator(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """Make an untrained estimator with the settings in force.

        Raises:
            HeadError: it is no classifier, or gives no probabilities.
        """
        from sklearn.base import is_classifier

        made = self.kind().set_params(**self.settings)
        if "random_state" in made.get_params(deep=False) and "random_state" not in self.settings:
            made.set_params(random_state=self.seed % 2**32)
        if not is_classifier(made) or not hasattr(made, "predict_proba"):
            raise HeadError(
                f"{self.name} is no classifier with probabilities (predict_proba); expected one, "
                "as sklearn.linear_model:LogisticRegression; of an SVC: --set probability=true; "
                "else put it into sklearn.calibration.CalibratedClassifierCV in a class of your own"
            )
        return made

    def _fit(self, X: AnyRows, y: Indices, groups: Indices, progress: EpochProgress | None) -> None:
        self._trained = self.estimator().fit(np.asarray(X), y)

    def _predict_proba(self, X: Rows) -> Floats:
        shares = np.asarray(self._trained.predict_proba(X), np.float64)
        return as_probabilities(shares, self.n_classes, self._trained.classes_)

    def _save_numbers(self, folder: Path) -> None:
        """Write what was learned with skops.

        Raises:
            HeadError: it holds objects that only pickle could keep.
        """
        from skops import io

        content = io.dumps(self._trained)
        foreign = self._foreign(content)
        if foreign:
            raise HeadError(
                f"{self.name} holds {', '.join(foreign)} once it is trained, which cannot be kept "
                "without pickle; expected numbers, arrays and estimators of scikit-learn; compare "
                "it with compare-heads, or keep what it learns as arrays"
            )
        with whole_file(folder / _FILE) as temporary:
            temporary.write_bytes(content)

    def _load_numbers(self, folder: Path, record: Mapping[str, Any]) -> None:
        from skops import io

        content = read_bytes(folder / _FILE)
        foreign = self._foreign(content)
        if foreign:
            raise BundleError(
                f"{folder / _FILE} holds {', '.join(foreign)}; expected a {self.name}; do not use "
                "this model"
            )
        trained = io.loads(content, trusted=[*TRUSTED, self._own])
        if type(trained) is not self.kind or not hasattr(trained, "classes_"):
            raise BundleError(
                f"{folder / _FILE} holds a {type(trained).__name__}; expected a trained "
                f"{self.name}; fit the model again"
            )
        self._trained = trained

    @property
    def _own(self) -> str:
        return f"{self.kind.__module__}.{self.kind.__qualname__}"

    def _foreign(self, content: bytes) -> list[str]:
        from skops import io

        return sorted(set(io.get_untrusted_types(data=content)) - {*TRUSTED, self._own})

    def _arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        raise NotImplementedError(f"{self.name} is kept as a file of skops")

    def _restore(self, arrays: Arrays) -> None:
        raise NotImplementedError(f"{self.name} is kept as a file of skops")

    @classmethod
    def _parse(cls, name: str, value: Scalar) -> Scalar:
        """Read a value by the type of the parameter's default; of None a number, or else a text."""
        default = cls.defaults[name]
        kinds: tuple[Any, ...] = (int, float, str) if default is None else (type(default),)
        for kind in kinds:
            try:
                if kind is bool:
                    return _FLAGS[str(value).lower()]
                found: Scalar = kind(value)
            except (ValueError, TypeError, KeyError):
                continue
            if kind is str or float(found) == float(value):
                return found
        raise HeadError(
            f"setting {name} of head {cls.name!r} is {value!r}; expected a value such as "
            f"{default!r}; its settings are: {', '.join(cls.defaults)}"
        )


@functools.cache
def user_head_class(path: str) -> type[UserHead]:
    """Import an estimator's class and make a class of heads of it.

    The current folder is looked in as well, after all others.

    Args:
        path: "module:Class".

    Raises:
        HeadError: there is none, it is no estimator, or it cannot be made without arguments.

    Example:
        >>> user_head_class("sklearn.naive_bayes:GaussianNB")().fit(X, y).predict(X).shape
        (72,)
    """
    module, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        kind = getattr(importlib.import_module(module), name)
        parameters = kind().get_params(deep=False)
        callable(kind.fit)
    except Exception as error:
        raise HeadError(
            f"head {path!r} cannot be used ({error!r}); expected module:Class of a scikit-learn "
            "estimator that needs no arguments, as sklearn.naive_bayes:GaussianNB"
        ) from error
    settings = {
        key: value
        for key, value in parameters.items()
        if (value is None or isinstance(value, str | int | float))
        and not hasattr(UserHead, key)
        and key != "seed"
    }
    return type(kind.__name__ + "Head", (UserHead,), {
        "__module__": __name__, "__doc__": f"{path} as a head.", "name": path,
        "title": kind.__name__, "defaults": settings, "kind": kind,
    })  # fmt: skip
