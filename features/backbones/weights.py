"""Say which weights the backbone runs with: found, given a digest, never replaced silently."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from features.errors import WeightsError
from features.own_files import is_remote
from features.runtime import load_tensorflow

ENVIRONMENT_VARIABLE = "ONEPASS_WEIGHTS"
_DOWNLOAD_TIMEOUT = 30.0  # seconds without an answer; factory networks often swallow packets
_WAYS_ON = (
    "four ways on: see with weights that came with the installation, --backbone "
    "efficientnet-lite0, or copy {file} from a computer with internet to {folder}, or name a file "
    "with --weights FILE{environment}, or try things out with --weights random"
)

UNTRAINED_WARNING = (
    "UNTRAINED WEIGHTS: the backbone's numbers are random and have never seen a photograph. "
    "Everything runs, but the scores say nothing about what ImageNet weights would reach."
)


class TrainedWeights(Protocol):
    """Say where the trained weights of one backbone come from.

    Attributes:
        suffixes: of files that may hold such weights, lower case.
    """

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Give the ends of names of files that may hold such weights, lower case."""
        ...

    def find(self) -> Path:
        """Give the file of the ImageNet weights, downloaded if need be; raises WeightsError."""
        ...


@dataclass(frozen=True)
class KerasWeights:
    """Keras's own download of ImageNet weights without the top.

    Attributes:
        function: of keras.applications.
        file: its name in Keras's cache.
        checksum: MD5 or SHA-256 that Keras holds it against; "" where Keras has none.
        size: height and width of the input.
        environment: variable that may name a file; "" for none.
    """

    function: str
    file: str
    checksum: str
    size: int = 224
    environment: str = ""
    suffixes: tuple[str, ...] = (".h5", ".hdf5", ".keras")

    def find(self) -> Path:
        """See `TrainedWeights`: the file that the variable names, else Keras's cache."""
        named = os.environ.get(self.environment) if self.environment else None
        if named:
            if not Path(named).is_file():
                raise WeightsError(
                    f"no weights file at {named}; correct or unset {self.environment}"
                )
            return Path(named)
        cached = keras_cache() / self.file
        if not self._is_kerass_own(cached):
            _download(self)
        if not self._is_kerass_own(cached):
            raise WeightsError(
                f"Keras's download left no {self.file} with the expected checksum in "
                f"{cached.parent}; name a file with --weights FILE"
            )
        return cached

    def _is_kerass_own(self, path: Path) -> bool:
        """Say that it is cut off: its checksum is another, and Keras fetches it again."""
        if not path.is_file() or not self.checksum:
            return path.is_file()
        kind = "md5" if len(self.checksum) == 32 else "sha256"
        return file_digest(path, kind) == self.checksum


INCEPTION_V3 = KerasWeights(
    "InceptionV3",
    "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "bcbd6486424b2319ff4ef7d526e38f63",
    environment=ENVIRONMENT_VARIABLE,
)
"""Of the default backbone."""


@dataclass(frozen=True)
class Weights:
    """One set of backbone weights.

    Attributes:
        source: "imagenet", "file" or "random".
        path: the file; None for random weights, which are drawn from `seed`.
        digest: SHA-256 of the file's bytes, or "random:SEED"; part of every row's fingerprint.
        seed: of random weights.
    """

    source: str
    path: Path | None
    digest: str
    seed: int = 0

    @property
    def trained(self) -> bool:
        """Say whether these weights have learned anything."""
        return self.source != "random"

    def describe(self) -> str:
        """Say for a person where they come from."""
        if self.path is None:
            return f"random (untrained, seed {self.seed})"
        return f"{self.source} ({self.path.name}, sha256 {self.digest[:12]}…)"

    def locate(self, _trained: TrainedWeights = INCEPTION_V3) -> Weights:
        """Give these weights: they are found already."""
        return self


