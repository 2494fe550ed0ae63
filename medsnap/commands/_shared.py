"""What every command shares: the common options, the result, and errors for people.

A command is a function `def name(io: Io, …typer parameters…) -> Result` under `@command()`. It gets
clock, randomness and settings from `io` and never prints by itself.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from medsnap import config
from medsnap.commands._output import OutputLost, mute, no_dash, say, written
from medsnap.errors import CannotCreate, Exit, InputMissing, IoFailed, MedsnapError, UsageError, worst
from medsnap.platform import write_durably
from medsnap.report import machine
from medsnap.report.listing import Listing
from medsnap.report.page import Line, Page, Tone


class Format(StrEnum):
    """How the result is written."""

    HUMAN = "human"
    JSON = "json"
    NDJSON = "ndjson"
    SARIF = "sarif"  # these two only where findings are listed
    JUNIT = "junit"


PROGRAMS = frozenset({Format.JSON, Format.NDJSON})  # errors and warnings go to them as JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a command gives back: a page for people, data for programs, an exit code.

    `records` names the key under which streamed records stand in a JSON document. `listing` is what
    SARIF and JUnit are made of; `text` is for people who asked for a file's text, in place of the page.
    """

    page: Page = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    exit: Exit = Exit.OK
    records: str = "records"
    listing: Listing | None = None
    text: str | None = None


@dataclass(slots=True, kw_only=True)
class Io:
    """The outside world of one command."""

    format: Format
    output: Path | None
    verbose: int
    quiet: bool
    no_input: bool
    dry_run: bool
    settings: config.Settings
    vault: Path | None = None  # the vault that the command was given
    worst: Exit = Exit.OK  # what the vault itself makes of the exit code
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    random: Callable[[int], bytes] = os.urandom
    kept: dict[object, object] = field(default_factory=dict)  # what can be read once only
    _records: list[Mapping[str, Any]] = field(default_factory=list)
    _emitted: list[str] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        return self.clock()

    @property
    def interactive(self) -> bool:
        """Say whether a person can be asked."""
        return not self.no_input and sys.stdin.isatty() and sys.stderr.isatty()

    def record(self, data: Mapping[str, Any]) -> None:
        """Hand over one record: written at once as NDJSON, collected for JSON, dropped for people."""
        if self.format is Format.NDJSON:
            text = machine.line(data)
            if self.output is None:
                say(text)
            else:
                self._emitted.append(text)
        elif self.format is Format.JSON:
            self._records.append(data)

    def note(self, text: str) -> None:
        """Say something on stderr, unless quiet."""
        if not self.quiet:
            _say((Line(text, Tone.QUIET),))

    def warn(self, text: str) -> None:
        """Warn on stderr, always."""
        if self.format not in PROGRAMS:
            _say((Line(f"warning: {text}", Tone.WARN),))
        else:
            sys.stderr.write(machine.line({"type": "warning", "message": text}))

    def need(self, given: Path | None, name: str, option: str) -> Path:
        """Return the option's path or the setting's; raises UsageError naming both."""
        path = given if given is not None else self.settings.path(name)
        if path is None:
            raise UsageError(
                f"{option} is missing",
                hint=f"give {option}, or set MEDSNAP_{name.upper()} or '{name}' in the configuration",
            )
        return path

    @contextlib.contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        """Advance a bar on a terminal; silent everywhere else."""
        if self.quiet or self.format is not Format.HUMAN or not sys.stderr.isatty():
            yield lambda: None
            return
        from medsnap.report import human

        with human.progress(sys.stderr, label, total) as advance:
            yield advance


def _say(page: Page) -> None:
    from medsnap.report import human

    with contextlib.suppress(OSError):  # a closed stderr must not end the work
        human.render(page, sys.stderr)


def _option(*names: str, text: str, metavar: str | None = None, count: bool = False) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, count=count, rich_help_panel="Common")


_COMMON: dict[str, tuple[Any, Any]] = {
    "format_": (
        Annotated[
            Format, _option("--format", metavar="[human|json|ndjson]", text="How the result is written.")
        ],
        Format.HUMAN,
    ),
    "output": (
        Annotated[Path | None, _option("--output", "-o", metavar="FILE", text="Write the result to FILE.")],
        None,
    ),
    "verbose": (
        Annotated[
            int,
            _option(
                "-v", "--verbose", count=True, metavar=" ", text="Say more: scan and ingest list each file."
            ),
        ],
        0,
    ),
    "quiet": (Annotated[bool, _option("-q", "--quiet", text="Say only the result and errors.")], False),
    "no_input": (Annotated[bool, _option("--no-input", text="Never ask; fail with a hint.")], False),
    "config_file": (
        Annotated[Path | None, _option("--config", metavar="FILE", text="Settings file (TOML).")],
        None,
    ),
    "dry_run": (
        Annotated[bool, _option("--dry-run", "-n", text="Say what would be done; write nothing.")],
        False,
    ),
}

