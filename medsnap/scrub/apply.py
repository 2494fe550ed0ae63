"""Plan, write, prove: the whole scrub of one file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from medsnap.errors import MedsnapError, NotClean, PixelsChanged, TooLarge
from medsnap.formats.sniff import sniff
from medsnap.model.photo import Kind, MediaType
from medsnap.model.rewrite import Buffer, Keep, Rewrite
from medsnap.scrub import registry
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.report import Scrubbed, ScrubReport

MAX_STILL = 1 << 30  # bytes: no still picture of a phone comes near
MAX_CLIP = 1 << 36  # bytes: read in pieces, so only time and the disk set a limit
_DEFAULT = ScrubKeep()
_BARE = " bare"
_REMARKS = frozenset({"end", "note"})  # said for people; nothing in the output to compare


def plan(data: Buffer, media: MediaType, keep: ScrubKeep = _DEFAULT) -> Rewrite:
    """Plan the rewrite of one file. Raises Malformed, Unsupported, TooLarge."""
    limit = MAX_CLIP if media.kind is Kind.CLIP else MAX_STILL
    if len(data) > limit:
        raise TooLarge(f"the file is larger than {limit >> 20} MiB")
    rewrite = registry.planner(media).plan(data, media, keep)
    notes = tuple(("note", text) for text in registry.not_kept(media, keep))
    return replace(rewrite, rendering=rewrite.rendering + notes) if notes else rewrite


def apply(rewrite: Rewrite, source: Buffer, write: Callable[[Buffer], object]) -> int:
    """Stream the new file into `write`; return its length in bytes. Nothing is held in memory."""
    from medsnap.scrub.movie_memory import pieces

    for piece in pieces(rewrite, source):
        write(piece)
    return rewrite.size


def scrub(data: bytes) -> bytes:
    """Return the scrubbed file, proven. Raises what `clean` raises."""
    return clean(data).data(data)


def clean(
    source: Buffer,
    media: MediaType | None = None,
    *,
    keep: ScrubKeep = _DEFAULT,
    verify_pixels: bool = False,
) -> Scrubbed:
    """Plan, build and prove a scrub; what cannot be proven is not returned.

    Raises Unsupported, Malformed, TooLarge, NotClean (the second reader found a byte it cannot
    account for), PixelsChanged (only where pixels were decoded; those of a clip are not).
    """
    media = sniff(source) if media is None else media
    if media.kind is Kind.CLIP:
        from medsnap.scrub.large import prove

        return prove(plan(source, media, keep), source, media, keep)
    made = _guessed(source, media, keep)
    if made is None:
        rewrite = plan(source, media, keep)
        made = rewrite, _built(rewrite, source, media, keep)
    rewrite, output = made
    equal = _prove_pixels(source, output) if verify_pixels else None
    report = ScrubReport(
        media=media,
        sha256_in=hashlib.sha256(source).hexdigest(),
        sha256_out=hashlib.sha256(output).hexdigest(),
        size_in=len(source),
        size_out=len(output),
        carriers=rewrite.carriers,
        orientation=rewrite.orientation,
        rendering=rewrite.rendering,
        pixels_equal=equal,
        proof=words(rewrite, equal),
    )
    return Scrubbed(rewrite=rewrite, report=report)


def _guessed(source: Buffer, media: MediaType, keep: ScrubKeep) -> tuple[Rewrite, bytes] | None:
    """Try a cheap plan; it counts only with every proof that a full plan needs."""
    guesser = registry.guesser(media)
    if guesser is None or len(source) > MAX_STILL:
        return None
    try:
        rewrite = guesser.plan(source, media, keep)
        return rewrite, _built(rewrite, source, media, keep)
    except MedsnapError:
        return None


def _built(rewrite: Rewrite, source: Buffer, media: MediaType, keep: ScrubKeep) -> bytes:
    """Build the new file and prove it. Raises NotClean."""
    output = b"".join(rewrite.chunks(source))
    _prove_spans(rewrite, source, output)
    facts = registry.second_reader(media).account(output, media)
    prove_rendering(rewrite, facts, bare_icc=registry.bare_icc(media, keep))
    return output


def _prove_spans(rewrite: Rewrite, source: Buffer, output: bytes) -> None:
    """Compare each coded span of the source with the bytes at its place in the output."""
    view, at, behind = memoryview(source), 0, 0
    for step in rewrite.steps:
        if not isinstance(step, Keep):
            at += len(step.data)
            continue
        length = step.stop - step.start
        if step.coded and (step.start < behind or not output.startswith(view[step.start : step.stop], at)):
            raise NotClean("coded picture data are not the same bytes in the same order", where=f"byte {at}")
        behind = step.stop if step.coded else behind
        at += length
    if at != len(output):
        raise NotClean("the output has not the planned length", where=f"byte {at}")


def prove_rendering(rewrite: Rewrite, facts: registry.Facts | None, *, bare_icc: bool = False) -> None:
    """Compare what the rewriter means to render with what the second reader saw in the output.

    `bare_icc` demands that every profile in it holds colours and a standard name, nothing else.
    """
    if facts is None:
        return
    seen = dict(facts)
    bare = {name: seen.pop(name) for name in list(seen) if name.endswith(_BARE)}
    wordy = "no" in bare.values() or any(n.startswith("icc") and n + _BARE not in bare for n in seen)
    if bare_icc and wordy:
        raise NotClean("a colour profile holds more than colours", where="second reader")
    meant = {"orientation": str(rewrite.orientation)}
    meant.update((name, value) for name, value in rewrite.rendering if name not in _REMARKS)
    for name in sorted(meant.keys() | seen.keys()):
        if meant.get(name) != seen.get(name):
            raise NotClean(f"the output renders with another {name}", where="second reader")


def _prove_pixels(source: Buffer, output: bytes) -> bool:
    from medsnap.raster.compare import same_pixels

    if not same_pixels(source, output):
        raise PixelsChanged(
            "the decoded pixels of source and output differ",
            hint="please report this; the source is untouched and there is no output",
        )
    return True


def words(rewrite: Rewrite, equal: bool | None) -> str:
    """Say in a sentence what was proven."""
    coded = sum(s.stop - s.start for s in rewrite.steps if isinstance(s, Keep) and s.coded)
    spans = sum(isinstance(s, Keep) and s.coded for s in rewrite.steps)
    said = (
        f"{coded} bytes of coded picture data are the same bytes in the same order ({spans} spans); "
        "the second reader accounted for every byte of the output"
    )
    notes = "".join(f"; {value}" for name, value in rewrite.rendering if name == "note")
    return said + ("; all decoded pixels are equal" if equal else "") + notes