@dataclass(frozen=True)
class RecordedWeights:
    """The weights that a bundle was made with, found on this computer only when they are needed.

    Attributes:
        source, digest, seed: as in `Weights`.
        name: what `--weights` said when the bundle was made.
        override: what `--weights` says now; None for `name`.
    """

    source: str
    digest: str
    seed: int
    name: str
    override: str | None = None

    @classmethod
    def noted(cls, note: Mapping[str, Any], override: str | None = None) -> RecordedWeights:
        """Read what `to_note` gave; `override` is what `--weights` says now.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        return cls(
            str(note["source"]), str(note["digest"]), int(note["seed"]), str(note["name"]), override
        )

    def to_note(self) -> dict[str, Any]:
        """Give the inverse of `noted`, without the override."""
        return {
            "source": self.source, "name": self.name, "digest": self.digest, "seed": self.seed
        }  # fmt: skip

    @property
    def trained(self) -> bool:
        """Say whether these weights have learned anything."""
        return self.source != "random"

    def describe(self) -> str:
        """Say for a person where they come from."""
        if self.source == "random":
            return f"random (untrained, seed {self.seed})"
        return f"{self.source} ({Path(self.name).name}, sha256 {self.digest[:12]}…)"

    def locate(self, trained: TrainedWeights = INCEPTION_V3) -> Weights:
        """Find them.

        Args:
            trained: where the ImageNet weights of the backbone come from.

        Raises:
            WeightsError: they are not on this computer, or what is there is another set.
        """
        if self.override is None and is_remote(self.name):
            # Windows would log in there, with this person's name, for whoever wrote the record.
            raise WeightsError(
                f"it names weights on another computer ({self.name}); "
                "name the file yourself with --weights FILE"
            )
        weights = resolve_weights(self.override or self.name, seed=self.seed, trained=trained)
        if weights.digest != self.digest:
            raise WeightsError(
                f"found the weights {weights.describe()}, but the model was made with sha256 "
                f"{self.digest[:12]}…; name that file with --weights FILE"
            )
        return weights


def resolve_weights(
    name: str = "imagenet", *, seed: int = 0, trained: TrainedWeights = INCEPTION_V3
) -> Weights:
    """Find the weights that `--weights` names.

    Args:
        name: "imagenet": what `trained` finds; of InceptionV3 the file that the environment
            variable ONEPASS_WEIGHTS names, else Keras's own cache, else Keras's download.
            "random": seeded, untrained. Else a file.
        seed: of random weights.
        trained: where the ImageNet weights of the backbone come from.

    Raises:
        WeightsError: no such file, or nothing to be had without a network.

    Example:
        >>> onepass.resolve_weights("random", seed=7).digest
        'random:7'
    """
    if name == "random":
        return Weights("random", None, f"random:{seed}", seed)
    if name != "imagenet":
        return _from_file(Path(name), "file", trained.suffixes)
    return _from_file(trained.find(), "imagenet", trained.suffixes)


def _from_file(path: Path, source: str, suffixes: tuple[str, ...]) -> Weights:
    remedy = "name another with --weights FILE"
    if not path.is_file():
        raise WeightsError(f"no weights file at {path}; {remedy}")
    if path.suffix.lower() not in suffixes:
        raise WeightsError(
            f"{path} is no weights file by its name; expected {' or '.join(suffixes)}; {remedy}"
        )
    return Weights(source, path, file_digest(path))


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Compute the hex digest of a file's bytes, read in pieces.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read ({error.strerror}); check its permissions"
        ) from error


def keras_cache() -> Path:
    """Find where Keras keeps weights."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def _download(wanted: KerasWeights) -> None:
    """Let Keras fetch its own weights into its own cache: the project's only network access."""
    load_tensorflow()
    import keras

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT)
    try:
        getattr(keras.applications, wanted.function)(
            weights="imagenet", include_top=False, input_shape=(wanted.size, wanted.size, 3)
        )
    except Exception as error:  # Keras raises bare Exception for a failed download
        reason = " ".join(str(error).rsplit(" -- ", 1)[-1].split())[:120]
        variable = f" or {wanted.environment}=FILE" if wanted.environment else ""
        ways = _WAYS_ON.format(file=wanted.file, folder=keras_cache(), environment=variable)
        raise WeightsError(
            "the ImageNet weights are not on this computer and could not be downloaded "
            f"({reason}); {ways}"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
