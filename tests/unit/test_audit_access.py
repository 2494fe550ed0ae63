"""Who saw, who could, who sent: worked out from events alone."""

from __future__ import annotations

import pytest

from medsnap.audit import access
from medsnap.audit.access import Opened, Span
from medsnap.commands import _span
from medsnap.errors import UsageError
from medsnap.model import standing
from medsnap.model.event import Action, AuditEvent
from medsnap.model.standing import Can

LEE = Can(name="m.lee", groups=("general",), roles=("clinical-staff",))
OWNER = Can(name="owner", groups=("general", "intimate"), roles=("*",), auditor=True)
ANN = Can(name="a.sommer", groups=(), roles=())
PHOTO, OTHER = "p" * 26, "q" * 26


def log(*events: AuditEvent) -> tuple[Opened, ...]:
    return tuple(Opened(index=n, event=e) for n, e in enumerate(events))


def changed(day: int, number: int, *members: Can, outcome: str = "success") -> AuditEvent:
    details = (("version", str(number)), *standing.details(members), ("change", "member-add"))
    action = Action.INIT if number == 1 else Action.DIRECTORY
    return AuditEvent(
        action=action,
        at=f"2026-03-{day:02}T09:00:00+00:00",
        actor="v/owner",
        details=details,
        outcome=outcome,
    )


def did(
    day: int, who: str, action: Action, *objects: str, outcome: str = "success", **details: str
) -> AuditEvent:
    told = tuple((k.rstrip("_"), v) for k, v in details.items())
    return AuditEvent(
        action=action, at=f"2026-03-{day:02}T10:00:00+00:00", actor=who, objects=objects, outcome=outcome,
        details=told,
    )  # fmt: skip


@pytest.mark.parametrize("can", [LEE, OWNER, ANN], ids=lambda c: c.name)
def test_members_come_back_from_an_event(can: Can) -> None:
    assert standing.read((("change", "x"), *standing.details([can]))) == (can,)


@pytest.mark.parametrize(
    "text",
    ["", "x", "a groups= roles=", "a b groups= roles= auditor=yes", "a groups= roles= auditor=ja"],
)
def test_other_details_are_left_out(text: str) -> None:
    assert standing.read(((standing.CAN, text),)) == ()


CHANGES = log(
    changed(1, 1, OWNER),
    changed(5, 2, OWNER, ANN),  # cut off: what came into force as version 2 is the next
    changed(6, 2, OWNER, LEE),
    changed(7, 3, OWNER, ANN, outcome="vault.key-refused"),
    changed(9, 3, OWNER),
    changed(20, 4, OWNER, ANN),  # announced, never in force: the directory is still version 3
)


@pytest.mark.parametrize(
    ("first", "last", "who"),
    [
        ("2026-02-01", "2026-02-28", []),
        ("2026-03-01", "2026-03-01", ["owner"]),
        ("2026-03-05", "2026-03-05", ["owner"]),
        ("2026-03-06", "2026-03-06", ["m.lee", "owner"]),
        ("2026-03-08", "2026-03-08", ["m.lee", "owner"]),
        ("2026-03-09", "2026-03-09", ["m.lee", "owner"]),  # until nine o'clock
        ("2026-03-10", "", ["owner"]),
        ("", "", ["m.lee", "owner"]),
    ],
)
def test_who_could_on_a_day(first: str, last: str, who: list[str]) -> None:
    known = access.versions(CHANGES, newest=3)
    found = access.rights(known, Span(first=first, last=last))
    assert [right.can.name for right in found] == who


def test_rights_end_when_they_change() -> None:
    more = Can(name="m.lee", groups=("general", "intimate"), roles=LEE.roles)
    known = access.versions(log(changed(1, 1, LEE), changed(2, 2, LEE, OWNER), changed(3, 3, more)), newest=3)
    found = access.rights(known, Span(), who="m.lee")
    assert [(r.can.groups, r.since[:10], r.until[:10]) for r in found] == [
        (("general",), "2026-03-01", "2026-03-03"),
        (("general", "intimate"), "2026-03-03", ""),
    ]


def test_versions_that_nobody_told_of_are_named() -> None:
    known = access.versions(log(changed(1, 1, OWNER), changed(2, 4, OWNER)), newest=5)
    assert access.missing(known, 5) == (2, 3, 5)
    assert access.missing(access.versions(CHANGES, newest=3), 3) == ()


SEEN = log(
    did(1, "v/m.lee", Action.OPEN, PHOTO),
    did(2, "m.lee", Action.OPEN_REFUSED, OTHER, outcome="vault.not-found"),
    did(3, "owner", Action.CHECK, sample="5%"),
    did(3, "owner", Action.CHECK, late="c" * 26),
    did(4, "owner", Action.CHECK, PHOTO, OTHER, outcome="integrity"),
    did(5, "owner", Action.EXPORT, PHOTO, OTHER, step="begin", as_="dicom"),
    did(5, "owner", Action.EXPORT, PHOTO, step="receipts", as_="dicom"),
    did(6, "owner", Action.EXPORT, PHOTO, step="begin", as_="fhir", outcome="vault.not-found"),
    did(7, "ingest-1", Action.INGEST, PHOTO, OTHER),
    did(8, "b.fox", Action.BREAK_GLASS, PHOTO),
    did(8, "b.fox", Action.BREAK_GLASS, reason="asked for, before anything was found"),
)


@pytest.mark.parametrize(
    ("who", "objects", "entries"),
    [
        ("", None, [0, 1, 2, 4, 4, 9, 10]),
        ("m.lee", None, [0, 1]),
        ("", {PHOTO}, [0, 2, 4, 9]),  # a check without ids may have opened it
        ("owner", {OTHER}, [2, 4]),
        ("lee", None, []),
    ],
)
def test_who_saw(who: str, objects: set[str] | None, entries: list[int]) -> None:
    assert [s.index for s in access.sights(SEEN, Span(), who=who, objects=objects)] == entries


def test_a_span_has_both_its_days() -> None:
    span = Span(first="2026-03-02", last="2026-03-04")
    assert {s.index for s in access.sights(SEEN, span)} == {1, 2, 4}


def test_only_what_was_begun_left() -> None:
    [sending] = access.sendings(SEEN, Span())
    assert (sending.index, sending.form, sending.objects) == (5, "dicom", (PHOTO, OTHER))


def test_days_are_read_as_people_type_them() -> None:
    assert _span.span("", "") is None
    assert _span.span("2026-03-01", "") == Span(first="2026-03-01", last="2026-03-01")
    assert _span.span("", "2026-03-01..2026-03-31") == Span(first="2026-03-01", last="2026-03-31")
    assert _span.span("", "..2026-03-31") == Span(last="2026-03-31")
    assert _span.span("", "2026-03-31..") == Span(first="2026-03-31")
    for wrong in ("..", "2026-03-01", "2026-03-31..2026-03-01", "a..b", "2026-13-01.."):
        with pytest.raises(UsageError):
            _span.span("", wrong)
    with pytest.raises(UsageError):
        _span.span("2026-03-01", "2026-03-01..")
    with pytest.raises(UsageError):
        _span.question("4711", "m.lee", None)
