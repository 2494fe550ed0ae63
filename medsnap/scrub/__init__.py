"""Remove metadata without changing a pixel, and prove it by a second reader written apart."""

from medsnap.scrub.apply import apply, clean, plan, scrub
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.report import Scrubbed, ScrubReport

__all__ = ["ScrubKeep", "ScrubReport", "Scrubbed", "apply", "clean", "plan", "scrub"]
