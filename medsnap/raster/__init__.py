"""The only home of the pixel libraries: decode, compare, turn."""

from medsnap.raster.compare import same_pixels

__all__ = ["same_pixels"]
