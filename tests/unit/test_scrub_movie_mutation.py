"""Any damage to a movie gives a clean, accounted output or a MedsnapError, and quickly."""

from __future__ import annotations

import time
from functools import lru_cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medsnap.errors import MedsnapError
from medsnap.model.photo import MediaType
from medsnap.scrub import ScrubKeep, clean
from tests.builders import movie as make
from tests.builders import sequence
from tests.builders.edits import Edit, edited, edits
from tests.builders.heif import SECRET, box, full
from tests.builders.movie import Movie, metadata, sound, udta, video

KEEP = ScrubKeep(moving_alpha=True)  # the second reader is asked about such files, too

SLOW = 1.5  # CPU seconds for a file of a few kilobytes, on a loaded machine


@lru_cache(maxsize=1)
def seeds() -> tuple[tuple[bytes, MediaType], ...]:
    """Small files that between them use every table."""
    tables = [
        full(b"ctts", 1, 0, b"\0\0\0\1\0\0\0\5\xff\xff\xff\xec"),
        full(b"stss", 0, 0, b"\0\0\0\1\0\0\0\1"),
        full(b"sdtp", 0, 0, bytes(5)),
        full(b"sgpd", 1, 0, b"roll\0\0\0\2\0\0\0\1\xff\xff"),
        full(b"sbgp", 0, 0, b"roll\0\0\0\1\0\0\0\5\0\0\0\1"),
    ]
    whole = Movie(
        [video(in_stbl=tables, edits=((600, 0),)), sound(), metadata()],
        in_moov=[udta(box(b"\xa9xyz", SECRET))],
        spare=b"x",
        mdats=2,
        tail=b"tail",
    )
    pcm = make.audio(b"sowt", version=1, more=bytes(16))
    old = Movie(
        [video(component=b"mhlr", compact=16), sound(entries=(pcm,), fixed=4, samples=[b"abcd"] * 9)],
        brands=(b"qt  ", b"qt  "),
        moov_first=True,
    )
    return (
        (whole.build(), MediaType.MP4),
        (old.build(), MediaType.MOV),
        (make.fragmented(), MediaType.MP4),
        (sequence.animated(), MediaType.HEIF_SEQUENCE),
    )


def check(data: bytes, media: MediaType) -> bool:
    """Say whether the file was scrubbed; anything but a clean file or a MedsnapError fails the test."""
    started = time.process_time()
    try:
        output = clean(data, media, keep=KEEP).data(data)
    except MedsnapError:
        done = False
    else:
        assert clean(output, media, keep=KEEP).data(output) == output
        done = True
    assert time.process_time() - started < SLOW
    return done


def test_seeds_are_scrubbed() -> None:
    assert [check(data, media) for data, media in seeds()] == [True] * 4


@settings(max_examples=1200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 3), edits("number", most=5))
def test_mutations(which: int, changes: list[Edit]) -> None:
    source, media = seeds()[which]
    check(edited(source, changes), media)


def test_every_byte_bent() -> None:
    """Set each byte around the samples to extreme values: counts, sizes and offsets among them."""
    for data, media in seeds():
        for at in range(0, len(data), 5):
            for value in (0, 0xFF):
                check(data[:at] + bytes((value,)) + data[at + 1 :], media)


def test_hostile_tables_cost_no_more_than_their_size() -> None:
    """Fixed sizes with enormous counts, runs of many chunks: work must not multiply."""
    rows = full(b"stsz", 0, 0, b"\0\0\0\1\xff\xff\xff\xff")
    run = full(b"stsc", 0, 0, b"\0\0\0\1\0\0\0\1\xff\xff\xff\xff\0\0\0\1")
    pcm = make.audio(b"ulaw", version=0)
    bombs = [
        Movie([video(stsz=rows, stsc=run)]).build(),
        Movie([sound(number=1, entries=(pcm,), stsz=rows, stsc=run)]).build(),
        Movie([video(stsz=full(b"stsz", 0, 0, bytes(4), b"\0\x7a\x12\0"))]).build(),
        make.fragmented(count=0xFFFFFFFF),
        make.fragmented(count=1_000_000),
    ]
    for data in bombs:
        assert not check(data, MediaType.MP4)
