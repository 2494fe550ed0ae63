"""`medsnap audit checkpoint`: the log's signed size and root, to be kept away from the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands import _shipping
from medsnap.commands._directory import seen_directory
from medsnap.commands._ledger_digest import ledger_digest
from medsnap.commands._shared import Io, Result, command
from medsnap.commands._vault import VaultOption, log_of
from medsnap.errors import CannotCreate, UsageError
from medsnap.platform import write_durably
from medsnap.report.page import Line, Page, Tone

if TYPE_CHECKING:
    from medsnap.audit.checkpoint import Checkpoint


@command()
def checkpoint(
    io: Io,
    *,
    vault: VaultOption = None,
    syslog: Annotated[
        str | None,
        typer.Option("--syslog", metavar="TARGET", help="local, a socket's path, or udp://HOST[:PORT]."),
    ] = None,
) -> Result:
    """Write the log's checkpoint as one line: size, root and signature. Keep it away from the vault.

    Only a checkpoint kept elsewhere shows that the log was rewritten or put back: by mail (one line
    on standard output), in a file on another host (-o), or in a syslog (--syslog). It needs no keys.
    `medsnap audit verify --since` takes the line, the file, the mail and the syslog back.

    Examples:

      medsnap audit checkpoint --vault /srv/vault

      medsnap audit checkpoint --vault /srv/vault -o /mnt/other-host/medsnap.checkpoint

      medsnap audit checkpoint --vault /srv/vault --syslog udp://log.example.org:514
    """
    from medsnap.audit import shipped
    from medsnap.audit.copying import snapshot
    from medsnap.crypto.note import Verifier

    place = io.need(vault, "vault", "--vault")
    if syslog is not None and io.output is not None:
        raise UsageError("one way at a time", hint="run it once with -o and once with --syslog")
    if io.output is not None and io.output.resolve().is_relative_to(place.resolve()):
        raise UsageError(
            "in the vault itself it would be put back with the vault", where=str(io.output),
            hint="choose another disk, best another host",
        )  # fmt: skip
    directory, vouched = seen_directory(io, place)
    if not vouched:
        io.warn("nobody here vouches for this vault's directory, which names the log's keys")
    log = log_of(place, directory)
    head = snapshot(log, [Verifier.parse(k) for k in directory.log_vkeys])
    ledger = ledger_digest(place, directory, log, head.size)
    text = shipped.line(head, ledger)
    to, page = _sent(io, text, syslog)
    left = _shipping.Left(at=io.now.isoformat(timespec="seconds"), size=head.size, to=to)
    _shipping.note(io.settings.state / directory.vault, left)
    return Result(page=page, data=_data(head, ledger, text, to), text=text + "\n" if to == "line" else None)


def _sent(io: Io, text: str, syslog: str | None) -> tuple[str, Page]:
    """Send it to a syslog or write it into the file; on standard output it is the result itself."""
    if syslog is not None:
        from medsnap.commands import _syslog

        said = _syslog.send(syslog, _syslog.message(text, io.now, "checkpoint"))
        return "syslog", (Line(f"The checkpoint was {said}.", Tone.GOOD),)
    if io.output is None:
        return "line", ()
    path, io.output = io.output, None  # written here: it counts as kept elsewhere only when it is durable
    try:
        write_durably(path, f"{text}\n".encode(), mode=0o600)
    except OSError as failure:
        raise CannotCreate(f"cannot be written: {failure.strerror}", where=str(path)) from failure
    return "file", (Line(f"The checkpoint lies in {path}.", Tone.GOOD),)


def _data(head: Checkpoint, ledger: str, text: str, to: str) -> dict[str, object]:
    return {
        "type": "checkpoint",
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "signers": list(head.signers),
        "ledger": ledger or None,
        "line": text,
        "note": head.note.decode("utf-8"),
        "to": to,
    }
