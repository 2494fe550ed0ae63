"""Preparing in a child process without keys: a picture that breaks a decoder costs one photo.

Export opens photos with a person's key in memory; decoders for HEIC, AVIF, WebP, PNG and the JPEG
coefficient coder are other people's native code and see bytes from telephones.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from types import TracebackType

from medsnap.export.prepare import As, Held, Prepared, Ready, Request, answer, needs_decoder, request_for
from medsnap.model.photo import MediaType
from medsnap.model.record import PhotoRow
from medsnap.workers import Limits, Lost, Pool

_LIMITS = Limits(seconds=300.0, file=2 << 30)


class Preparer:
    """`prepare` with every decoder in a replaceable child. Use it as a context manager."""

    def __init__(self) -> None:
        self._pool: Pool[Request, Ready] = Pool("medsnap.export.isolated:serve", None, jobs=1, limits=_LIMITS)

    def __enter__(self) -> Preparer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, value, trace)

    def __call__(self, row: PhotoRow, photo: bytes, *, as_: As) -> Ready:
        """Prepare one photo. The child starts with the first one that needs a decoder."""
        request = request_for(row, photo, as_)
        if isinstance(request, Held):
            return request
        if not needs_decoder(request):
            return answer(request)
        _, made = next(self._pool.map([request]))
        return (
            Held(reason=f"the picture could not be prepared: {made.reason}")
            if isinstance(made, Lost)
            else made
        )


def serve(setup: None) -> Callable[[Request], Ready]:
    """Answer requests in the child.

    libjpeg mends damaged data silently and only says so on stderr: what it says there is caught,
    and a damaged picture is held instead of being passed on as "turned without loss".
    """
    del setup
    said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
    os.dup2(said.fileno(), 2)

    def checked(request: Request) -> Ready:
        os.ftruncate(said.fileno(), 0)
        made = answer(request)
        complained = os.fstat(said.fileno()).st_size > 0
        turned = isinstance(made, Prepared) and request.media is MediaType.JPEG
        if turned and complained:
            return Held(reason="the coded picture data is damaged, so it cannot be turned without loss")
        return made

    return checked
