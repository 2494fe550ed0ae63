"""The recovery of a vault that is being made: where it goes, written, tried as it lies there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from medsnap.commands._recovery import (
    TRIES,
    SheetForm,
    free_sheets,
    read_back,
    sheet_file,
    write_sheets,
)
from medsnap.commands._shared import Io
from medsnap.errors import KeyRefused, UsageError

if TYPE_CHECKING:
    from medsnap.vault.create import NewVault
    from medsnap.vault.directory import Directory
    from medsnap.vault.keys import Keys
    from medsnap.vault.sheets import Sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Where recovery goes: one file, or a folder of sheets."""

    file: Path | None
    folder: Path | None
    form: SheetForm

    @classmethod
    def chosen(cls, io: Io, file: Path | None, folder: Path | None, form: SheetForm) -> Recovery:
        if file is not None and folder is not None:
            raise UsageError("--recovery-file and --recovery-dir exclude each other", hint="give one of them")
        if file is None and folder is None:
            if not io.interactive:
                raise UsageError(
                    "--recovery-dir or --recovery-file is missing",
                    hint="without recovery sheets a lost key loses every photo; name a folder for them",
                )
            folder = Path(str(typer.prompt("Folder for the recovery sheets (best on a stick)", err=True)))
        return cls(file=file, folder=folder, form=form)

    def refuse_taken(self, never: tuple[str, ...]) -> None:
        """Refuse before anything is made when sheets lie there. Raises CannotCreate."""
        from medsnap.vault.recovery import CLOSED, GENERAL, ROOT

        if self.folder is not None:
            free_sheets(self.folder, (GENERAL, ROOT, *((CLOSED,) if never else ())), self.form)


def _recovery_keys(new: NewVault) -> Keys:
    from medsnap.vault.keys import Keys

    return Keys(
        identities=tuple(i for i in (new.recovery_identity, new.closed_identity) if i),
        signer=new.recovery_signer,
        root_key=new.root_key,
        root_vkey=new.directory.root,
        vault=new.directory.vault,
        member="recovery",
    )


def save(io: Io, where: Recovery, new: NewVault) -> list[Sheet]:
    from medsnap.vault import keys, recovery

    if where.folder is not None:
        found = recovery.secrets_in(_recovery_keys(new), new.directory)
        return write_sheets(io, where.folder, found, new.directory, where.form)
    title = "medsnap RECOVERY SHEET: opens every photo and signs the directory. Print it, lock it away."
    if where.file is not None:
        keys.save_file(where.file, keys.render(_recovery_keys(new), title), random=io.random)
    return []


def try_out(io: Io, vault: Path, where: Recovery, made: Sequence[Sheet]) -> None:
    """Open every ring with the sheets as they lie on the disk, and make the person read them."""
    from medsnap.vault import directory, keys, recovery

    if where.folder is not None:
        signed = directory.load(vault)
        verified = directory.verify(signed.data, root_vkey=signed.directory.root)
        found = read_back(io, where.folder, made, verified, where.form)
        _open_rings(vault, verified, recovery.keys_of(found, verified), where.folder)
    elif where.file is not None:
        read = keys.load_file(where.file)
        verified = directory.verify(directory.load(vault).data, root_vkey=read.root_vkey)
        _open_rings(vault, verified, read, where.file)
        _look_at_file(io, where.file, read)


def _open_rings(vault: Path, verified: Directory, read: Keys, where: Path) -> None:
    from medsnap.vault import rings

    for key in verified.compartments:
        if rings.compartment_identities(vault, key, read.identities) is None:
            raise KeyRefused("recovery does not open the vault just made", where=str(where))


def _look_at_file(io: Io, sheet: Path, read: Keys) -> None:
    if not io.interactive:
        return
    io.note(f"Look into {sheet} (or at its print). Its last line is the recovery key.")
    for _ in range(TRIES):
        typed = str(typer.prompt("Its last 8 characters", err=True)).strip().upper()
        if typed == read.identities[-1][-8:]:
            return
        io.warn("these are not the last 8 characters of that line")
    raise KeyRefused(
        "the recovery sheet was not read back",
        where=str(sheet),
        hint="the vault is made; do not use it before you can read the sheet, or remove it and start again",
    )


def told(where: Recovery, made: Sequence[Sheet]) -> tuple[str, list[str]]:
    """Say where recovery lies: for people, and the files for programs."""
    if where.folder is None:
        return f"{where.file}: print it, lock it away, take the file off this machine", [str(where.file)]
    sets = dict.fromkeys(sheet.kind for sheet in made)
    text = (
        f"{where.folder}: {len(made)} sheets, {len(sets)} sets ({', '.join(sets)}), any two of a set are"
        " needed. Print them, give them to different people, take the files off this machine"
    )
    return text, [str(sheet_file(where.folder, sheet, where.form)) for sheet in made]
