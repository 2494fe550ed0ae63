"""Pixels to Findings: faces, text and barcodes, offline, by detectors with pinned models."""

from medsnap.detect.detectors import Detectors, Look

__all__ = ["Detectors", "Look"]
