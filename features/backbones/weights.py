"""Which weights the backbone runs with: found, given a digest, never replaced silently."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from features.errors import WeightsError
from features.runtime import load_tensorflow

ENVIRONMENT_VARIABLE = "ONEPASS_WEIGHTS"
_KERAS_FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
_KERAS_MD5 = "bcbd6486424b2319ff4ef7d526e38f63"  # what Keras checks its own download against
_DOWNLOAD_TIMEOUT = 30.0  # seconds without an answer; factory networks often swallow packets
_SUFFIXES = (".h5", ".hdf5", ".keras")

UNTRAINED_WARNING = (
    "UNTRAINED WEIGHTS: the backbone's numbers are random and have never seen a photograph. "
    "Everything runs, but the scores say nothing about what ImageNet weights would reach."
)


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
        """Whether these weights have learned anything."""
        return self.source != "random"

    def describe(self) -> str:
        """For a person: where they come from."""
        if self.path is None:
            return f"random (untrained, seed {self.seed})"
        return f"{self.source} ({self.path.name}, sha256 {self.digest[:12]}…)"

    def locate(self) -> Weights:
        """These weights: they are found already."""
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

    @property
    def trained(self) -> bool:
        """Whether these weights have learned anything."""
        return self.source != "random"

    def describe(self) -> str:
        """For a person: where they come from."""
        if self.source == "random":
            return f"random (untrained, seed {self.seed})"
        return f"{self.source} ({Path(self.name).name}, sha256 {self.digest[:12]}…)"

    def locate(self) -> Weights:
        """Find them.

        Raises:
            WeightsError: they are not on this computer, or what is there is another set.
        """
        if self.override is None and self.name.startswith(("\\\\", "//")):
            # Windows would log in there, with this person's name, for whoever wrote the record.
            raise WeightsError(
                f"it names weights on another computer ({self.name}); "
                "name the file yourself with --weights FILE"
            )
        weights = resolve_weights(self.override or self.name, seed=self.seed)
        if weights.digest != self.digest:
            raise WeightsError(
                f"found the weights {weights.describe()}, but the model was made with sha256 "
                f"{self.digest[:12]}…; name that file with --weights FILE"
            )
        return weights


def resolve_weights(name: str = "imagenet", *, seed: int = 0) -> Weights:
    """Find the weights that `--weights` names.

    Args:
        name: "imagenet": the file that the environment variable ONEPASS_WEIGHTS names, else
            Keras's own cache, else Keras's download. "random": seeded, untrained. Else a file.
        seed: of random weights.

    Raises:
        WeightsError: no such file, or nothing to be had without a network.
    """
    if name == "random":
        return Weights("random", None, f"random:{seed}", seed)
    if name != "imagenet":
        return _from_file(Path(name), "file", "name another with --weights FILE")
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return _from_file(Path(named), "imagenet", f"correct or unset {ENVIRONMENT_VARIABLE}")
    cached = _keras_cache()
    if not _is_kerass_own(cached):
        _download()
    if not _is_kerass_own(cached):
        raise WeightsError(
            f"Keras's download left no {_KERAS_FILE} with the expected checksum in "
            f"{cached.parent}; name a file with --weights FILE"
        )
    return _from_file(cached, "imagenet", "name another with --weights FILE")


def _from_file(path: Path, source: str, remedy: str) -> Weights:
    if not path.is_file():
        raise WeightsError(f"no weights file at {path}; {remedy}")
    if path.suffix.lower() not in _SUFFIXES:
        raise WeightsError(
            f"{path} is no weights file by its name; expected .h5 or .weights.h5; {remedy}"
        )
    return Weights(source, path, file_digest(path))


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes, read in pieces.

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


def _keras_cache() -> Path:
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models" / _KERAS_FILE


def _is_kerass_own(path: Path) -> bool:
    """A download that was cut off leaves a file with another checksum; Keras fetches it again."""
    return path.is_file() and file_digest(path, "md5") == _KERAS_MD5


def _download() -> None:
    """Let Keras fetch its own weights into its own cache: the project's only network access."""
    load_tensorflow()
    import keras

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT)
    try:
        keras.applications.InceptionV3(
            weights="imagenet", include_top=False, input_shape=(224, 224, 3)
        )
    except Exception as error:  # Keras raises bare Exception for a failed download
        reason = " ".join(str(error).rsplit(" -- ", 1)[-1].split())[:120]
        raise WeightsError(
            "the ImageNet weights are not on this computer and could not be downloaded "
            f"({reason}); three ways on: copy {_KERAS_FILE} from a "
            f"computer with internet to {_keras_cache().parent}, or name a file with --weights "
            f"FILE or {ENVIRONMENT_VARIABLE}=FILE, or try things out with --weights random"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
