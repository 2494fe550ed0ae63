"""ONNX Runtime sessions over verified bytes: one thread, silent, no providers but the processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from medsnap.errors import DetectorError


def session(model: bytes) -> Any:
    """Open a model for one thread: the pipeline runs one worker process a core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal only: the library would write to stderr by itself
    with translated("onnxruntime"):
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@contextmanager
def translated(name: str, *more: type[Exception]) -> Iterator[None]:
    """Turn what native libraries raise into DetectorError, so that a failure is never 'nothing seen'.

    The library's own text is dropped: it may quote what stands in the picture.
    """
    import cv2
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime

    own = (v for v in vars(runtime).values() if isinstance(v, type) and issubclass(v, Exception))
    usual = (RuntimeError, ValueError, TypeError, ArithmeticError, LookupError, MemoryError, OSError)
    failures: tuple[type[Exception], ...] = (*usual, *more, *own, cv2.error)
    try:
        yield
    except failures as problem:
        raise DetectorError(f"{name} failed ({type(problem).__name__})") from problem
