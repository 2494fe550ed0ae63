"""The process boundary: usage errors, signals, a closed pipe and defects become exit codes."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Any

from typer import Abort
from typer.exceptions import Exit as TyperExit
from typer.exceptions import TyperException

from medsnap.commands._output import OutputLost, mute, prepare
from medsnap.commands._shared import Format, show_error
from medsnap.errors import Exit, MedsnapError, UsageError


class Terminated(BaseException):
    """SIGTERM arrived; unwinds like a keyboard interrupt so that work so far is kept."""


def _terminate(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    raise Terminated


def run(group: Any, arguments: Sequence[str]) -> int:
    """Run the command group and return the exit code; never a traceback."""
    prepare()
    signal.signal(signal.SIGTERM, _terminate)
    form = _format(arguments)
    try:
        code = group.main(args=list(arguments), prog_name="medsnap", standalone_mode=False)
        if code == Exit.INTERRUPTED:  # Typer swallows Ctrl-C and gives this back
            return _stopped("interrupted", Exit.INTERRUPTED, form, arguments)
        return int(code or 0)
    except TyperExit as leaving:
        return leaving.exit_code
    except TyperException as problem:
        return _misused(problem, form)
    except (KeyboardInterrupt, Abort):
        return _stopped("interrupted", Exit.INTERRUPTED, form, arguments)
    except Terminated:
        return _stopped("terminated", Exit.TERMINATED, form, arguments)
    except (BrokenPipeError, SystemExit):  # Typer makes 1 of a closed pipe; here that is 'policy violated'
        mute()
        return int(Exit.IO)
    except OSError as failure:  # of a help page; commands answer for their own
        mute()
        show_error(OutputLost(failure), Format.HUMAN)
        return int(Exit.IO)
    except Exception as defect:  # noqa: BLE001 - the one catch-all: a traceback could show a patient's name
        return _defect(defect, form)


def _misused(problem: TyperException, form: Format) -> int:
    """Say what is wrong with an option or argument, and which command's help tells more."""
    message = problem.format_message()
    if message:  # empty: no command was named, and the help has just been shown
        context = getattr(problem, "ctx", None)
        command = context.command_path if context is not None else "medsnap"
        show_error(UsageError(message, hint=f"see {command} --help"), form)
    return int(Exit.USAGE)


def _stopped(how: str, code: Exit, form: Format, arguments: Sequence[str]) -> int:
    hint = "run the same command again to go on"
    if arguments[:1] == ["scrub"]:  # which writes over nothing, not even over its own copies
        hint = "run it again into an empty folder"
    problem = MedsnapError(f"{how}; what was done so far is kept", hint=hint)
    problem.id, problem.exit = how, code
    show_error(problem, form)
    return int(code)


def _defect(defect: Exception, form: Format) -> int:
    """Say where in medsnap the defect lies; the message of the exception may hold patient data."""
    place = ""
    trace = defect.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if name.startswith("medsnap"):
            place = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    show_error(
        MedsnapError(
            f"a defect of medsnap ({type(defect).__name__})",
            where=place,
            hint="please report this place and the command",
        ),
        form,
    )
    if os.environ.get("MEDSNAP_DEBUG") == "1":
        raise defect
    return int(Exit.BUG)


def _format(arguments: Sequence[str]) -> Format:
    """Find --format before parsing, so that a usage error is JSON when JSON was asked for."""
    for i, argument in enumerate(arguments):
        value = argument.partition("=")[2] if argument.startswith("--format=") else ""
        if argument == "--format" and i + 1 < len(arguments):
            value = arguments[i + 1]
        if value in (Format.JSON, Format.NDJSON):
            return Format(value)
    return Format.HUMAN
