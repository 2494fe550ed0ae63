"""`medsnap vault reindex`: make the caller's catalogue anew."""

from __future__ import annotations

from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import KeyOption, VaultOption, member
from medsnap.errors import Exit
from medsnap.report.page import Line, Tone


@command()
def reindex(io: Io, vault: VaultOption = None, key_file: KeyOption = None) -> Result:
    """Make your catalogue anew from the vault's batches alone; nothing in the vault changes.

    It is a cache in your own folder, sealed to you. A damaged one is made anew by itself; this is
    for when you doubt it.

    Examples:

      medsnap vault reindex --vault /srv/vault --key-file me.key
    """
    from medsnap.vault.entries import Filters

    with member(io, vault, key_file, anew=True) as session:
        # how many commits were read is not said: some hold only what the caller may not know of
        photos = len(session.catalogue.entries(Filters(roles=session.roles)))
        broken = bool(session.reader.problems)
    line = Line(
        f"{photos} photos." + (" Some batches could not be read." if broken else ""),
        Tone.WARN if broken else Tone.GOOD,
    )
    data = {"photos": photos, "problems": broken}
    return Result(page=(line,), data=data, exit=Exit.INTEGRITY if broken else Exit.OK)
