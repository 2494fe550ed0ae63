"""RFC 6962 hashes against known roots; proofs against every small tree and every change."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsnap.audit import merkle

# The reference tree of the Certificate Transparency implementations: eight leaves, each root.
LEAVES = [bytes.fromhex(h) for h in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [merkle.leaf_hash(bytes([n])) for n in range(70)]


def mth(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(mth(leaves[:k]), mth(leaves[k:]))


def node(level: int, index: int) -> bytes:
    return mth(HASHES[index << level : (index + 1) << level])


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size: int) -> None:
    hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES[:size]]
    assert merkle.root_of(hashes).hex() == ROOTS[size]


@pytest.mark.parametrize("size", range(71))
def test_three_ways_to_the_root_agree(size: int) -> None:
    expected = mth(HASHES[:size])
    assert merkle.root_of(HASHES[:size]) == expected == merkle.range_root(0, size, node)


def test_known_inclusion_proof_of_the_reference_tree() -> None:
    hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES]
    proof = merkle.inclusion_proof(0, 8, lambda level, i: mth(hashes[i << level : (i + 1) << level]))
    assert [p.hex() for p in proof] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


@pytest.mark.parametrize("size", range(1, 34))
def test_every_inclusion_is_proved_and_no_other(size: int) -> None:
    root = mth(HASHES[:size])
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, node)
        assert merkle.verify_inclusion(HASHES[index], index, size, proof, root)
        assert not merkle.verify_inclusion(HASHES[index + 1], index, size, proof, root)
        assert not merkle.verify_inclusion(HASHES[index], index, size, (*proof, root), root)
        assert not merkle.verify_inclusion(HASHES[index], index, size, proof[:-1], root) or size == 1
        for other in range(size):
            if other != index:
                assert not merkle.verify_inclusion(HASHES[index], other, size, proof, root)


@pytest.mark.parametrize("new", range(1, 34))
def test_every_beginning_is_proved_and_no_other(new: int) -> None:
    new_root = mth(HASHES[:new])
    for old in range(1, new + 1):
        proof, old_root = merkle.consistency_proof(old, new, node), mth(HASHES[:old])
        assert merkle.verify_consistency(old, old_root, new, new_root, proof)
        forged = merkle.leaf_hash(b"forged")
        assert not merkle.verify_consistency(old, forged, new, new_root, proof)
        assert not merkle.verify_consistency(old, old_root, new, forged, proof)
        assert not merkle.verify_consistency(old, old_root, new, new_root, (*proof, forged))
        if proof:
            assert not merkle.verify_consistency(old, old_root, new, new_root, proof[:-1])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_changed_step_breaks_a_proof(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 60))
    index = data.draw(st.integers(0, size - 1))
    proof = list(merkle.inclusion_proof(index, size, node))
    at = data.draw(st.integers(0, len(proof) - 1))
    proof[at] = bytes([proof[at][0] ^ 1]) + proof[at][1:]
    assert not merkle.verify_inclusion(HASHES[index], index, size, proof, mth(HASHES[:size]))


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_nonsense_is_refused(index: int, size: int) -> None:
    assert not merkle.verify_inclusion(HASHES[0], index, size, (), HASHES[0])
    with pytest.raises(ValueError, match="needs"):
        merkle.inclusion_proof(index, size, node)
    with pytest.raises(ValueError, match="needs"):
        merkle.consistency_proof(size + 1, size, node)
    assert not merkle.verify_consistency(4, HASHES[0], 3, HASHES[0], ())
