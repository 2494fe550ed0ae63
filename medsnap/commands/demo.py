"""`medsnap demo`: the main job on a made-up clinic day, each step the command that a person would type."""

from __future__ import annotations

import contextlib
import io as streams
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsnap.commands._shared import Format, Io, Result, command
from medsnap.errors import CannotCreate, Exit, worst
from medsnap.report.page import Facts, Line, Page, Tone

if TYPE_CHECKING:
    from medsnap.demo.dump import DemoDay
    from medsnap.model.record import PhotoRow

MARK = ".medsnap-demo"
SEED = 1


@command(output=False)
def demo(
    io: Io,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the made-up day goes; made anew each time.")
    ] = Path("medsnap-demo"),
) -> Result:
    """Make a clinic day up and run the main job on it: take in, list, explain, export, verify, open.

    Everything lies below DIR, keys included; nothing else on this machine is touched. All patients,
    numbers and pictures are invented.

    Examples:

      medsnap demo ./try-it
    """
    from medsnap.demo import dump

    place = _fresh(folder)
    show = _Show(loud=io.format is Format.HUMAN and not io.quiet, place=place)
    with _own_settings(place):
        show.say("A ward's tablet and a private phone come off duty with the photos of one day.")
        day = dump.make(place / "day", seed=SEED, now=io.now.date())
        policy = _policy(io, place)
        _steps(show, day, policy)
        rows = _rows(io, place)
        _look_closer(show, rows, place)
    made = _on_disk(place)
    code = Exit.OK if show.unexpected == Exit.OK else show.unexpected
    return Result(page=_end(place, rows, made, code), data=_data(place, rows, made), exit=code)


