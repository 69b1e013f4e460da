"""Say what scikit-learn asks of a classifier: parameters, clones, tags, labels and a score.

`sklearn.base.BaseEstimator` would give most of it, but importing scikit-learn takes half a second,
which commands that train nothing need not wait for: so it is imported only where it is used.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Rows
from features.errors import HeadError

Scalar = str | int | float


class Classifier:
    """The part of a head that scikit-learn's tools talk to.

    Each setting in `defaults` is a parameter of the constructor and an attribute of the same name;
    None, which every one is where nothing is given, leaves the value to `fit`.

    Attributes:
        seed: of everything random in `fit`.
        classes_: after `fit`, the labels, in the order of the probabilities.
        n_features_in_: after `fit`, the number of values in a row.
    """

    name: ClassVar[str]
    defaults: ClassVar[Mapping[str, Scalar]] = {}
    classes_: npt.NDArray[Any]
    n_features_in_: int
    seed: int

    def __init__(self, *, seed: int = 0, **settings: Scalar | None) -> None:
        """Take parameters as they are; `fit` checks their values.

        Raises:
            HeadError: a setting that this head does not have.
        """
        for name in settings:
            if name not in self.defaults:
                raise self._unknown(name)
        self.seed = seed
        for name in self.defaults:
            setattr(self, name, settings.get(name))

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401 - handed on
        """Give the class a constructor that shows its settings, to `help` and to scikit-learn."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            return

        def __init__(  # noqa: N807 - becomes the method
            self: Classifier, *, seed: int = 0, **settings: Scalar | None
        ) -> None:
            Classifier.__init__(self, seed=seed, **settings)

        named = {"seed": 0} | dict.fromkeys(cls.defaults)
        keyword = inspect.Parameter.KEYWORD_ONLY
        itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = [inspect.Parameter(k, keyword, default=v) for k, v in named.items()]
        __init__.__signature__ = inspect.Signature([itself, *parameters])  # type: ignore[attr-defined]
        __init__.__doc__ = f"Make an untrained head; settings: {', '.join(cls.defaults) or 'none'}."
        cls.__init__ = __init__  # type: ignore[method-assign]

    def predict_proba(self, X: Any) -> Floats:  # noqa: ANN401 - see `Head.predict_proba`
        """Predict probabilities (n, n_classes); see `Head.predict_proba`."""
        raise NotImplementedError

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the seed and the settings by name; None for those that are left to `fit`."""
        return {name: getattr(self, name) for name in ("seed", *self.defaults)}

    def set_params(self, **params: Any) -> Self:  # noqa: ANN401 - as scikit-learn has it
        """Set the seed or settings by name.

        Raises:
            HeadError: a setting that this head does not have; it is a ValueError as well.
        """
        for name, value in params.items():
            if name != "seed" and name not in self.defaults:
                raise self._unknown(name)
            setattr(self, name, value)
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - see `Head.predict_proba`
        """Label of the most probable class, (n,), for rows (n, input_width)."""
        numbers = self.predict_proba(X).argmax(axis=1)
        found: npt.NDArray[Any] = self.classes_[numbers]
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: ANN401 - what scikit-learn hands over
        """Compute the share of rows predicted right; what cross_validate takes unasked."""
        from sklearn.metrics import accuracy_score

        return float(accuracy_score(y, self.predict(X), sample_weight=sample_weight))

    def get_metadata_routing(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """Ask for the parts: where routing is switched on, `groups` go to `fit` by themselves."""
        from sklearn.utils.metadata_routing import MetadataRequest

        request = MetadataRequest(owner=self)
        request.fit.add_request(param="groups", alias=True)
        return request

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """Say what kind of estimator this is: a classifier of dense rows, two classes or more."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(),
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Say whether `fit` or `load` has been there."""
        return hasattr(self, "classes_")

    def __repr__(self) -> str:
        given = {name: value for name, value in self.get_params().items() if value is not None}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in given.items())})"

    @classmethod
    def _unknown(cls, name: str) -> HeadError:
        known = ", ".join(cls.defaults) or "none"
        return HeadError(f"head {cls.name!r} has no setting {name!r}; its settings are: {known}")

    def _numbered(
        self,
        X: Any,  # noqa: ANN401 - whatever it is
        y: Any,  # noqa: ANN401 - what scikit-learn hands over
    ) -> tuple[Rows, npt.NDArray[Any], Indices]:
        """Check rows and labels as scikit-learn does: rows, classes, and their numbers (n,).

        Raises:
            ValueError, TypeError: scikit-learn's own.
        """
        from sklearn.utils.multiclass import check_classification_targets
        from sklearn.utils.validation import validate_data

        rows, labels = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(labels)
        classes, numbers = np.unique(labels, return_inverse=True)
        return rows, classes, numbers

    def _as_rows(self, X: Any) -> Rows:  # noqa: ANN401 - whatever it is
        """Give rows to predict for; what `extract` gives passes untouched.

        Raises:
            HeadError: untrained; it is scikit-learn's NotFittedError as well.
            ValueError, TypeError: scikit-learn's own, for what is no array of finite numbers.
        """
        if not self.__sklearn_is_fitted__():
            raise _not_trained_error()(
                f"head {self.name!r} is not trained; expected rows that it learned from; call fit "
                "first"
            )
        if isinstance(X, np.ndarray) and X.dtype == np.float32 and X.ndim == 2:
            with np.errstate(over="ignore", invalid="ignore"):
                finite = np.isfinite(X.sum()) or np.isfinite(X).all()
            if finite:
                return X
        from sklearn.utils.validation import validate_data

        rows: Rows = validate_data(self, X, reset=False, dtype=np.float32)
        return rows


@functools.cache
def _not_trained_error() -> type[HeadError]:
    from sklearn.exceptions import NotFittedError

    class NotTrainedError(HeadError, NotFittedError):  # type: ignore[misc]
        """A head is asked to predict before it is trained."""

    return NotTrainedError
