"""Properties: what rendering needs in its canonical form, nothing of the rest."""

from __future__ import annotations

import pytest

from medsnap.errors import Malformed, MedsnapError, Unsupported
from medsnap.scrub.heif_properties import canonical
from tests.builders.heif import ALPHA, DEPTH, PIXI, SECRET

NCLX = b"nclx\0\1\0\x0d\0\6"
PROFILE = (200).to_bytes(4, "big") + bytes(32) + b"acsp" + bytes(160)


@pytest.mark.parametrize(
    ("kind", "payload", "written"),
    [
        (b"irot", b"\xff", b"\3"),
        (b"imir", b"\xff", b"\1"),
        (b"ispe", bytes(12), bytes(12)),
        (b"pixi", PIXI + SECRET, PIXI),
        (b"pixi", b"\0\0\0\1" + PIXI[4:] + SECRET, PIXI),
        (b"colr", NCLX + b"\xff", NCLX + b"\x80"),
        (b"colr", NCLX + b"\x7f", NCLX + b"\0"),
        (b"colr", b"prof" + PROFILE, b"prof" + PROFILE),
        (b"colr", b"prof" + SECRET * 10, None),
        (b"colr", b"prof", None),
        (b"colr", b"nclc" + SECRET, None),
        (b"auxC", ALPHA + SECRET, ALPHA),
        (b"auxC", DEPTH, None),
        (b"auxC", bytes(4) + b"urn:mpeg:mpegB:cicp:systems:auxiliary:alphabet\0", None),
        (b"udes", SECRET, None),
        (b"uuid", SECRET, None),
        (b"zzzz", SECRET, None),
    ],
)
def test_canonical(kind: bytes, payload: bytes, written: bytes | None) -> None:
    assert canonical(kind, payload, "here") == written


@pytest.mark.parametrize(
    ("kind", "payload", "error"),
    [
        (b"irot", b"", Malformed),
        (b"irot", b"\1" + SECRET, Malformed),
        (b"clap", bytes(31), Malformed),
        (b"ispe", bytes(13), Malformed),
        (b"ispe", b"\1" + bytes(11), Unsupported),
        (b"pixi", b"\0\0\0\0\4abc", Malformed),
        (b"colr", NCLX, Malformed),
        (b"colr", b"prof" + PROFILE + SECRET, Unsupported),
        (b"colr", b"prof" + PROFILE[:150], Unsupported),
        (b"iscl", bytes(12), Unsupported),
    ],
)
def test_refused(kind: bytes, payload: bytes, error: type[MedsnapError]) -> None:
    with pytest.raises(error) as caught:
        canonical(kind, payload, "here")
    assert caught.value.where == "here"
