"""Every error that Onepass raises on purpose: one base class, one docstring each, one line of text.

A message says what was found, what was expected and what to do, in this order, on one line. What
scikit-learn's tools may meet is a ValueError as well, as they expect of a value that is wrong.
"""

from __future__ import annotations


class OnepassError(Exception):
    """Something that the user can put right; the command line prints it without a traceback.

    Example:
        >>> try:
        ...     onepass.load_dataset(Path("no.h5"))
        ... except onepass.OnepassError as error:
        ...     "no.h5" in str(error)
        True
    """


class DataError(OnepassError, ValueError):
    """The folder of photographs, its classes or its groups cannot be used as they are."""


class ImageError(OnepassError):
    """One photograph cannot be read; the message is the reason in its row of the report."""


class BucketError(DataError, ImageError):
    """A bucket's folder or file is not there, or its store cannot be asked or lets nobody in."""


class StoreError(OnepassError):
    """A bucket's store cannot be reached: no photograph's fault, so it ends the run."""


class ClusterError(OnepassError):
    """A cluster cannot be used: no scheduler, no worker, other versions, or no shared disk."""


class DecoderError(OnepassError):
    """The processes that decode photographs cannot be started."""


class TooManyFailuresError(OnepassError):
    """More photographs could not be read than the caller allows."""


class WeightsError(OnepassError):
    """The backbone's weights cannot be found, read or trusted."""


class PrecisionError(OnepassError):
    """The processor cannot compute in the precision that was asked for."""


class EngineError(OnepassError):
    """The library that was asked to compute the network is unknown or not installed."""


class SettingError(OnepassError):
    """An environment variable of Onepass has a value that it cannot have."""


class MemoryLimitError(OnepassError):
    """More memory is needed than ONEPASS_MEMORY, or what the machine has, allows."""


class CacheError(OnepassError):
    """The feature cache cannot be opened, read or written."""


class FingerprintError(CacheError):
    """The cache holds rows of another recipe, backbone, weights or precision."""


class CacheBusyError(CacheError):
    """Another process is writing to the cache."""


class SplitError(OnepassError, ValueError):
    """No honest split can be made of these photographs."""


class HeadError(OnepassError, ValueError):
    """A head is unknown, has no such setting, or cannot be trained on these rows."""


class FeatureSpecError(OnepassError, ValueError):
    """Features are unknown, or a cache does not have what they are made of."""


class ThresholdError(OnepassError):
    """No threshold can be chosen as it was asked for: wishes that clash, or too few parts."""


class BundleError(OnepassError):
    """A trained model's folder is missing, damaged, or does not fit what it is used with."""


class DriftError(BundleError):
    """Decoder, backbone or head no longer give what they gave when a model or cache was made."""


class BusyError(OnepassError):
    """More is asked of a service at once than it takes; the same may be asked again soon."""


class OutputError(OnepassError):
    """A result cannot be written where it was asked for."""


class ExportError(OnepassError):
    """A model cannot be written for a target, or what was written gives other verdicts."""
