"""`medsnap policy key`, `pin`: who signs with which key, and which keyring a vault goes by."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _in_force, _signing
from medsnap.commands._directory import keeper, remember
from medsnap.commands._lists import in_office
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption
from medsnap.errors import CannotCreate, KeyRefused, PolicyError, UsageError
from medsnap.report.page import Facts, Line, Tone

if TYPE_CHECKING:
    from medsnap.policy import Policy
    from medsnap.policy.keyring import Ring
    from medsnap.vault.directory import Directory

_VALID = timedelta(days=2 * 365)


@command()
def key(
    io: Io,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="As the policy names him: a.osei.")],
    *,
    key_file: Annotated[
        Path,
        typer.Option("--key-file", metavar="FILE", help="A key of OpenSSH, or where a new key goes."),
    ],
    until: Annotated[
        str, typer.Option("--until", metavar="YYYY-MM-DD", help="Last day of the key; default: two years.")
    ] = "",
) -> Result:
    """Print a person's lines for keyring.yaml, with the proof that the key is his.

    A file that is not there is made: a new Ed25519 key, mode 0600. A key of OpenSSH (also on a
    hardware key) signs through ssh-keygen.

    Examples:

      medsnap policy key a.osei --key-file a.osei.key

      medsnap policy key p.wahl --key-file ~/.ssh/id_ed25519_sk --until 2028-12-31
    """
    from medsnap.policy import keyring

    if not keyring.may_be_named(person):
        raise UsageError(
            f"'{person:.40}' cannot be named in a policy", hint="small letters, digits, '-', '_', '.': a.osei"
        )
    made = not key_file.exists()
    if made:
        _make(io, key_file, person)
    public, text, ssh = keyring.public_key(person, _signing.public_text(key_file))
    proof = _signing.make(keyring.proof_message(person, text), key_file=key_file)
    ring_key = keyring.RingKey(
        person=person,
        public=public,
        text=text,
        first=io.now.date(),
        last=_last(io, until),
        where="",
        ssh=ssh,
    )
    lines = keyring.entry(ring_key, proof.kind, proof.raw)
    if made:
        io.note(f"a new key lies in {key_file}: it signs policies in {person}'s name; keep it secret")
    data = {
        "type": "key",
        "person": person,
        "key": text,
        "from": str(ring_key.first),
        "until": str(ring_key.last),
        "made": made,
        "entry": lines,
    }
    return Result(text=lines, data=data)  # no page: a terminal's width must not break a proof


def _last(io: Io, text: str) -> date:
    if not text:
        return io.now.date() + _VALID
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text:.20}' is no date", hint="write it like 2028-12-31") from None


def _make(io: Io, path: Path, person: str) -> None:
    from medsnap.crypto.note import generate
    from medsnap.platform import write_durably

    text = f"# medsnap policy key of {person}: keep it secret\n{generate(person, io.random).private()}\n"
    try:
        write_durably(path, text.encode(), exclusive=True)
    except OSError as failure:
        raise CannotCreate(f"the key cannot be written: {failure.strerror}", where=str(path)) from failure


@command()
def pin(
    io: Io,
    file: Annotated[Path, typer.Argument(metavar="KEYRING", help="keyring.yaml, signed by the seats.")],
    *,
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="The root policy.")],
    root_key: Annotated[
        Path,
        typer.Option(
            "--root-key-file",
            "--root-key",
            metavar="FILE",
            help="The recovery sheet, which holds the root key.",
        ),
    ],
    vault: VaultOption = None,
    key_file: KeyOption = None,
) -> Result:
    """Let a vault go by a root policy and a keyring: from then on only signed policies are in force.

    The seats of the policy sign the keyring: the first under itself, each next one also under the
    ring before it (medsnap policy sign keyring.yaml --in-force POLICY).

    Examples:

      medsnap policy pin keyring.yaml --policy hospital.yaml --vault /srv/vault --root-key-file recovery.key
    """
    from medsnap.policy.loading import read_text
    from medsnap.vault import governing

    by = keeper(io, vault, root_key, key_file)
    with by.refusals(io, "policy-pin"):
        loaded, ring = _agreed(io, by.vault, by.directory, policy, file)
        details = (("policy", loaded.ref.policy), ("keyring", ring.digest))
        # it opens no ring, so it ends no break-glass
        authority = replace(by.authority(io, "policy-pin", details, quiet=True), due=())
        after = governing.pin_policy(
            by.vault,
            by.directory,
            authority,
            policy=loaded.ref.policy,
            lowest=loaded.ref.version,
            ring=ring.digest,
            ring_text=read_text(file).encode(),
        )
    remember(io, by, after)
    page = (
        Line("From now on only policies signed by their seats are in force in this vault.", Tone.GOOD),
        Facts(
            (
                ("root policy", f"{loaded.ref.policy}, version {after.policy_lowest} or later"),
                ("keyring", f"{ring.id} {ring.version} (sha256 {ring.digest})"),
                ("directory", f"version {after.version}"),
            )
        ),
    )
    data = {
        "type": "pin",
        "policy": loaded.ref.policy,
        "lowest": after.policy_lowest,
        "keyring": ring.digest,
        "directory": after.version,
    }
    return Result(page=page, data=data)


def _agreed(io: Io, place: Path, before: Directory, policy: Path, file: Path) -> tuple[Policy, Ring]:
    """Return the policy and the keyring that every seat signed. Raises PolicyError, KeyRefused."""
    from medsnap import policy as policies
    from medsnap.policy import keyring

    loaded = policies.load(policy, now=io.now)
    if loaded.root != loaded.ref.policy:
        raise PolicyError("a department's policy governs no vault", where=str(policy), hint="name its parent")
    ring = keyring.load(file)
    _quorum(io, loaded, ring, file, _in_force.pinned_ring(place, before), named=policy.name)
    return loaded, ring


def _quorum(io: Io, policy: Policy, ring: Ring, file: Path, old: Ring | None, *, named: str) -> None:
    """Demand every seat's signatures under the new ring, and under the one before it."""
    from medsnap.policy import signatures

    if old is not None and ring.version <= old.version:
        raise KeyRefused(
            f"the keyring has version {ring.version}, and {old.version} is pinned",
            hint="give it a higher one",
        )
    found, problems = _in_force.signatures(file)
    office = in_office(io)
    subject = ring.subject(old.digest if old is not None else "")
    for judge, which in ((ring, "the new keyring"), (old, "the keyring before it")):
        if judge is None:
            continue
        counted = signatures.tally(subject, policy.seats, judge, found, io.now.date(), in_office=office)
        if not counted.complete:
            for problem in (*problems, *counted.refused):
                io.warn(f"signature: {problem}")
            missing = [f"{s.seat} {len(s.signed)} of {s.needed}" for s in counted.seats if not s.complete]
            raise KeyRefused(
                f"the keyring is not signed by every seat under {which}: {', '.join(missing)}",
                where=str(_in_force.sidecar(file)),
                hint=f"each seat: medsnap policy sign {file.name} --in-force {named} --as …",
            )
