"""Remove metadata without changing a pixel, and prove it by a second reader written apart."""
