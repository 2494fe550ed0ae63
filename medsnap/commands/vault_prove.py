"""`medsnap vault prove`: sign that your keys open what is sealed now."""

from __future__ import annotations

from medsnap.commands import _noted
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member, record
from medsnap.errors import KeyRefused, Tampered
from medsnap.model.event import Action
from medsnap.report.page import Line, Tone


@command()
def prove(io: Io, vault: VaultOption = None, key_file: KeyOption = None) -> Result:
    """Try that your keys open every locked group of yours, and sign it into the vault for ingest to see.

    `ingest --delete-source` deletes nothing until present members have proven every locked group; after
    each new epoch somebody has to prove it again.

    Examples:

      medsnap vault prove --vault /srv/vault --key-file me.key
    """
    from medsnap.crypto.note import Signer
    from medsnap.vault import proofs

    with member(io, vault, key_file) as session, _noted.refusals(io, session, Action.PROVE):
        if not session.keys.signer:
            raise KeyRefused("this key file has no signing key, so it can prove nothing")
        record(io, session, Action.PROVE)
        signer = Signer.parse_private(session.keys.signer)
        at = io.now.isoformat(timespec="seconds")
        made = proofs.prove(session.vault, session.directory, session.reader, signer, at=at, random=io.random)
        proven = proofs.proven(session.vault, session.directory)
        every = [key.name for key in session.directory.compartments]
        mine = [one.compartment for one in made.opens]
        shut = [name for name in session.reader.compartments if name not in mine]
        if shut:
            details = (("shut", " ".join(shut)),)
            record(io, session, Action.PROVE, outcome=Tampered.id, details=details)
    missing = [name for name in every if name not in proven] if set(mine) == set(every) else []
    page = [Line(f"Proven: {', '.join(mine) or 'nothing'}.", Tone.GOOD if mine else Tone.WARN)]
    if missing:
        page.append(Line(f"It does not count for: {', '.join(missing)}.", Tone.WARN))
    return Result(page=tuple(page), data={"type": "proof", "proof": made.proof, "compartments": mine})
