"""Pixels to rows: photographs through a frozen backbone into an HDF5 cache. Knows no classes."""

from features.backbones.settings import BackboneSettings
from features.backbones.weights import Weights, resolve_weights
from features.cache.cache import Cache
from features.errors import OnepassError
from features.extract import extract
from features.extract_outcome import Extraction
from features.photographs.decode import decode
from features.photographs.file import Photograph
from features.photographs.recipe import RECIPES, Recipe

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
