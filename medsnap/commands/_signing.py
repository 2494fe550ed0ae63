"""What signing commands share: a native key or ssh-keygen makes the signature; the summary shown before."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from medsnap.errors import InputMissing, KeyRefused
from medsnap.report.page import Block, Line, Table, Tone

if TYPE_CHECKING:
    from medsnap.policy import Policy
    from medsnap.policy.signatures import Signature

MAX_KEY = 64 * 1024
_OPENSSH = ("-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-", "sk-")


@dataclass(frozen=True, slots=True)
class Made:
    """A raw signature: "ed25519" or "ssh", and its bytes."""

    kind: str
    raw: bytes


def make(message: bytes, *, key_file: Path | None, made: Path | None = None) -> Made:
    """Sign with a key file, or take what ssh-keygen wrote elsewhere. Raises KeyRefused, Malformed."""
    from medsnap.crypto import ed25519, sshsig
    from medsnap.crypto.note import Signer
    from medsnap.policy.signatures import NATIVE, SSH

    if key_file is None:
        return Made(SSH, sshsig.unarmour(_read(made or Path())))
    text = _read(key_file)
    if text.startswith(_OPENSSH):
        return Made(SSH, sshsig.unarmour(_ssh_keygen(key_file, message)))
    return Made(NATIVE, ed25519.sign(Signer.parse_private(secret(key_file, text)).seed, message))


def of_these_bytes(made: Made, message: bytes) -> None:
    """Refuse a signature from elsewhere that was made over other bytes. Raises KeyRefused, Malformed."""
    from medsnap.crypto import sshsig
    from medsnap.policy.signatures import NAMESPACE, SSH

    if made.kind == SSH and not sshsig.verify(sshsig.signer(made.raw), made.raw, NAMESPACE, message):
        raise KeyRefused(
            "the signature was made over other bytes",
            hint="it must be of this file, seat, person and day: give the same --date to --to-sign and here",
        )


def signature(made: Made, seat: str, person: str, day: date) -> Signature:
    """Make the line of a `.sig` file."""
    from medsnap.policy.signatures import Signature

    return Signature(seat=seat, person=person, day=day, kind=made.kind, raw=made.raw)


def secret(path: Path, text: str) -> str:
    """Return the private key of a native key file. Raises KeyRefused when others may read it."""
    from medsnap.platform import too_open

    if too_open(path):
        raise KeyRefused("others may read the key file", where=str(path), hint=f"chmod 600 {path}")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) != 1:
        raise KeyRefused("this is no key of medsnap policy key, and none of OpenSSH", where=str(path))
    return lines[0]


def made_out_to(path: Path, person: str) -> None:
    """Refuse a native key of somebody else, whose signature would count for nobody. Raises KeyRefused."""
    from medsnap.crypto.note import Signer

    text = _read(path)
    if text.startswith(_OPENSSH):
        return  # names nobody
    name = Signer.parse_private(secret(path, text)).name
    if name != person:
        raise KeyRefused(
            f"this is the key of '{name}', not of '{person}'",
            where=str(path),
            hint="each person signs with his own",
        )


def public_text(path: Path) -> str:
    """Return the public half of a key file as text. Raises KeyRefused, InputMissing."""
    from medsnap.crypto.note import Signer

    text = _read(path)
    if not text.startswith(_OPENSSH):
        return Signer.parse_private(secret(path, text)).vkey
    if text.startswith("-----"):
        beside = path.with_name(path.name + ".pub")
        text = _read(beside)
    return " ".join(text.split()[:2])


def _read(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            return handle.read(MAX_KEY).decode("utf-8", "replace")
    except OSError as missing:
        raise InputMissing("the file cannot be read", where=str(path), hint="check the path") from missing


def _ssh_keygen(key: Path, message: bytes) -> str:
    """Let ssh-keygen sign: it asks for passphrase and touch on the terminal by itself."""
    from medsnap.policy.signatures import NAMESPACE

    try:
        ran = subprocess.run(
            ["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", str(key)],
            input=message,
            stdout=subprocess.PIPE,
            check=False,
        )
    except FileNotFoundError:
        raise InputMissing(
            "ssh-keygen is not installed", hint="install OpenSSH's client, or use a key of medsnap policy key"
        ) from None
    if ran.returncode:
        raise KeyRefused("ssh-keygen did not sign", where=str(key), hint="its own words stand above")
    return ran.stdout.decode("utf-8", "replace")


def summary(policy: Policy, before: Policy | None) -> tuple[Block, ...]:
    """Say what a policy says in sentences, then what it changes against the one in force."""
    from medsnap.policy.board import chapters
    from medsnap.policy.diff import changes

    page: list[Block] = [Line(f"{policy.ref.policy} {policy.ref.version}: {policy.title}", Tone.TITLE)]
    for chapter in chapters(policy):
        page.append(Line(chapter.title, Tone.TITLE))
        page += [Line(f"  {s.text}  [{s.where}]") for s in chapter.sentences]
    if before is None:
        page.append(Line("No policy in force is known here to compare it with (--in-force FILE).", Tone.WARN))
        return tuple(page)
    found = changes(before, policy)
    rows = tuple((c.effect, c.path, f"{c.before} → {c.after}", c.where) for c in found)
    title = f"Against {before.ref.policy} {before.ref.version}, which is in force:"
    page.append(
        Table(
            title=title,
            columns=("", "what", "from → to", "line"),
            rows=rows,
            wide="from → to",
            empty="nothing changes",
        )
    )
    return tuple(page)


def show(page: tuple[Block, ...]) -> None:
    """Draw a page on stderr, before a question about it."""
    import sys

    from medsnap.report import human

    human.render(page, sys.stderr)
