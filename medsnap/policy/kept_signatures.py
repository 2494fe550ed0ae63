"""Signatures as a vault keeps them: only lines that verify, so that afterwards a changed bit is seen.

Whether a signature counts (seat, time, office) is for `tally`; here it is asked whether a key of its person
in one of the vault's keyrings made it, bit for bit as it stands there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medsnap.policy.keyring import Ring
from medsnap.policy.signatures import Signature, Subject, parse, verify


def worth_keeping(text: str, subject: Subject, rings: Sequence[Ring]) -> bytes:
    """Return the lines that verify, one a line, as they are printed; b"" for none."""
    found, _ = parse(text, "")
    lines = dict.fromkeys(s.line for s in found if genuine(s, subject, rings))
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def genuine(signature: Signature, subject: Subject, rings: Sequence[Ring]) -> bool:
    """Say whether a key of this person signed this, in any of the rings."""
    message = subject.message(signature.seat, signature.person, signature.day)
    keys = (ring.keys.get(signature.person) for ring in rings)
    return any(key is not None and verify(key, signature.kind, signature.raw, message) for key in keys)


def faults(data: bytes, subject: Subject, rings: Sequence[Ring]) -> Iterator[str]:
    """Say of each line that it is no signature of this, or not as medsnap wrote it."""
    lines = data.decode("utf-8", "replace").split("\n")
    if lines.pop():
        yield f"line {len(lines) + 1} is cut off"
    for number, line in enumerate(lines, 1):
        found, _ = parse(line, "")
        if len(found) != 1 or found[0].line != line:
            yield f"line {number} is no signature"
        elif not genuine(found[0], subject, rings):
            yield f"line {number} verifies under no keyring that the vault keeps"
