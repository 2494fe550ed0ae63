"""ASCII armour: the strict PEM of RFC 7468, figure 3, label AGE ENCRYPTED FILE (C2SP age, "ASCII armor")."""

from __future__ import annotations

import binascii

from medsnap.errors import Malformed

BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
END = b"-----END AGE ENCRYPTED FILE-----"
_COLUMNS = 64
_SPACE = b" \t\r\n"


def is_armored(data: bytes) -> bool:
    """Say whether these bytes claim to be armour (white space before it is allowed)."""
    return data[:1024].lstrip(_SPACE).startswith(b"-----BEGIN")


def encode(data: bytes) -> bytes:
    """Wrap an age file in armour."""
    text = binascii.b2a_base64(data, newline=False)
    lines = [text[i : i + _COLUMNS] for i in range(0, len(text), _COLUMNS)]
    return b"\n".join([BEGIN, *lines, END, b""])


def decode(data: bytes) -> bytes:
    """Unwrap armour; raise Malformed with the line for anything that is not canonical."""
    lines = data.strip(_SPACE).replace(b"\r\n", b"\n").split(b"\n")
    if lines[0] != BEGIN:
        raise Malformed("the first line of the armour is wrong", where="age armour, line 1")
    if len(lines) < 2 or lines[-1] != END:
        raise Malformed("the last line of the armour is wrong", where=f"age armour, line {len(lines)}")
    body = lines[1:-1]
    for number, line in enumerate(body, 2):
        # All lines are full, but the last, which is never empty: one spelling for one file.
        if not line or len(line) > _COLUMNS or (len(line) < _COLUMNS and number <= len(body)):
            raise Malformed("a line of the armour has the wrong length", where=f"age armour, line {number}")
    joined = b"".join(body)
    try:
        raw = binascii.a2b_base64(joined, strict_mode=True)
    except ValueError:
        raise Malformed("the armour's base64 is broken", where="age armour") from None
    if binascii.b2a_base64(raw, newline=False) != joined:
        raise Malformed("the armour's base64 is not canonical", where="age armour")
    return raw
