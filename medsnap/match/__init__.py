"""Which patient and which visit a photo belongs to, and how sure that is."""

from medsnap.match.ages import age
from medsnap.match.said import statements

__all__ = ["age", "statements"]
