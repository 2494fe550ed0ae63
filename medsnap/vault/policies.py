"""The policies that decided the photos of a vault, in clear, under the digest of their bytes, and
the keyrings and signatures that brought them into force.

A decision names its policy by digest (policy.md M14); years later it must still be at hand for an
export, an explanation or a replay. A policy holds no patient data, and its digest stands in every
sealed decision, so an altered file is found by its name.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from medsnap.errors import InputMissing, Tampered
from medsnap.platform import write_durably
from medsnap.vault.files import io_errors, make_folder, names, read_limited

FOLDER = "policies"
MAX_POLICY = 1 << 20
MAX_SIGNATURES = 4 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _path(vault: Path, digest: str) -> Path:
    # the digest becomes a file name: nothing but these characters may pass
    if not _DIGEST.fullmatch(digest):
        raise Tampered("is no digest of a policy")
    return vault / FOLDER / f"{digest}.yaml"


def keep(vault: Path, digest: str, text: bytes) -> None:
    """Keep a policy's bytes; what is there already stays. Raises Tampered when they do not fit."""
    path = _path(vault, digest)
    if hashlib.sha256(text).hexdigest() != digest:
        raise Tampered("the policy's bytes do not fit its digest", where=str(path))
    if path.exists():
        return
    make_folder(path.parent)
    with io_errors(path):
        write_durably(path, text)


def recall(vault: Path, digest: str) -> bytes | None:
    """Return a policy's bytes, None when the vault does not hold it. Raises Tampered."""
    path = _path(vault, digest)
    try:
        text = read_limited(path, MAX_POLICY)
    except InputMissing:
        return None
    if hashlib.sha256(text).hexdigest() != digest:
        raise Tampered("a policy of the vault was altered", where=f"{FOLDER}/{path.name}")
    return text


def texts(vault: Path) -> dict[str, str]:
    """Return all policies and keyrings that the vault keeps, by digest. Raises Tampered."""
    found = {}
    for name in names(vault / FOLDER):
        digest = name.removesuffix(".yaml")
        if name.endswith(".yaml") and _DIGEST.fullmatch(digest):
            text = recall(vault, digest)
            if text is not None:
                found[digest] = text.decode("utf-8", "replace")
    return found


def keep_signatures(vault: Path, digest: str, text: bytes) -> None:
    """Keep the signatures of a policy: the lines that are there and those that are new."""
    path = _path(vault, digest).with_suffix(".sig")
    before = recall_signatures(vault, digest)
    lines = dict.fromkeys(before.splitlines()) | dict.fromkeys(text.splitlines())
    joined = b"".join(line + b"\n" for line in lines)
    if len(joined) <= MAX_SIGNATURES and joined != before:
        make_folder(path.parent)
        with io_errors(path):
            write_durably(path, joined)


def recall_signatures(vault: Path, digest: str) -> bytes:
    """Return the signatures kept for a policy, unjudged; nothing when there are none."""
    try:
        return read_limited(_path(vault, digest).with_suffix(".sig"), MAX_SIGNATURES)
    except InputMissing:
        return b""