_FORMATS = Annotated[Format, _option("--format", text="How the result is written.")]


def command(
    *, dry_run: bool = False, output: bool = True, listing: bool = False
) -> Callable[[Callable[..., Result]], Callable[..., int]]:
    """Make a Typer command of `function(io, …)`: adds the common options, renders result and errors.

    `output=False` where the command has an own `-o` (a folder); `listing` where it lists findings.
    """
    left_out = {"dry_run"} - ({"dry_run"} if dry_run else set()) | (set() if output else {"output"})

    def wrap(function: Callable[..., Result]) -> Callable[..., int]:
        hints = get_type_hints(function, include_extras=True)
        own = [
            p.replace(annotation=hints[p.name])
            for p in list(inspect.signature(function).parameters.values())[1:]
        ]
        common = {k: v for k, v in _COMMON.items() if k not in left_out}
        common |= {"format_": (_FORMATS, Format.HUMAN)} if listing else {}
        added = [
            inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=d, annotation=a)
            for k, (a, d) in common.items()
        ]

        @functools.wraps(function)
        def run(**given: Any) -> int:
            shared = {k: given.pop(k, default) for k, (_, default) in _COMMON.items()}
            if shared["format_"] in (Format.SARIF, Format.JUNIT) and not listing:
                return int(_no_listing(shared["format_"]))
            return int(_run(function, given, shared))

        del run.__wrapped__
        run.__doc__ = _flowing(function.__doc__ or "")
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        run.__signature__ = inspect.Signature(own + added)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in own + added}
        return run

    return wrap


def _no_listing(form: Format) -> Exit:
    problem = UsageError(
        f"this command lists no findings, so it has no format '{form}'",
        hint="use human, json or ndjson; sarif and junit are for policy lint, policy test and audit report",
    )
    show_error(problem, form)
    return problem.exit


def _flowing(text: str) -> str:
    """Join the lines of each paragraph, so that help fills the width that the terminal has."""
    parts = inspect.cleandoc(text).split("\n\n")
    if len(parts) > 1 and parts[1].startswith("Examples:"):
        parts.insert(1, "")  # else Typer strips the indent of the examples
    return "\n\n".join(p if p.startswith(" ") else " ".join(p.splitlines()) for p in parts)


def _run(function: Callable[..., Result], given: dict[str, Any], shared: dict[str, Any]) -> Exit:
    form: Format = shared["format_"]
    io: Io | None = None
    try:
        io = Io(
            format=form,
            output=shared["output"],
            verbose=shared["verbose"],
            quiet=shared["quiet"],
            no_input=shared["no_input"],
            dry_run=shared["dry_run"],
            vault=given.get("vault"),
            settings=config.load(os.environ, home(os.environ), shared["config_file"]),
        )
        no_dash(io.output, given)
        writable(io.output)
        result = function(io, **given)
        _write(io, result)
    except OutputLost as lost:
        return _output_lost(lost)
    except MedsnapError as problem:
        told = _unusable(problem, io) or problem
        show_error(told, form)
        return told.exit
    except BrokenPipeError as gone:  # from a page that was drawn straight onto stdout
        return _output_lost(OutputLost(gone))
    except OSError as problem:
        told = _system(problem, io)
        show_error(told, form)
        return told.exit
    return worst(result.exit, io.worst)


def _output_lost(lost: OutputLost) -> Exit:
    mute()
    if not lost.quiet:  # only stderr is left to say it
        show_error(lost, Format.HUMAN)
    return lost.exit


def home(environment: Mapping[str, str]) -> Path:
    """Return the caller's home: $HOME, or the account's when it is unset or empty. Raises ConfigError."""
    from medsnap.errors import ConfigError
    from medsnap.platform import account_home

    try:  # an empty one expanduser would make the root of the system
        return Path.home() if environment.get("HOME") else account_home()
    except RuntimeError:
        raise ConfigError("this account has no home folder", hint="set HOME to a folder of its own") from None


