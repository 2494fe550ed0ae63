"""A clip is read and written in pieces: the window shows the file that is never built."""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsnap.errors import NotClean
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Insert, Keep, Rewrite
from medsnap.scrub import ScrubKeep, apply, clean
from medsnap.scrub.large import Window, prove
from medsnap.scrub.movie_memory import PIECE, pieces, stretch
from tests.builders.heif import box, full
from tests.builders.movie import Movie, metadata, sound, video

SIZE = 2 << 30  # bytes
LIMIT = 150 << 10  # kilobytes of resident memory, for the whole process


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_window_shows_what_would_be_built(start: int, length: int) -> None:
    source = bytes(range(40))
    rewrite = Rewrite(
        media=MediaType.MP4,
        steps=(Insert(b"head"), Keep(3, 9, True), Insert(b"--"), Keep(9, 10, True), Keep(20, 40, True)),
        carriers=(),
    )
    built = b"".join(bytes(piece) for piece in rewrite.chunks(source))
    window = Window(rewrite, source)
    assert len(window) == len(built)
    assert window[start : start + length] == built[start : start + length]
    assert window.read(start, length) == built[start : start + length]


def test_pieces_are_the_file() -> None:
    source = bytes(3 * PIECE + 7)
    rewrite = Rewrite(media=MediaType.MP4, steps=(Insert(b"x"), Keep(1, len(source), True)), carriers=())
    found = [bytes(piece) for piece in pieces(rewrite, source)]
    assert max(map(len, found)) == PIECE
    assert b"".join(found) == b"x" + source[1:]
    assert sum(map(len, stretch(source, 5, len(source)))) == len(source) - 5


def test_the_report_of_a_clip_is_that_of_its_bytes() -> None:
    data = Movie([video(), sound(), metadata()]).build()
    done = clean(data, MediaType.MP4)
    output = done.data(data)
    written = bytearray()
    assert apply(done.rewrite, data, written.extend) == len(output)
    assert bytes(written) == output
    assert done.report.sha256_in == hashlib.sha256(data).hexdigest()
    assert done.report.sha256_out == hashlib.sha256(output).hexdigest()
    assert (done.report.size_in, done.report.size_out) == (len(data), len(output))
    assert done.report.pixels_equal is None


@pytest.mark.parametrize("steps", [(Keep(5, 9, True), Keep(1, 3, True)), (Keep(5, 9),)])
def test_samples_out_of_order_are_no_proof(steps: tuple[Keep, ...]) -> None:
    rewrite = Rewrite(media=MediaType.MP4, steps=steps, carriers=())
    with pytest.raises(NotClean, match="same order"):
        prove(rewrite, bytes(9), MediaType.MP4, ScrubKeep())


def hour(path: Path) -> None:
    """Write a film of an hour and 2 GB, of which only the tables take room on the disk."""
    chunks, each = 7200, 15
    frame = SIZE // (chunks * each)
    at, offsets = 24 + 16, []
    for _ in range(chunks):
        offsets.append(at)
        at += frame * each
    film = video(
        samples=[],
        co64=True,
        stts=full(b"stts", 0, 0, struct.pack(">III", 1, chunks * each, 20)),
        stsc=full(b"stsc", 0, 0, struct.pack(">IIII", 1, 1, each, 1)),
        stsz=full(
            b"stsz", 0, 0, struct.pack(">II", 0, chunks * each), struct.pack(">I", frame) * chunks * each
        ),
    )
    movie = Movie([film], brands=(b"mp42", b"isom"))
    with path.open("wb") as out:
        out.write(box(b"ftyp", b"mp42", bytes(4), b"isom", b"mp42")[:24])
        out.write(struct.pack(">I4sQ", 1, b"mdat", at - 24))
        out.seek(at)
        out.write(movie.moov([offsets]))


CHILD = """
import json, mmap, re, sys
from medsnap.scrub import ScrubKeep, apply, clean
with open(sys.argv[1], "rb") as handle:
    data = memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
done = clean(data)
size = 0
def write(piece):
    global size
    size += len(piece)
apply(done.rewrite, data, write)
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1))
print(json.dumps([size, done.report.size_out, peak]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_gigabytes_need_little_memory(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("large") / "hour.mp4"  # on a disk: in memory even its holes take room
    hour(path)
    assert path.stat().st_size > SIZE
    ran = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, check=True, text=True)
    written, planned, peak = json.loads(ran.stdout)
    assert written == planned > SIZE - (1 << 20)
    assert peak < LIMIT


def test_a_clip_that_changes_while_it_is_read_gets_no_copy(tmp_path: Path) -> None:
    from medsnap.commands._scrub_work import proven
    from medsnap.errors import IoFailed

    movie = Movie([video()])
    path = tmp_path / "clip.mp4"
    path.write_bytes(movie.build())
    with path.open("r+b") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        done = clean(view, MediaType.MP4)
        written: list[bytes] = []
        proven(done, view, lambda piece: written.append(bytes(piece)))
        assert hashlib.sha256(b"".join(written)).hexdigest() == done.report.sha256_out
        handle.seek(path.read_bytes().index(movie.tracks[0].samples[0]) + 20)
        handle.write(b"Jane")
        handle.flush()
        with pytest.raises(IoFailed):
            proven(done, view, lambda piece: written.append(bytes(piece)))
        view.release()


def test_mapped_files_read_alike(tmp_path: Path) -> None:
    data = Movie([video(), sound()]).build()
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        done = clean(view, MediaType.MP4)
        assert done.data(view) == clean(data, MediaType.MP4).data(data)
        assert done.report == clean(data, MediaType.MP4).report
        view.release()
