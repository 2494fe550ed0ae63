"""Item properties that rendering needs, each in one canonical form; all others go (23008-12, 6.5)."""

from __future__ import annotations

from medsnap.errors import Malformed, Unsupported
from medsnap.scrub import icc

ALPHA = (
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:hevc:2015:auxid:1",
)

# Exact lengths; the forms that depend on content follow below.
_FIXED = {
    b"ispe": 12, b"irot": 1, b"imir": 1, b"clap": 32, b"pasp": 8,
    b"clli": 4, b"mdcv": 24, b"lsel": 2, b"a1op": 1,
}  # fmt: skip

# Without these the picture would look different, whatever their essential mark says.
_NEEDED = frozenset(
    (b"iscl", b"lhvC", b"vvcC", b"avcC", b"j2kH", b"uncC", b"cmpd", b"jpgC", b"cmpC", b"icef")
)


def canonical(kind: bytes, payload: bytes, where: str) -> bytes | None:
    """Return the form that is written, or None where the property is not wanted.

    Raises Malformed where a property that rendering needs does not have its standard's form.
    """
    if kind in _NEEDED:
        raise Unsupported("an image property that medsnap cannot check", where=where)
    if kind in _FIXED:
        return _fixed(kind, payload, where)
    if kind == b"pixi":
        return _pixi(payload, where)
    if kind == b"colr":
        return _colr(payload, where)
    if kind == b"auxC":
        urn = alpha_urn(payload)
        return bytes(4) + urn + b"\0" if urn else None
    return None


def alpha_urn(payload: bytes) -> bytes:
    """Return the URN of an auxC property that marks an alpha plane, else nothing (6.5.8)."""
    urn = payload[4:64].split(b"\0", 1)[0]
    return urn if urn in ALPHA and payload[:4] == bytes(4) else b""


def _fixed(kind: bytes, payload: bytes, where: str) -> bytes:
    if len(payload) != _FIXED[kind]:
        raise Malformed("an image property has an impossible length", where=where)
    if kind == b"irot":
        return bytes((payload[0] & 3,))
    if kind == b"imir":
        return bytes((payload[0] & 1,))
    if kind == b"ispe" and payload[:4] != bytes(4):
        raise Unsupported("an image size of an unknown version", where=where)
    return payload


def _pixi(payload: bytes, where: str) -> bytes:
    if len(payload) < 5 or len(payload) < 5 + payload[4]:
        raise Malformed("an image property ends too early", where=where)
    # Later forms append sampling and a free channel name; the bit depths are all that readers need.
    return bytes(4) + payload[4 : 5 + payload[4]]


def _colr(payload: bytes, where: str) -> bytes | None:
    kind = payload[:4]
    if kind == b"nclx":
        if len(payload) != 11:
            raise Malformed("a colour description has an impossible length", where=where)
        return payload[:10] + bytes((payload[10] & 0x80,))
    if kind in (b"prof", b"rICC"):
        profile = payload[4:]
        if icc.usable(profile):
            icc.check(profile, where)  # what follows a profile within its box could be anything
            return payload
    return None
