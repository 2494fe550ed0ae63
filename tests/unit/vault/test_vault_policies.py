"""Policies kept in the vault: named by digest, never replaced, found out when altered."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from medsnap.errors import Tampered
from medsnap.vault import policies

TEXT = b"medsnap: 1\npolicy: p\n"
DIGEST = hashlib.sha256(TEXT).hexdigest()


def test_a_kept_policy_comes_back(tmp_path: Path) -> None:
    assert policies.recall(tmp_path, DIGEST) is None
    policies.keep(tmp_path, DIGEST, TEXT)
    policies.keep(tmp_path, DIGEST, TEXT)
    assert policies.recall(tmp_path, DIGEST) == TEXT


def test_an_altered_policy_is_not_used(tmp_path: Path) -> None:
    policies.keep(tmp_path, DIGEST, TEXT)
    (tmp_path / "policies" / f"{DIGEST}.yaml").write_bytes(TEXT + b" ")
    with pytest.raises(Tampered):
        policies.recall(tmp_path, DIGEST)


@pytest.mark.parametrize("digest", ["../directory", "", "0" * 63, "G" * 64, DIGEST.upper()])
def test_only_a_digest_becomes_a_file_name(tmp_path: Path, digest: str) -> None:
    with pytest.raises(Tampered):
        policies.keep(tmp_path, digest, TEXT)
    with pytest.raises(Tampered):
        policies.recall(tmp_path, digest)
