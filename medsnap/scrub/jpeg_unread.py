"""Plan a JPEG without reading its scans: a guess, good only if the second reader confirms it.

Most photos end with the EOI of their only picture; where more follows, the file itself says how much:
in its index of pictures (MPF) or in its XMP (a motion photo). The guess is that everything from the first
scan up to there is coded data; the second reader, which reads each of these bytes in any case, objects
to every segment, table, trailer and fill byte that should have gone. Then the file is planned in full.
"""

from __future__ import annotations

import re

from medsnap.errors import Unsupported
from medsnap.formats import jpeg, tiff
from medsnap.formats.embedded import XMP_PREFIX
from medsnap.formats.jpeg import Part, Segment, View
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Buffer, Rewrite
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.jpeg import plan_of

_EOI = b"\xff\xd9"
_MPF = b"MPF\x00"  # CIPA DC-007
_MP_ENTRY = 0xB002
_LENGTH = re.compile(rb'Item:Length(?:="|>)(\d{1,10})')  # of what follows the picture, one for each
_CLIP = re.compile(rb'MicroVideoOffset(?:="|>)(\d{1,10})')  # from the end of the file


def plan(data: Buffer, media: MediaType, keep: ScrubKeep) -> Rewrite:
    """Plan the rewrite from the headers alone. Raises Unsupported where the guess would be a bad one."""
    headers = jpeg.headers(data)
    if not headers or headers[-1].marker != jpeg.SOS:
        raise Unsupported("there is no scan")
    end, start = _end(data, headers), headers[-1].stop
    if end - 2 <= start:
        raise Unsupported("the picture would end before its scan")
    scan = Segment(Part.SCAN, 0, start, start, end - 2, "scan")
    view = View(segments=(*headers, scan), end=end, has_eoi=True, size=len(data))
    return plan_of(data, view, media, keep, all_scans=False)


def _end(data: Buffer, headers: tuple[Segment, ...]) -> int:
    """Return where the picture ends, by what the headers say. Raises Unsupported."""
    said: list[int] = []
    for segment in headers:
        if segment.marker == jpeg.APP0 + 2 and jpeg.payload(data, segment, 4) == _MPF:
            said.append(_first_picture(data, segment))
        elif segment.marker == jpeg.APP0 + 1 and jpeg.payload(data, segment).startswith(XMP_PREFIX):
            packet = bytes(memoryview(data)[segment.body : segment.stop])
            if behind := sum(int(n) for n in _LENGTH.findall(packet)):
                said.append(len(data) - behind)
            said += [len(data) - int(n) for n in _CLIP.findall(packet)[:1]]
    for end in said or (len(data),):
        if 2 < end <= len(data) and bytes(memoryview(data)[end - 2 : end]) == _EOI:
            return end
    raise Unsupported("the headers do not say where the picture ends")


def _first_picture(data: Buffer, segment: Segment) -> int:
    """Return the size of the first picture in an MPF index (DC-007 5.2.3.3), 0 where it has none."""
    index = tiff.read(memoryview(data)[segment.body + len(_MPF) : segment.stop], follow=False)
    entry = index.get("IFD0", _MP_ENTRY)
    return int.from_bytes(entry.value[4:8], "little" if index.little else "big") if entry else 0
