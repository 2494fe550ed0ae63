"""What can go wrong, as classes with an id, an exit code and a hint; texts are made at the edge."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; the docs table is generated from this enum."""

    OK = 0
    VIOLATION = 1
    USAGE = 2
    PARTIAL = 3
    INTEGRITY = 4
    REVIEW = 5
    NO_INPUT = 66
    UNAVAILABLE = 69
    BUG = 70
    CANNOT_CREATE = 73
    IO = 74
    LOCKED = 75
    REFUSED = 77
    CONFIG = 78
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_HELP: dict[Exit, str] = {
    Exit.OK: "all done (files that are no photos are skipped and counted)",
    Exit.VIOLATION: "finished, policy violated (scan, classify, audit, policy test, diff; break-glass over)",
    Exit.USAGE: "usage: an option or argument is wrong",
    Exit.PARTIAL: "finished, some photos failed, are held or were refused",
    Exit.INTEGRITY: "integrity: a seal, the log or a digest did not verify",
    Exit.REVIEW: "finished, photos wait for review (only with --fail-on review)",
    Exit.NO_INPUT: "input is missing",
    Exit.UNAVAILABLE: "a service or detector is missing",
    Exit.BUG: "a defect of medsnap",
    Exit.CANNOT_CREATE: "output cannot be created",
    Exit.IO: "reading or writing failed",
    Exit.LOCKED: "another run holds the lock; try again later",
    Exit.REFUSED: "a key or directory was refused, or permission denied",
    Exit.CONFIG: "configuration or policy is wrong",
    Exit.INTERRUPTED: "interrupted; work so far is kept",
    Exit.TERMINATED: "terminated; work so far is kept",
}

# Most severe first: an integrity failure outranks all, then defects, then what stopped a run.
SEVERITY: tuple[Exit, ...] = (
    Exit.INTEGRITY, Exit.BUG, Exit.TERMINATED, Exit.INTERRUPTED, Exit.REFUSED, Exit.CONFIG, Exit.IO,
    Exit.CANNOT_CREATE, Exit.LOCKED, Exit.UNAVAILABLE, Exit.NO_INPUT, Exit.USAGE, Exit.PARTIAL,
    Exit.VIOLATION, Exit.REVIEW, Exit.OK,
)  # fmt: skip


def worst(*codes: Exit) -> Exit:
    """Return the most severe of several exit codes; OK of none."""
    return min(codes, key=SEVERITY.index, default=Exit.OK)


class MedsnapError(Exception):
    """Root of all errors for people.

    `message` says what happened, `where` where (file, line, column, byte), `hint` what to do next.
    Neither may hold a patient's data; a path given on the command line may stand in `where`.
    """

    id = "internal"
    exit = Exit.BUG
    retryable = False

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint


class UsageError(MedsnapError):
    """An option or argument is wrong."""

    id = "usage"
    exit = Exit.USAGE


class ConfigError(MedsnapError):
    """A configuration or side file (devices, people, manifest) is wrong."""

    id = "config"
    exit = Exit.CONFIG


class PolicyError(MedsnapError):
    """A policy cannot be used; `findings` are its lint findings."""

    id = "policy"
    exit = Exit.CONFIG

    def __init__(
        self, message: str, *, where: str = "", hint: str = "", findings: tuple[object, ...] = ()
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.findings = findings


class InputMissing(MedsnapError):
    """A path that was given does not exist or cannot be read."""

    id = "input.missing"
    exit = Exit.NO_INPUT


class Malformed(MedsnapError):
    """Bytes break the rules of their format; `where` names box or segment and byte."""

    id = "input.malformed"
    exit = Exit.PARTIAL


class Unsupported(MedsnapError):
    """A format or a structure that medsnap does not understand: held, never passed on as clean."""

    id = "input.unsupported"
    exit = Exit.PARTIAL


class TooLarge(MedsnapError):
    """A limit on bytes, pixels, depth, items or time was reached."""

    id = "input.too-large"
    exit = Exit.PARTIAL


class NotClean(MedsnapError):
    """The second reader found a byte it cannot account for: there is no output."""

    id = "scrub.not-clean"
    exit = Exit.PARTIAL


class PixelsChanged(MedsnapError):
    """Pixels differ between source and scrubbed file: there is no output."""

    id = "scrub.pixels-changed"
    exit = Exit.INTEGRITY


class DetectorError(MedsnapError):
    """A detector or model is missing, altered or failed."""

    id = "detect"
    exit = Exit.UNAVAILABLE


class CannotCreate(MedsnapError):
    """An output cannot be created (exists, collides, no right to write)."""

    id = "output.cannot-create"
    exit = Exit.CANNOT_CREATE


class IoFailed(MedsnapError):
    """The system could not read or write (disk full, device error)."""

    id = "io"
    exit = Exit.IO


class Locked(MedsnapError):
    """Another run holds the lock."""

    id = "vault.locked"
    exit = Exit.LOCKED
    retryable = True


class NotFound(MedsnapError):
    """No such object for this caller: hidden and absent give this same error, byte for byte."""

    id = "vault.not-found"
    exit = Exit.NO_INPUT


class KeyRefused(MedsnapError):
    """A key, signature, pin or directory was refused."""

    id = "vault.key-refused"
    exit = Exit.REFUSED


class Tampered(MedsnapError):
    """A seal, digest or log entry did not verify."""

    id = "integrity"
    exit = Exit.INTEGRITY
