"""Labels: the taxonomy of a library of problems, who labels them, and what is still missing."""

from selfimprove.labels.quotas import quotas
from selfimprove.labels.reading import load_taxonomy
from selfimprove.labels.taxonomy import DIMENSIONS, FORMS, LEVELS, TRAITS, Cell, Leaf, Taxonomy

__all__ = ["DIMENSIONS", "FORMS", "LEVELS", "TRAITS", "Cell", "Leaf", "Taxonomy", "load_taxonomy", "quotas"]
