"""What commands share that write or read recovery sheets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsnap.commands._shared import Io
from medsnap.errors import CannotCreate, IoFailed, KeyRefused, UsageError

if TYPE_CHECKING:
    from medsnap.vault.directory import Directory
    from medsnap.vault.recovery import Recovered
    from medsnap.vault.sheets import ReadSheet, Sheet

TRIES = 3
TYPING_TRIES = 9  # of the 33 words of a sheet
_ENOUGH = 20  # digits of the fingerprint that a person has to type: 80 bits


class SheetForm(StrEnum):
    """How sheets are written."""

    HTML = "html"
    TEXT = "text"


SheetsArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="SHEET…", help="Files of two sheets of each set; without files they are typed."),
]
SheetOption = Annotated[
    list[Path] | None,
    typer.Option("--sheet", metavar="FILE", help="A recovery sheet; give two of each set."),
]
FormOption = Annotated[
    SheetForm, typer.Option("--sheets", help="html prints on one page each; text is for a plain printer.")
]


def write_sheets(
    io: Io, folder: Path, found: Recovered, directory: Directory, form: SheetForm
) -> list[Sheet]:
    """Write three sheets for each secret, a file each, mode 0600. Raises CannotCreate, IoFailed."""
    from medsnap.report.sheet import html
    from medsnap.vault import keys, sheets

    day = io.now.date().isoformat()
    made = [
        sheet for kind in found.kinds for sheet in sheets.split(found.secrets[kind], kind, directory, day=day)
    ]
    free_sheets(folder, found.kinds, form)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as failure:
        raise IoFailed(f"the folder cannot be made: {failure.strerror}", where=str(folder)) from failure
    for sheet in made:
        text = html(sheet) if form is SheetForm.HTML else sheets.as_text(sheet)
        keys.save_file(sheet_file(folder, sheet, form), text, random=io.random)
    return made


def sheet_file(folder: Path, sheet: Sheet, form: SheetForm) -> Path:
    """Return where a sheet lies."""
    return folder / f"{sheet.file}.{'html' if form is SheetForm.HTML else 'txt'}"


def free_sheets(folder: Path, kinds: Sequence[str], form: SheetForm) -> None:
    """Refuse a folder that holds such sheets already. Raises CannotCreate."""
    if folder.exists() and not folder.is_dir():
        raise CannotCreate("is no folder", where=str(folder), hint="sheets need a folder")
    suffix = "html" if form is SheetForm.HTML else "txt"
    for kind in kinds:
        if there := sorted(folder.glob(f"{kind}-[0-9]-of-[0-9].{suffix}")):
            raise CannotCreate("a sheet is never replaced", where=str(there[0]), hint="choose another folder")


def read_back(
    io: Io, folder: Path, made: Sequence[Sheet], directory: Directory, form: SheetForm
) -> Recovered:
    """Read the sheets as they lie on the disk, combine every two of them, let a person look at each.

    Raises KeyRefused when one does not give back what was split.
    """
    from itertools import combinations

    from medsnap.vault import sheets

    read = {sheet.file: sheets.load(sheet_file(folder, sheet, form)) for sheet in made}
    found: Recovered | None = None
    for kind in dict.fromkeys(sheet.kind for sheet in made):
        of_kind = [read[s.file] for s in made if s.kind == kind]
        for pair in combinations(of_kind, 2):
            if sheets.recover(pair, directory).kinds != (kind,):
                raise KeyRefused("the sheets just written do not give the key back", where=str(folder))
    found = sheets.recover(tuple(read.values()), directory)
    if io.interactive:
        for sheet in made:
            _look(io, sheet_file(folder, sheet, form), sheet)
    return found


def _look(io: Io, path: Path, sheet: Sheet) -> None:
    """Ask for one word, so that somebody has looked at each sheet, or at its print."""
    number = 1 + io.random(1)[0] % len(sheet.share.words)
    for _ in range(TRIES):
        typed = str(typer.prompt(f"{path.name}: word {number}", err=True)).strip().lower()
        if typed == sheet.share.words[number - 1]:
            return
        io.warn(f"this is not word {number} of that sheet")
    raise KeyRefused(
        "the sheets were not read back",
        where=str(path),
        hint="the vault is made; do not use it before you can read its sheets, or remove it and start again",
    )


def read_sheets(io: Io, files: Sequence[Path]) -> list[ReadSheet]:
    """Read sheets from files, or let a person type two. Raises UsageError, Malformed, InputMissing."""
    from medsnap.vault import sheets

    if files:
        return [sheets.load(path) for path in files]
    if not io.interactive:
        raise UsageError("no sheet was given", hint="name the files of two sheets; nobody can be asked")
    return [_typed(io, number) for number in (1, 2)]


def _typed(io: Io, number: int) -> ReadSheet:
    """Ask for the words of one sheet, on as many lines as a person likes, until they hold."""
    from medsnap.crypto.shares import WORDS
    from medsnap.errors import Malformed
    from medsnap.vault import sheets

    io.note(
        "Type the words in the order of their numbers, some to a line; the first four letters of each will"
        " do. To mend one: its number and the word."
    )
    words: dict[int, str] = {}
    left, mend = TYPING_TRIES, False
    while True:
        missing = next((n for n in range(1, WORDS + 1) if n not in words), None)
        try:
            if missing is None and not mend:
                return sheets.parse("\n".join(f"{n} {w}" for n, w in words.items()), where=f"sheet {number}")
            ask = "The number and the word" if mend else f"Sheet {number}, word {missing} and on"
            _take(words, missing or WORDS + 1, str(typer.prompt(ask, err=True)))
            mend = False
        except Malformed as wrong:
            left -= 1
            if not left:
                raise
            io.warn(f"{wrong.message}; {wrong.hint}" if wrong.hint else wrong.message)
            mend = missing is None


def _take(words: dict[int, str], begin: int, line: str) -> None:
    """Take words from `begin` on, or those behind their number. Raises Malformed at the first wrong one.

    What was right before it is kept: nobody types 33 words again for the last one.
    """
    from medsnap.crypto.shares import WORDS, full_word
    from medsnap.errors import Malformed

    number = begin
    for piece in re.findall(r"[0-9]+|[^\W\d_]+", line):
        if piece.isdecimal():
            number = int(piece)
            continue
        if not 1 <= number <= WORDS:
            raise Malformed(f"a sheet has {WORDS} words", hint="begin with the word's number")
        words[number] = full_word(piece, number, "")
        number += 1


def recovered(io: Io, vault: Path, files: Sequence[Path]) -> tuple[Directory, Recovered]:
    """Combine sheets for a vault whose directory is verified by the root that they name.

    Bare words name no root: then this host's pin, the caller's key or what a person types from the
    sheet vouches for it. Raises KeyRefused (77), Malformed, UsageError.
    """
    from medsnap.vault import directory, history, sheets

    signed = directory.load(vault)
    read = read_sheets(io, files)
    verified = directory.verify(signed.data, root_vkey=signed.directory.root)
    found = sheets.recover(read, verified, roots=history.roots(vault, verified, signed.data))
    if not any(sheet.root for sheet in read):
        _vouch(io, vault, verified)
    return verified, found


def _vouch(io: Io, vault: Path, verified: Directory) -> None:
    from medsnap.commands._directory import seen_directory
    from medsnap.crypto.note import fingerprint

    if seen_directory(io, vault)[1]:
        return
    named = "".join(fingerprint(verified.root).split())
    if not io.interactive:
        io.warn("nothing here vouches for the vault's root; compare it with the sheets: medsnap vault trust")
        return
    for _ in range(TRIES):
        typed = str(typer.prompt("The line 'root' on the sheet, its first five groups at least", err=True))
        digits = "".join(typed.lower().split())
        if len(digits) >= _ENOUGH and named.startswith(digits):
            return
        io.warn("this is not the root that the vault's directory names")
    raise KeyRefused(
        "the vault's directory names another root than the sheet",
        hint="this may be a forged vault: open nothing, look for another copy",
    )
