"""The only home of the pixel libraries: decode, compare, turn."""
