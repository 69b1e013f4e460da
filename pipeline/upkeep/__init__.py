"""The upkeep of caches: is one sound, mend it, drop what nobody uses, make one of two."""

from features.repair import Repair, repair
from features.upkeep import Collection, Merge, Verification, collect, merge, verify

__all__ = [
    "Collection",
    "Merge",
    "Repair",
    "Verification",
    "collect",
    "merge",
    "repair",
    "verify",
]
