"""Plan a JPEG without reading its scans: a guess, good only if the second reader confirms it.

Most photos end with the EOI of their only picture. The guess is that everything from the first scan
up to there is coded data; the second reader, which reads each of these bytes in any case, objects
to every segment, trailer and fill byte that should have gone. Then the file is planned in full.
"""

from __future__ import annotations

from medsnap.errors import Unsupported
from medsnap.formats import jpeg
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.jpeg import plan_of

_MPF = b"MPF\x00"  # CIPA DC-007: further pictures follow, so the last EOI is not the first one


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the rewrite from the headers alone. Raises Unsupported where the guess would be a bad one."""
    if bytes(memoryview(data)[-2:]) != b"\xff\xd9":
        raise Unsupported("the file does not end with EOI")
    view = jpeg.view(data, unread=True)
    for segment in view.segments:
        if segment.marker == jpeg.APP0 + 2 and jpeg.payload(data, segment, 4) == _MPF:
            raise Unsupported("the file holds more than one picture")
    return plan_of(data, view, media, keep)
