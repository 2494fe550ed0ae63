"""A member adds events of his own: an exporter's receipts, signed by his key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medsnap.errors import KeyRefused
from medsnap.model.codec import canonical
from medsnap.model.photo import Sha256
from medsnap.model.record import ADD, RECEIPT
from medsnap.vault import batches, commits
from medsnap.vault.commits import SignedCommit
from medsnap.vault.directory import Directory
from medsnap.vault.ids import Random
from medsnap.vault.keys import Keys
from medsnap.vault.rights import VERB_FOR


class MemberWriter:
    """Collect events and write them as one commit. `log` appends its hash to the audit log."""

    def __init__(
        self,
        vault: Path,
        directory: Directory,
        keys: Keys,
        *,
        random: Random,
        log: Callable[[Sha256, tuple[str, ...]], None],
    ) -> None:
        from medsnap.crypto.note import Signer

        if not keys.signer:
            raise KeyRefused(
                "the key file holds no signing key", hint="it needs the line '# medsnap-signing-key: …'"
            )
        self._signer = Signer.parse_private(keys.signer)
        self._vault, self._directory, self._random, self._log = vault, directory, random, log
        writer = directory.writer(self._signer.vkey)
        self._verbs = writer.verbs if writer else ()
        self._lines: dict[str, batches.Lines] = {}

    def add(self, compartment: str, row: object) -> None:
        """Add an event to a compartment. Raises KeyRefused when this member has no verb for it."""
        kind = str(getattr(row, "event", ""))
        verb = VERB_FOR.get(kind)
        if verb is None or verb not in self._verbs or kind == ADD:
            raise KeyRefused(
                f"the vault's directory does not let this member write '{kind}'",
                hint=f"members write {RECEIPT}; photos are added by the ingest host",
            )
        self._directory.compartment(compartment)
        self._lines.setdefault(compartment, batches.Lines()).add(canonical(row))

    def commit(self) -> SignedCommit | None:
        """Write what was added; None when nothing was.

        Under `turns.turn`: what removes photos knows all that was written of them, and a check meets no
        batch whose commit is still to come. Ingest need not wait: every file is new under a random name.
        """
        if not self._lines:
            return None
        draft = commits.Draft(lines={k: v.encoded for k, v in self._lines.items()})
        signed = commits.write(self._vault, self._directory, draft, signer=self._signer, random=self._random)
        self._log(signed.sha256, ())
        self._lines = {}
        return signed