def writable(file: Path | None) -> None:
    """Refuse a result file without a folder before the work, not after it. Raises CannotCreate."""
    if file is not None and not file.parent.is_dir():
        raise CannotCreate("the folder for this file does not exist", where=str(file), hint="make it first")
    if file is not None and file.is_dir():
        raise CannotCreate("this is a folder", where=str(file), hint="name a file in it")
    if file is not None and file.exists() and not file.is_file():  # root would replace /dev/null
        raise CannotCreate(
            "this is no ordinary file", where=str(file), hint="leave -o out: it goes to stdout"
        )
    if file is not None and not os.access(file.parent, os.W_OK | os.X_OK):
        raise CannotCreate(
            "the folder for this file is not yours to write", where=str(file), hint="choose another"
        )


def _system(problem: OSError, io: Io | None) -> MedsnapError:
    """Make an error of what the system refused. Its path may be a patient's name in a dump, so only
    medsnap's own folders and the result's file are named."""
    own = _own_place(problem.filename, io)
    if own is not None:
        where, hint = own
        return CannotCreate(f"cannot be used: {problem.strerror}", where=where, hint=hint)
    where = f"errno {problem.errno}" if problem.errno else ""
    if isinstance(problem, FileNotFoundError):
        return InputMissing("the file or folder does not exist", where=where)
    vault = (io.vault or io.settings.path("vault")) if io is not None else None
    if (
        vault is not None
        and isinstance(problem.filename, str)
        and Path(problem.filename).is_relative_to(vault)
    ):
        told = f"the vault cannot be used: {problem.strerror}"
        return IoFailed(told, where=problem.filename, hint="look at its folders' rights, and at free space")
    return IoFailed(problem.strerror or "reading or writing failed", where=where)


def _unusable(problem: MedsnapError, io: Io | None) -> MedsnapError | None:
    """Tell a folder of medsnap's own that cannot be one, which a setting mends, from a failing disk."""
    cause = problem.__cause__
    if isinstance(problem, IoFailed) and isinstance(
        cause, NotADirectoryError | FileExistsError | PermissionError
    ):
        return _system(cause, io) if _own_place(cause.filename, io) is not None else None
    return None


def _own_place(name: object, io: Io | None) -> tuple[str, str] | None:
    if io is None or not isinstance(name, str):
        return None
    own = {"STATE": io.settings.state, "CACHE": io.settings.cache, "MODELS": io.settings.models}
    found = [s for s, f in own.items() if Path(name) in f.parents or Path(name).is_relative_to(f)]
    if found:
        names = " or ".join(f"MEDSNAP_{setting}" for setting in found)
        return str(own[found[0]]), f"set {names} to a folder that you can write"
    if io.output is not None and Path(name).parent == io.output.parent:
        return str(io.output), "choose another place for the result"
    return None


def show_error(problem: MedsnapError, form: Format) -> None:
    """Write an error: text on stderr for people, one JSON object on stdout for programs."""
    if form in PROGRAMS:
        with contextlib.suppress(OutputLost):  # then the exit code has to do
            say(machine.line(machine.error(problem)))
        return
    lines = [Line(f"error: {problem.message}", Tone.BAD)]
    if problem.where:
        lines.append(Line(f"  where: {problem.where}"))
    if problem.hint:
        lines.append(Line(f"  hint: {problem.hint}"))
    _say(tuple(lines))


def _write(io: Io, result: Result) -> None:
    if io.format is Format.JSON:
        data = dict(result.data)
        if io._records:
            data[result.records] = io._records
        text = machine.document(data)
    elif io.format is Format.NDJSON:
        text = "".join(io._emitted) + (machine.line(result.data) if result.data else "")
    elif io.format in (Format.SARIF, Format.JUNIT) and result.listing is not None:
        text = _listed(io.format, result.listing)
    elif result.text is not None:
        text = result.text
    else:
        text = _page(result.page, to_file=io.output is not None)
    if io.output is None:
        say(text)
    else:
        write_durably(io.output, text.encode(), mode=0o600)


def _listed(form: Format, listing: Listing) -> str:
    from medsnap import __version__
    from medsnap.report import junit, sarif

    return sarif.document(listing, version=__version__) if form is Format.SARIF else junit.document(listing)


def _page(page: Page, *, to_file: bool) -> str:
    from io import StringIO

    from medsnap.report import human

    if not to_file:
        with written():
            human.render(page, sys.stdout)
        return ""
    text = StringIO()
    human.render(page, text, width=110)
    return text.getvalue()
