"""Every hiding place in a HEIF file: the picture stays, the secret goes, the second reader agrees."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from medsnap.errors import Malformed, MedsnapError, TooLarge, Unsupported
from medsnap.formats import heif
from medsnap.model.carrier import CarrierAction, CarrierKind
from medsnap.model.photo import MediaType
from medsnap.model.rewrite import Keep
from medsnap.scrub.core import ScrubKeep
from medsnap.scrub.heif import plan
from medsnap.scrub.second.heif import account
from tests.builders import heif as make
from tests.builders.heif import SECRET, Heif, Part

C = CarrierKind


def scrubbed(data: bytes, media: MediaType = MediaType.HEIC) -> tuple[bytes, set[CarrierKind]]:
    """Scrub, account for every byte, and scrub again: the second time changes nothing."""
    rewrite = plan(data, media, ScrubKeep())
    output = b"".join(bytes(piece) for piece in rewrite.chunks(data))
    facts = dict(account(output, media))
    assert {k: v for k, v in rewrite.rendering if k in facts} == facts
    again = plan(output, media, ScrubKeep())
    assert b"".join(bytes(piece) for piece in again.chunks(output)) == output
    assert all(carrier.action is CarrierAction.KEPT for carrier in again.carriers)
    return output, {carrier.kind for carrier in rewrite.carriers}


def still(*more: Part, **settings: object) -> Heif:
    refs = [(b"cdsc", part.id, [1]) for part in more if part.kind in (b"Exif", b"mime")]
    return Heif([make.fake(), *more], refs, **settings)  # type: ignore[arg-type]


def exif(**where: object) -> Part:
    return Part(7, b"Exif", make.EXIF, **where)  # type: ignore[arg-type]


def xmp(**where: object) -> Part:
    return Part(8, b"mime", make.XMP, content_type=b"application/rdf+xml", **where)  # type: ignore[arg-type]


def beside(kind: bytes, reference: bytes, *props: make.Property) -> Heif:
    extra = make.fake(2, make.nal(19, b"\x80" + SECRET))
    extra.kind = kind
    extra.props.extend(props)
    return Heif([make.fake(), extra], [(reference, 2, [1])])


def with_property(kind: bytes, payload: bytes, essential: bool = False) -> Heif:
    file = still()
    file.part(1).props.append((kind, payload, essential))
    return file


def gain_map() -> Heif:
    tone = Part(5, b"tmap", SECRET, [make.ispe(64, 64)], place="idat")
    file = Heif([make.fake(), make.fake(2, make.nal(19, b"\x80" + SECRET), hidden=True), tone])
    file.refs = [(b"dimg", 5, [1, 2])]
    file.in_meta = [make.box(b"grpl", make.full(b"altr", 0, 0, b"\0\0\0\x09\0\0\0\2\0\0\0\5\0\0\0\1"))]
    file.brands = (b"heic", b"mif1", b"heic", b"tmap")
    return file


def spatial() -> Heif:
    """Two eyes: the second one is a picture of its own with its own Exif."""
    right = make.fake(2, make.nal(19, b"\x80" + SECRET))
    own = Part(3, b"Exif", make.EXIF)
    file = Heif([make.fake(), right, own, exif()], [(b"cdsc", 3, [2]), (b"cdsc", 7, [1])])
    group = make.full(b"ster", 0, 0, b"\0\0\0\x09\0\0\0\2\0\0\0\1\0\0\0\2")
    file.in_meta = [make.box(b"grpl", group)]
    return file


def message(kind: int = 5) -> Heif:
    return Heif([make.fake(data=make.sei(kind, SECRET) + make.FAKE_SLICE + make.nal(38, SECRET))])


TRAPS: dict[str, tuple[Callable[[], Heif], set[CarrierKind]]] = {
    "exif and xmp": (lambda: still(exif(), xmp()), {C.EXIF, C.XMP}),
    "exif in a second mdat": (lambda: still(exif(place="second")), {C.EXIF}),
    "exif in idat": (lambda: still(exif(place="idat")), {C.EXIF}),
    "exif in three pieces": (lambda: still(exif(pieces=3)), {C.EXIF}),
    "zero-length exif": (lambda: still(Part(7, b"Exif", b"", place="empty")), {C.EXIF}),
    "exif without a place": (lambda: still(Part(7, b"Exif", b"", place="nowhere")), {C.EXIF}),
    "exif past the end of the file": (lambda: still(exif(at=[(1 << 30, 90)])), {C.EXIF}),
    "exif built from another item": (lambda: still(exif(method=2)), {C.EXIF, C.UNKNOWN}),
    "other mime": (lambda: still(Part(9, b"mime", SECRET, content_type=b"text/plain")), {C.APPLICATION}),
    "iptc item": (lambda: still(Part(9, b"iptc", SECRET)), {C.IPTC}),
    "unknown item": (lambda: still(Part(9, b"zzzz", SECRET)), {C.UNKNOWN}),
    "item name": (lambda: Heif([make.fake(name=SECRET)]), {C.TEXT}),
    "handler name": (lambda: still(handler_name=SECRET), {C.COMMENT}),
    "thumbnail": (lambda: beside(b"hvc1", b"thmb"), {C.THUMBNAIL}),
    "jpeg thumbnail": (lambda: beside(b"jpeg", b"thmb"), {C.THUMBNAIL}),
    "depth": (lambda: beside(b"hvc1", b"auxl", (b"auxC", make.DEPTH, True)), {C.SECONDARY_IMAGE}),
    "extra image": (lambda: beside(b"hvc1", b"cdsc"), {C.SECONDARY_IMAGE}),
    "gain map": (gain_map, {C.SECONDARY_IMAGE, C.APPLICATION}),
    "spatial photo": (spatial, {C.SECONDARY_IMAGE, C.APPLICATION, C.EXIF}),
    "motion video": (lambda: still(after=[make.box(b"mpvd", SECRET)]), {C.MOTION_VIDEO}),
    "free box": (lambda: still(before=[make.box(b"free", SECRET)]), {C.PADDING}),
    "uuid box": (lambda: still(after=[make.box(b"uuid", bytes(16), SECRET)]), {C.APPLICATION}),
    "c2pa box": (
        lambda: still(after=[make.box(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481"), SECRET)]),
        {C.C2PA},
    ),
    "samsung box": (lambda: still(after=[make.box(b"sefd", SECRET)]), {C.APPLICATION}),
    "unknown box": (lambda: still(after=[make.box(b"zzzz", SECRET)]), {C.UNKNOWN}),
    "samsung trailer": (lambda: still(tail=b"MotionPhoto_Data" + SECRET), {C.MOTION_VIDEO}),
    "appended clip": (
        lambda: still(tail=make.box(b"ftyp", b"mp42" + bytes(4)) + make.box(b"moov", SECRET)),
        {C.MOTION_VIDEO},
    ),
    "channel names": (lambda: with_property(b"pixi", b"\0\0\0\1" + make.PIXI[4:] + SECRET), set()),
    "trailer": (lambda: still(tail=b"\xff" + SECRET), {C.TRAILER}),
    "uuid in meta": (lambda: still(in_meta=[make.box(b"uuid", bytes(16), SECRET)]), {C.APPLICATION}),
    "xml in meta": (lambda: still(in_meta=[make.full(b"xml ", 0, 0, SECRET)]), {C.TEXT}),
    "orphan bytes in mdat": (lambda: still(spare=SECRET), {C.UNKNOWN}),
    "orphan property": (lambda: still(properties=[(b"zzzz", SECRET)]), {C.UNKNOWN}),
    "description": (lambda: with_property(b"udes", bytes(4) + SECRET), {C.TEXT}),
    "creation time": (lambda: with_property(b"crtt", bytes(4) + SECRET[:8]), {C.TIME}),
    "encoder message": (message, {C.COMMENT}),
    "second extent of filler": (
        lambda: Heif([make.fake(data=make.FAKE_SLICE + make.nal(38, SECRET), pieces=2)]), {C.COMMENT}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAPS)
def test_secret_goes_and_is_named(name: str) -> None:
    build, kinds = TRAPS[name]
    data = build().build()
    output, found = scrubbed(data)
    assert SECRET not in output
    assert kinds <= found


def no_property() -> Heif:
    """The link that means "no property" must not reach the last one of the list."""
    file = beside(b"hvc1", b"thmb", (b"irot", b"\1", False))
    file.part(1).props.append((b"", b"", False))
    return file


HARMLESS: dict[str, Callable[[], Heif]] = {
    "iloc 0": lambda: still(exif(), iloc=0),
    "iloc 2": lambda: still(exif(), iloc=2),
    "64-bit offsets with base and index": lambda: still(exif(), sizes=(8, 8, 8, 4)),
    "32-bit item numbers": lambda: still(exif(), iloc=2, large_ids=True),
    "mdat to the end": lambda: still(mdat_to_end=True),
    "unknown major brand": lambda: still(brands=(b"Jane", b"heic", b"mif1", b"heic")),
    "this file by its own reference": lambda: Heif(
        [make.fake(reference=1)], in_meta=[make.box(b"dinf", make.DREF)]
    ),
    "zeros behind the last box of meta": lambda: still(in_meta=[bytes(5)]),
    "picture aligned with zeros": lambda: Heif([make.fake(data=make.FAKE_SLICE + bytes(64))]),
    "no property": no_property,
    "64-bit mdat": lambda: still(mdat_large=True),
    "picture in idat": lambda: Heif([make.fake(place="idat")]),
    "picture in pieces": lambda: Heif([make.fake(pieces=5)]),
    "picture in a second mdat": lambda: Heif([make.fake(place="second")]),
    "numbers out of order": lambda: Heif([make.fake(900), make.fake(3)], [(b"thmb", 3, [900])], primary=900),
    "maker's brand": lambda: still(brands=(b"heic", b"mif1", b"SHIF", b"heic", b"heic")),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_forms_of_the_tables(name: str) -> None:
    data = HARMLESS[name]().build()
    output, _ = scrubbed(data)
    expected = Heif([make.fake()])
    if name == "unknown major brand":
        expected.brands = (b"heic", b"heic", b"mif1")
    assert output == scrubbed(expected.build())[0]


def test_coded_bytes_are_kept_spans() -> None:
    data = still(exif(), xmp()).build()
    rewrite = plan(data, MediaType.HEIC, ScrubKeep())
    kept = b"".join(data[s.start : s.stop] for s in rewrite.steps if isinstance(s, Keep) and s.coded)
    assert kept == make.FAKE_SLICE


def two_tiles() -> Heif:
    return make.tiled(tile=lambda number, shade, **more: make.fake(number, **more))


def test_tiles_with_the_same_bytes_stay_shared() -> None:
    file = two_tiles()
    start = file.build().index(make.FAKE_SLICE)
    file.part(3).at, file.part(3).data = [(start, len(make.FAKE_SLICE))], b""
    output, _ = scrubbed(file.build())
    assert output.count(make.FAKE_SLICE) == 1


def test_alpha_and_premultiplication_stay() -> None:
    plane = make.fake(2, make.nal(19, b"\x80alpha"))
    plane.props.append((b"auxC", make.ALPHA + SECRET, True))
    file = Heif([make.fake(), plane, exif()], [(b"auxl", 2, [1]), (b"prem", 1, [2]), (b"cdsc", 7, [1])])
    output, _ = scrubbed(file.build())
    assert b"\x80alpha" in output
    assert b"prem" in output
    assert SECRET not in output


def test_more_than_127_properties() -> None:
    tiles = [make.fake(n, hidden=True) for n in range(2, 162)]
    for part in tiles:
        part.props[1] = make.ispe(64, part.id)
    whole = make.grid(1, 10, 16)
    output, _ = scrubbed(Heif([whole, *tiles], [(b"dimg", 1, [part.id for part in tiles])]).build())
    assert [heif.extent(memoryview(output), heif.view(output), n) for n in (1, 2, 161)] == [
        (1024, 640), (64, 2), (64, 161)
    ]  # fmt: skip


def test_items_longer_than_the_file_are_refused_unread() -> None:
    file = two_tiles()
    size = len(file.build())
    file.part(3).at = [(0, size)]
    with pytest.raises(Unsupported, match="overlap"):
        plan(file.build(), MediaType.HEIC, ScrubKeep())


def test_crop_is_reported_as_kept() -> None:
    rewrite = plan(with_property(b"clap", bytes(32), True).build(), MediaType.HEIC, ScrubKeep())
    assert [(c.kind, c.action) for c in rewrite.carriers] == [(C.SECONDARY_IMAGE, CarrierAction.KEPT)]


def overlap() -> Heif:
    file = still(exif())
    file.part(7).at = [(file.build().index(make.FAKE_SLICE) + 10, 20)]
    return file


def loop() -> Heif:
    return Heif([make.grid(1, 1, 1), make.grid(2, 1, 1)], [(b"dimg", 1, [2]), (b"dimg", 2, [1])])


def bent(change: Callable[[Heif], None]) -> Callable[[], Heif]:
    def build() -> Heif:
        file = two_tiles()
        change(file)
        return file

    return build


def shuffled() -> Heif:
    """Store the second half of the picture before the first."""
    half, size = 20, len(make.FAKE_SLICE)
    stored = make.FAKE_SLICE[half:] + make.FAKE_SLICE[:half]
    file = Heif([make.fake(at=[(0, half), (0, size - half)])], spare=stored)
    start = file.build().index(stored)
    file.part(1).at = [(start + size - half, half), (start, size - half)]
    return file


REFUSED: dict[str, tuple[Callable[[], Heif], type[MedsnapError]]] = {
    "sequence": (lambda: still(before=[make.box(b"moov", b"")]), Unsupported),
    "sequence brand": (lambda: still(brands=(b"msf1", b"heic")), Unsupported),
    "no known brand": (lambda: still(brands=(b"Jane", b"Roe ")), Unsupported),
    "no picture handler": (lambda: still(handler=b"text"), Unsupported),
    "encrypted": (lambda: Heif([make.fake(protected=True)]), Unsupported),
    "other codec": (lambda: Heif([Part(1, b"vvc1", make.FAKE_SLICE)]), Unsupported),
    "picture in another file": (lambda: Heif([make.fake(reference=1)]), Unsupported),
    "picture built from an item": (lambda: Heif([make.fake(method=2)]), Unsupported),
    "unknown essential property": (lambda: with_property(b"zzzz", b"", True), Unsupported),
    "scaling": (lambda: with_property(b"iscl", bytes(12)), Unsupported),
    "unknown dependency": (lambda: Heif([make.fake(), make.fake(2)], [(b"pred", 1, [2])]), Unsupported),
    "second picture in an item": (lambda: Heif([make.fake(data=make.FAKE_SLICE * 2)]), Unsupported),
    "second layer": (
        lambda: Heif([make.fake(data=make.FAKE_SLICE + make.nal(1, b"\x80x", layer=1))]), Unsupported
    ),
    "no picture": (lambda: Heif([make.fake(data=make.sei(5, SECRET))]), Unsupported),
    "two alpha planes": (
        lambda: Heif(
            [make.fake(), *(Part(n, b"hvc1", b"", [(b"auxC", make.ALPHA, True)]) for n in (2, 3))],
            [(b"auxl", 2, [1]), (b"auxl", 3, [1])],
        ),
        Unsupported,
    ),
    "pieces out of order": (shuffled, Unsupported),
    "metadata inside the picture": (overlap, Malformed),
    "derived from itself": (loop, Malformed),
    "no primary item": (lambda: Heif([make.fake()], primary=2), Malformed),
    "past the end of the file": (lambda: Heif([make.fake(at=[(10, 1 << 30)])]), Malformed),
    "offset before the file": (lambda: Heif([make.fake(at=[(1 << 31, 10)])]), Malformed),
    "property twice": (lambda: with_property(*make.ispe(32, 32)), Malformed),
    "property too long": (lambda: with_property(b"irot", b"\1" + SECRET, True), Malformed),
    "no decoder configuration": (lambda: Heif([Part(1, b"hvc1", make.FAKE_SLICE)]), Malformed),
    "bytes after the last unit": (lambda: Heif([make.fake(data=make.FAKE_SLICE + SECRET)]), Malformed),
    "item number twice": (lambda: Heif([make.fake(), make.fake()]), Malformed),
    "too few tiles": (bent(lambda f: f.refs.clear()), Malformed),
    "tile that does not exist": (bent(lambda f: f.refs.__setitem__(0, (b"dimg", 1, [2, 9]))), Malformed),
    "derived twice": (bent(lambda f: f.refs.append((b"dimg", 1, [2, 3]))), Malformed),
    "two primary boxes": (lambda: still(in_meta=[make.full(b"pitm", 0, 0, b"\0\1")]), Malformed),
    "two meta boxes": (lambda: still(after=[make.full(b"meta", 0, 0)]), Malformed),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    build, error = REFUSED[name]
    with pytest.raises(error) as caught:
        plan(build().build(), MediaType.HEIC, ScrubKeep())
    assert caught.value.where
    assert SECRET.decode() not in str(caught.value) + caught.value.where


@pytest.mark.parametrize("table", [b"iinf", b"iloc"])
def test_enormous_counts_are_refused_before_they_are_believed(table: bytes) -> None:
    data = bytearray(still(iloc=1).build())
    at = data.index(table) + (8 if table == b"iinf" else 10)
    data[at : at + 2] = b"\xff\xff"
    with pytest.raises(TooLarge):
        plan(bytes(data), MediaType.HEIC, ScrubKeep())


def test_extents_of_no_length_cannot_multiply() -> None:
    data = bytearray(still().build())
    at = data.index(b"iloc")
    # 2 items × 65,535 extents of 0 bytes each, far more than the bytes of the file
    rows = b"".join(n.to_bytes(2, "big") + b"\0\0\0\0" + bytes(4) + b"\xff\xff" for n in range(1, 4))
    body = b"\1\0\0\0\0\x40" + b"\0\3" + rows
    size = int.from_bytes(data[at - 4 : at], "big")
    data[at - 4 : at - 4 + size] = make.box(b"iloc", body)
    meta = data.index(b"meta")
    grown = int.from_bytes(data[meta - 4 : meta], "big") + len(body) + 8 - size
    data[meta - 4 : meta] = grown.to_bytes(4, "big")
    with pytest.raises(TooLarge):
        plan(bytes(data), MediaType.HEIC, ScrubKeep())


def test_icc_goes_when_it_is_not_wanted() -> None:
    profile = (200).to_bytes(4, "big") + bytes(32) + b"acsp" + bytes(160)
    data = with_property(b"colr", b"prof" + profile).build()
    kept = b"".join(plan(data, MediaType.HEIC, ScrubKeep()).chunks(data))
    gone = b"".join(plan(data, MediaType.HEIC, ScrubKeep(icc=False)).chunks(data))
    assert profile in kept
    assert b"acsp" not in gone


def test_what_follows_a_profile_in_its_box_is_refused() -> None:
    profile = (200).to_bytes(4, "big") + bytes(32) + b"acsp" + bytes(160)
    with pytest.raises(Unsupported):
        plan(with_property(b"colr", b"prof" + profile + SECRET).build(), MediaType.HEIC, ScrubKeep())
