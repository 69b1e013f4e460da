"""Pixels to rows: photographs through a frozen backbone into an HDF5 cache. Knows no classes."""

from features.backbone import BackboneSettings
from features.cache import Cache
from features.errors import OnepassError
from features.extract import Extraction, extract
from features.images import RECIPES, Recipe, decode
from features.photograph_file import Photograph
from features.weights import Weights, resolve_weights

__all__ = [
    "RECIPES",
    "BackboneSettings",
    "Cache",
    "Extraction",
    "OnepassError",
    "Photograph",
    "Recipe",
    "Weights",
    "decode",
    "extract",
    "resolve_weights",
]