def _fresh(folder: Path) -> Path:
    """Make DIR; an earlier demo in it is replaced, anything else is left alone (73)."""
    if folder.exists() and not folder.is_dir():
        raise CannotCreate("this is no folder", where=str(folder), hint="choose another")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise CannotCreate(
                "the folder is not empty and holds no earlier demo", where=str(folder), hint="choose another"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    (folder / MARK).write_text("made by medsnap demo; may be deleted\n", encoding="utf-8")
    return folder.resolve()


@contextlib.contextmanager
def _own_settings(place: Path) -> Iterator[None]:
    """Keep keys, pins and caches of the demo below its folder."""
    own = {
        "MEDSNAP_STATE": str(place / "host"),
        "MEDSNAP_CACHE": str(place / "cache"),
        "MEDSNAP_VAULT": str(place / "vault"),
        "MEDSNAP_KEY_FILE": str(place / "keys" / "owner.key"),
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _policy(io: Io, place: Path) -> Path:
    """Copy the packaged hospital policy, in force around the day of the demo."""
    from medsnap import policy

    text = policy.packaged("hospital").read_text(encoding="utf-8")
    today = io.now.date()
    span = f"in_force: {{from: {today - timedelta(days=30)}, until: {today + timedelta(days=335)}}}"
    path = place / "hospital.yaml"
    path.write_text(re.sub(r"(?m)^in_force: .*$", span, text), encoding="utf-8")
    return path


@dataclass(slots=True, kw_only=True)
class _Show:
    """Runs the steps: prints what is done and the command, then lets the command speak for itself."""

    loud: bool
    place: Path
    number: int = 0
    unexpected: Exit = Exit.OK
    codes: list[int] = field(default_factory=list)

    def say(self, text: str) -> None:
        if self.loud:
            _print((Line(text),))

    def step(
        self, title: str, run: Callable[..., int], words: str, *, fine: tuple[Exit, ...] = (), **given: Any
    ) -> None:
        """Run one command in this process. `fine` are exit codes besides 0 that belong to the story."""
        self.number += 1
        if self.loud:
            _print(
                (Line(), Line(f"{self.number}. {title}", Tone.TITLE), Line(f"$ medsnap {words}", Tone.QUIET))
            )
        hidden = streams.StringIO()
        with contextlib.nullcontext() if self.loud else contextlib.redirect_stdout(hidden):
            code = Exit(run(**given))
        if code not in (Exit.OK, *fine):
            self.unexpected = worst(self.unexpected, code)
            self.say(f"(this step ended with exit code {int(code)}, which was not expected)")

    def path(self, path: Path) -> str:
        """Write a path below the demo's folder as a person there would type it."""
        return shlex.quote(
            str(path.relative_to(self.place)) if path.is_relative_to(self.place) else str(path)
        )


def _print(page: Page) -> None:
    from medsnap.report import human

    human.render(page, sys.stdout)
    sys.stdout.flush()


def _steps(show: _Show, day: DemoDay, policy: Path) -> None:
    from medsnap.commands import audit, export, ingest, scan, vault, vault_check, vault_ls

    place, keys = show.place, show.place / "keys"
    keys.mkdir(mode=0o700)
    lists: dict[str, Any] = {"manifest": day.manifest, "devices": day.devices, "people": day.people}
    words = " ".join(f"--{name} {show.path(path)}" for name, path in lists.items())
    run: dict[str, Any] = {"paths": [day.dump], "policy": str(policy), **lists}
    show.step(
        "A vault, its owner's key and a recovery sheet",
        vault.init,
        "vault init --vault vault --no-input --key-file keys/owner.key --recovery-file keys/recovery.txt",
        vault=place / "vault",
        key_file=keys / "owner.key",
        recovery_file=keys / "recovery.txt",
        no_input=True,
    )
    dump = show.path(day.dump)
    show.step(
        "What is in these files? (reads only)",
        scan.scan,
        f"scan {dump} --policy hospital.yaml {words}",
        fine=(Exit.VIOLATION, Exit.PARTIAL),
        **run,
    )
    show.step(
        "Take them in: scrub, classify, match, decide, seal; what may leave goes to the record at once",
        ingest.ingest,
        f"ingest {dump} --policy hospital.yaml {words} --export-to ehr=to-ehr",
        fine=(Exit.PARTIAL,),
        **run,
        export_to=[f"ehr={place / 'to-ehr'}"],
    )
    show.step("What the owner of the key may know of", vault_ls.ls, "vault ls")
    show.step(
        "The same photos for the image archive, as DICOM",
        export.export,
        "export --as dicom -o to-pacs --policy hospital.yaml",
        fine=(Exit.PARTIAL,),
        as_=_dicom(),
        into=place / "to-pacs",
        policy=[policy],
    )
    show.step("Is every seal whole?", vault_check.check, "vault check")
    show.step("Has anybody rewritten the log?", audit.verify, "audit verify")


def _dicom() -> Any:
    from medsnap.export.prepare import As

    return As.DICOM


def _rows(io: Io, place: Path) -> list[PhotoRow]:
    from dataclasses import replace

    from medsnap import config
    from medsnap.commands._vault import member

    own = replace(io, settings=config.load(os.environ, Path.home()))
    with member(own, place / "vault", place / "keys" / "owner.key") as session:
        return session.catalogue.photos()


def _look_closer(show: _Show, rows: list[PhotoRow], place: Path) -> None:
    """Explain the strictest decision about a matched photo, and open one that went out."""
    from medsnap.commands import policy, vault

    waits = [r for r in rows if not r.decision.may_leave_to and r.state == "done"]
    if waits:
        chosen = max(waits, key=lambda r: (r.match.patient is not None, r.decision.verb, r.source_name))
        show.step(
            "Why does this one wait?",
            policy.explain,
            f"policy explain {chosen.seal.object}",
            photo=chosen.seal.object,
        )
    left = [r for r in rows if r.decision.may_leave_to]
    if left:
        first = min(left, key=lambda r: r.source_name)
        name = f"opened{Path(first.source_name).suffix.lower()}"
        show.step(
            "Open one photo (the log is told first)",
            vault.open_,
            f"vault open {first.seal.object} -o {name}",
            photo=first.seal.object,
            into=place / name,
        )


def _on_disk(place: Path) -> dict[str, int]:
    return {
        "bundles": len(list((place / "to-ehr").glob("*.bundle.json"))),
        "dicom": len(list((place / "to-pacs").glob("*.dcm"))),
    }


def _end(place: Path, rows: list[PhotoRow], made: dict[str, int], code: Exit) -> Page:
    held = sum(r.state == "held" for r in rows)
    left = sum(bool(r.decision.may_leave_to) and r.state == "done" for r in rows)
    waiting = len(rows) - held - left
    what = (
        f"{len(rows)} photos are sealed. {left} of them may go to the record: {made['bundles']} FHIR bundles "
        f"and {made['dicom']} DICOM files were written. {waiting} stay until a person has looked. "
        f"{held} could not be understood and lies sealed as it came. The dump itself was not touched."
    )
    facts = (
        ("the dump", f"{place / 'day' / 'dump'}"),
        ("its lists", f"{place / 'day'}: manifest.csv, devices.csv, people.csv"),
        ("the policy", f"{place / 'hospital.yaml'} (unsigned)"),
        ("the vault", f"{place / 'vault'}"),
        ("keys, recovery", f"{place / 'keys'}"),
        ("ingest host", f"{place / 'host'}: can add photos, can open none"),
        ("for the EHR", f"{place / 'to-ehr'}"),
        ("for the archive", f"{place / 'to-pacs'}"),
    )
    tone = Tone.GOOD if code is Exit.OK else Tone.BAD
    return (
        Line(),
        Line("What happened", Tone.TITLE),
        Line(what, tone),
        Line(),
        Line("Where it lies", Tone.TITLE),
        Facts(facts),
    )


def _data(place: Path, rows: list[PhotoRow], made: dict[str, int]) -> dict[str, Any]:
    return {
        "folder": str(place),
        "sealed": len(rows),
        "held": sum(r.state == "held" for r in rows),
        "may_leave": sum(bool(r.decision.may_leave_to) for r in rows),
        **made,
    }
