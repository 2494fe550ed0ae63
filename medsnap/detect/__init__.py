"""Pixels to Findings: faces, text and barcodes, offline, by detectors with pinned models."""

import os

from medsnap.detect.detectors import Detectors, Look

# ONNX Runtime's own wheels (1.29 and later) keep an identifier of the machine in the home folder and
# send reports over the network when they load, unless this is set before they load.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["Detectors", "Look"]
