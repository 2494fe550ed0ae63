"""Give a person compartments: rewrite their rings and the directory, never a photo.

At most one file and the compartments touched change (amendment 10). It needs somebody who
opens the compartments now and the root key from its sheet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from medsnap.errors import KeyRefused, UsageError
from medsnap.platform import write_durably
from medsnap.vault import rings
from medsnap.vault.create import RESERVED
from medsnap.vault.directory import FILE, CompartmentKey, Directory, Member, WriterKey, serialise
from medsnap.vault.files import write_new
from medsnap.vault.ids import Random, random_id
from medsnap.vault.keys import Keys


def add_member(
    vault: Path,
    directory: Directory,
    *,
    opener: Sequence[str],
    root_key: str,
    name: str,
    compartments: Sequence[str],
    verbs: Sequence[str],
    random: Random,
) -> tuple[Directory, Keys]:
    """Add a member; returns the new directory and the member's keys. Raises KeyRefused, UsageError.

    New rings come under new names, then the directory, then the old rings go: a crash leaves a
    vault that opens.
    """
    from medsnap.crypto.age import generate_identity, recipient_of
    from medsnap.crypto.note import Signer, generate

    if name in RESERVED or any(m.name == name for m in directory.members):
        raise UsageError(f"the name '{name}' is taken")
    root = Signer.parse_private(root_key)
    if root.vkey != directory.root:
        raise KeyRefused("this is not the root key of this vault")
    identity = generate_identity(random, suite=directory.suite)
    signer = generate(f"{directory.vault}/{name}", random)
    member = Member(
        name=name, recipient=recipient_of(identity), vkey=signer.vkey, compartments=tuple(compartments)
    )
    members = (*directory.members, member)
    keys = tuple(
        _rewrapped(vault, directory, key, members=members, opener=opener, random=random)
        if key.name in compartments
        else key
        for key in directory.compartments
    )
    new = dataclasses.replace(
        directory,
        version=directory.version + 1,
        compartments=keys,
        members=members,
        writers=(*directory.writers, WriterKey(name=name, vkey=signer.vkey, verbs=tuple(verbs))),
    )
    write_durably(vault / FILE, serialise(new, [root]))
    for old in {k.ring for k in directory.compartments} - {k.ring for k in new.compartments}:
        (vault / "keys" / old).unlink(missing_ok=True)
    return new, Keys(
        identities=(identity,),
        signer=signer.private(),
        root_vkey=directory.root,
        vault=directory.vault,
        member=name,
    )


def _rewrapped(
    vault: Path,
    directory: Directory,
    key: CompartmentKey,
    *,
    members: Sequence[Member],
    opener: Sequence[str],
    random: Random,
) -> CompartmentKey:
    identities = rings.compartment_identities(vault, key, opener)
    if identities is None:
        raise KeyRefused(f"this key does not open '{key.name}' and cannot give it to others")
    readers = [m.recipient for m in members if key.name in m.compartments]
    text = rings.ring_text(directory.vault, f"compartment {key.name}", identities)
    data, digest = rings.wrap(text, [*readers, directory.recovery], random=random)
    ring = f"{random_id(random)}.age"
    write_new(vault / "keys" / ring, data)
    return dataclasses.replace(key, ring=ring, ring_sha256=digest)
