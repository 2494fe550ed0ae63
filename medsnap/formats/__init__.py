"""Bytes to spans: tolerant, bounds-checked views of container formats, without policy."""
