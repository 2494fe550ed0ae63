"""Fragments written anew: for each moof the runs of the kept tracks, and an mdat with their samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from medsnap.errors import Malformed, TooLarge, Unsupported
from medsnap.formats.bmff import Box
from medsnap.formats.heif_view import Span
from medsnap.formats.movie import Movie
from medsnap.formats.movie_fragments import (
    DEFAULTS,
    EMPTY,
    FROM_MOOF,
    OFFSET,
    ROW,
    Extends,
    Fragment,
    Run,
    Traf,
    read_extends,
    read_fragments,
)
from medsnap.model.rewrite import Keep
from medsnap.scrub.core import Assembly
from medsnap.scrub.heif_write import box, full
from medsnap.scrub.movie_layout import refuse_outside, unshared
from medsnap.scrub.movie_memory import forget
from medsnap.scrub.movie_part import Part
from medsnap.scrub.movie_rendering import EDGE

_FAR = 0x7FFFFFFF  # the greatest offset of a run


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragments:
    """The fragments of the kept tracks; `extends` is None for a movie in one piece."""

    extends: Extends | None
    fragments: tuple[Fragment, ...]

    def spans(self, mdats: Sequence[Box]) -> tuple[tuple[Span, ...], ...]:
        """Give the spans of each fragment, joined. Raises Malformed, Unsupported."""
        found = []
        for fragment in self.fragments:
            runs = sorted((r.start, r.start + r.length) for t in fragment.trafs for r in t.runs if r.length)
            joined = tuple(unshared(runs))
            refuse_outside(joined, mdats)
            found.append(joined)
        return tuple(found)


def read(source: memoryview, found: Movie, parts: Sequence[Part]) -> Fragments:
    """Read the fragments, and leave out tracks that do not stay. Raises Malformed, Unsupported, TooLarge."""
    mvex = next((b for b in found.moov_boxes if b.type == b"mvex"), None)
    moofs = found.named(b"moof")
    if mvex is None:
        if moofs:
            raise Malformed("fragments that moov does not announce", where=f"moof, byte {moofs[0].start}")
        return Fragments(extends=None, fragments=())
    extends = read_extends(source, mvex)
    kept = {part.track.header.id: len(part.entries) for part in parts}
    if not kept.keys() <= extends.defaults.keys():
        raise Malformed("a track without defaults for its fragments", where=f"mvex, byte {mvex.start}")
    for number, entries in kept.items():
        if not 1 <= extends.defaults[number][0] <= entries:
            raise Malformed("a default of a coding that does not exist", where=f"mvex, byte {mvex.start}")
    chosen = []
    for fragment in read_fragments(source, moofs, extends):
        trafs = tuple(traf for traf in fragment.trafs if traf.track in kept)
        if any(not 1 <= traf.defaults[0x02] <= kept[traf.track] for traf in trafs):
            raise Malformed(
                "a fragment of a coding that does not exist", where=f"moof, byte {fragment.box.start}"
            )
        if trafs:
            chosen.append(Fragment(box=fragment.box, trafs=trafs, others=fragment.others))
    mine = {n: values for n, values in extends.defaults.items() if n in kept}
    return Fragments(
        extends=Extends(duration=extends.duration, defaults=mine, others=extends.others),
        fragments=tuple(chosen),
    )


def mvex(extends: Extends | None, parts: Sequence[Part]) -> bytes:
    """Write mvex for the kept tracks (8.8.1)."""
    if extends is None:
        return b""
    rows = []
    if extends.duration is not None:
        wide = extends.duration >> 32 > 0
        rows.append(full(b"mehd", int(wide), 0, extends.duration.to_bytes(8 if wide else 4, "big")))
    for part in parts:
        number = part.track.header.id
        values = extends.defaults[number]
        rows.append(full(b"trex", 0, 0, *(v.to_bytes(4, "big") for v in (number, *values))))
    return box(b"mvex", *rows)


def write(out: Assembly, found: Fragments, spans: Sequence[tuple[Span, ...]]) -> None:
    """Write all fragments; each has its samples right behind it. Raises Unsupported, TooLarge."""
    behind = max((step.stop for step in out.steps if isinstance(step, Keep)), default=0)
    for number, (fragment, own) in enumerate(zip(found.fragments, spans, strict=True), 1):
        size = sum(high - low for low, high in own)
        header = (size + 8).to_bytes(4, "big") + b"mdat" if size else b""
        length = len(_moof(fragment, own, number, 0))
        if size + length + 8 > _FAR:
            raise TooLarge("a fragment is larger than 2 GB", where=f"moof, byte {fragment.box.start}")
        if own and own[0][0] < behind:
            raise Unsupported("the fragments lie in the file in shuffled order", where=f"byte {own[0][0]}")
        behind = own[-1][1] if own else behind
        out.insert(_moof(fragment, own, number, length + len(header)) + header)
        for start, stop in own:
            out.keep(start, stop, coded=True)


def _moof(fragment: Fragment, spans: tuple[Span, ...], number: int, base: int) -> bytes:
    trafs = [_traf(traf, spans, base) for traf in fragment.trafs]
    return box(b"moof", full(b"mfhd", 0, 0, number.to_bytes(4, "big")), *trafs)


def _traf(traf: Traf, spans: tuple[Span, ...], base: int) -> bytes:
    flags = FROM_MOOF | traf.flags & EMPTY
    values = b""
    for flag in (flag for flag in DEFAULTS if flag in traf.said):
        flags |= flag
        values += traf.defaults[flag].to_bytes(4, "big")
    rows = [full(b"tfhd", 0, flags, traf.track.to_bytes(4, "big"), values)]
    if traf.time is not None:
        wide = traf.time >> 32 > 0
        rows.append(full(b"tfdt", int(wide), 0, traf.time.to_bytes(8 if wide else 4, "big")))
    rows += [_trun(run, base + _place(run, spans)) for run in traf.runs]
    return box(b"traf", *rows)


def _place(run: Run, spans: tuple[Span, ...]) -> int:
    """Give the place of a run among the samples of its fragment; an empty one lies at the start."""
    at = 0
    for low, high in spans:
        if run.length and low <= run.start < high:
            return at + run.start - low
        at += high - low
    return 0


def _trun(run: Run, offset: int) -> bytes:
    flags = OFFSET | (run.flags & (sum(ROW) | 0x04))
    return full(
        b"trun",
        run.version,
        flags,
        run.count.to_bytes(4, "big"),
        offset.to_bytes(4, "big"),
        run.first,
        bytes(run.rows),
    )


def describe(out: Assembly, source: memoryview, found: Fragments) -> None:
    """Note what the fragments hold of each track, every sample's time, size and edges."""
    if found.extends is None:
        return
    whole = "" if found.extends.duration is None else str(found.extends.duration)
    out.render("fragments", f"{len(found.fragments)} {whole}")
    for number in found.extends.defaults:
        digest, runs, samples, total = sha256(), 0, 0, 0
        for traf in (t for fragment in found.fragments for t in fragment.trafs if t.track == number):
            digest.update(f"{traf.time} {traf.defaults[0x02]};".encode())
            for run in traf.runs:
                for sample in traf.samples(run):
                    digest.update("{} {} {} {};".format(*sample).encode())
                edge = min(EDGE, run.length)
                digest.update(source[run.start : run.start + edge])
                digest.update(source[run.start + run.length - edge : run.start + run.length])
                runs, samples, total = runs + 1, samples + run.count, total + run.length
            forget(source)
        out.render(f"runs {number}", f"{samples} samples in {runs} runs, {total} bytes, {digest.hexdigest()}")
