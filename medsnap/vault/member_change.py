"""A member stays, and what he may changes: groups given and taken, roles, verbs, the audit log.

What is given rewrites a ring. What is taken begins a new epoch of it, as if he had been removed there: the
keys that he had open what was sealed until then, and nothing later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsnap.errors import UsageError
from medsnap.vault.change import Authority, Edit, Turn, change
from medsnap.vault.create import check_name
from medsnap.vault.directory import (
    EVERY_ROLE,
    WRITER_TERMS,
    CompartmentKey,
    Directory,
    Member,
    Term,
    WriterKey,
    WriterVerb,
    required_by,
)
from medsnap.vault.due import ending, readers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is given to a member and taken from him; `auditor` None leaves it as it is."""

    give: Sequence[str] = ()  # compartments
    take: Sequence[str] = ()
    roles: Sequence[str] = ()
    without_roles: Sequence[str] = ()
    verbs: Sequence[str] = ()
    without_verbs: Sequence[str] = ()
    auditor: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A member as he is and as he is to be; keys whose ring is given to him, and taken."""

    before: Member
    after: Member
    verbs_before: tuple[str, ...]
    verbs: tuple[str, ...]
    given: tuple[CompartmentKey, ...]  # that of the auditors has an empty name
    taken: tuple[CompartmentKey, ...]


def planned(directory: Directory, name: str, wish: Wish) -> Planned:
    """Say what a wish comes to. Raises UsageError, KeyRefused for one that nobody means, or for nothing."""
    member = directory.member(name)
    if member is None:
        raise UsageError(f"there is no member '{name:.64}'", hint="medsnap vault member ls shows them")
    for role in (*wish.roles, *wish.without_roles):
        if role != EVERY_ROLE:
            check_name(role)
    groups = _changed("locked group", member.compartments, wish.give, wish.take)
    for group in groups:
        directory.compartment(group)
    writer = directory.writer(member.vkey) if member.vkey else None
    verbs_before = writer.verbs if writer is not None else ()
    verbs = _changed("verb", verbs_before, wish.verbs, wish.without_verbs)
    _check_verbs(writer, verbs)
    after = dataclasses.replace(
        member,
        compartments=tuple(k.name for k in directory.compartments if k.name in groups),
        roles=_changed("role", member.roles, wish.roles, wish.without_roles),
        auditor=member.auditor if wish.auditor is None else wish.auditor,
    )
    if after == member and set(verbs) == set(verbs_before):
        raise UsageError(
            f"nothing of '{name}' would change", hint="medsnap vault member ls shows what he has"
        )
    was, is_ = _opened(directory, member), _opened(directory, after)
    taken = tuple(key for key in was if key not in is_)
    _somebody_stays(directory, name, taken)
    return Planned(
        before=member,
        after=after,
        verbs_before=verbs_before,
        verbs=verbs,
        given=tuple(key for key in is_ if key not in was),
        taken=taken,
    )


def alter(vault: Path, before: Directory, name: str, wish: Wish, authority: Authority) -> Directory:
    """Change a member in place. Raises UsageError, KeyRefused, Locked.

    A verb counts for what he signs from now on; one that is taken stays good for what he signed with it.
    """
    plan = planned(before, name, wish)

    def edit(current: Directory) -> Edit:
        members = tuple(plan.after if m.name == name else m for m in current.members)
        turns = tuple(
            Turn(key=key, readers=readers_of(members, key), fresh=key in plan.taken)
            for key in (*plan.given, *plan.taken)
        )

        def finish(base: Directory, commits: int) -> Directory:
            writers = tuple(
                _with_verbs(w, plan.verbs, commits) if plan.after.vkey and w.vkey == plan.after.vkey else w
                for w in base.writers
            )
            more = (
                *((WRITER_TERMS,) if any(w.earlier for w in writers) else ()),
                *required_by(plan.verbs),
            )
            requires = tuple(dict.fromkeys((*base.requires, *more)))
            return dataclasses.replace(base, members=members, writers=writers, requires=requires)

        return Edit(turns=turns, finish=finish)

    return change(vault, before, authority, ending(authority.due, edit))


def _changed(what: str, has: Iterable[str], give: Sequence[str], take: Sequence[str]) -> tuple[str, ...]:
    if both := set(give) & set(take):
        raise UsageError(f"the {what} '{min(both):.64}' is given and taken at once")
    if missing := [name for name in take if name not in has]:
        raise UsageError(f"he has not got the {what} '{missing[0]:.64}'", hint="medsnap vault member ls")
    return tuple(name for name in dict.fromkeys((*has, *give)) if name not in take)


def _check_verbs(writer: WriterKey | None, verbs: Sequence[str]) -> None:
    if verbs and writer is None:
        raise UsageError("verbs need a signing key, and he has none", hint="remove him, add him with --vkey")
    allowed = [v for v in WriterVerb if v is not WriterVerb.ADD]
    if wrong := [v for v in verbs if v not in allowed]:
        raise UsageError(
            f"a member cannot have the verb '{wrong[0]:.40}'", hint=f"verbs: {', '.join(allowed)}"
        )


def _opened(directory: Directory, member: Member) -> tuple[CompartmentKey, ...]:
    keys = tuple(k for k in directory.compartments if k.name in member.compartments)
    return (*keys, directory.auditors_key) if member.auditor else keys


def _somebody_stays(directory: Directory, name: str, taken: Sequence[CompartmentKey]) -> None:
    for key in taken:
        if key.name and not any(key.name in m.compartments for m in directory.members if m.name != name):
            raise UsageError(
                f"'{name}' is the last member who opens '{key.name}'", hint="add another one before"
            )


def _with_verbs(writer: WriterKey, verbs: tuple[str, ...], commits: int) -> WriterKey:
    """Give a key other verbs for what follows in the log; what stands there keeps those of then."""
    if set(writer.verbs) == set(verbs):
        return writer
    term = Term(verbs=writer.verbs, until=commits)
    return dataclasses.replace(writer, verbs=verbs, earlier=(*writer.earlier, term))
