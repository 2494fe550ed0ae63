"""Export of one photo to one target: allowed, prepared, wrapped, with a receipt. Writes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, TypeAlias

from medsnap.errors import MedsnapError
from medsnap.export.ids import Numbers, match_digest
from medsnap.export.prepare import As, Held, Ready, prepare
from medsnap.export.site import Code, Site
from medsnap.model.photo import Sha256
from medsnap.model.receipt import Identifiers, Receipt
from medsnap.model.record import PhotoRow
from medsnap.model.study import MatchState
from medsnap.policy.nouns import Export, Policy
from medsnap.policy.sites import packaged

KINDS: Final = {As.FHIR: "fhir-r4", As.DICOM: "dicom"}
_ALONE: Final = Numbers(study=1, series=1, instance=1)
_UNMATCHED: Final = {
    MatchState.NEEDS_REVIEW: "whose photo it is has to be confirmed by a person",
    MatchState.UNMATCHED: "nobody has said whose photo it is",
    MatchState.CONFLICT: "the statements of whose photo it is contradict each other",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Files as (name, bytes), and the receipt to keep. Names hold random numbers only."""

    files: tuple[tuple[str, bytes], ...]
    receipt: Receipt
    derived: bool
    how: str


Result: TypeAlias = Exported | Held


class Preparing(Protocol):
    """Makes the bytes that leave: here, or in a child process."""

    def __call__(self, row: PhotoRow, photo: bytes, *, as_: As) -> Ready:
        """Prepare one photo."""


def export_photo(
    row: PhotoRow,
    photo: bytes,
    *,
    target: Export,
    as_: As,
    identifiers: Identifiers,
    now: datetime,
    site: Site,
    numbers: Numbers = _ALONE,
    policy: Policy | None = None,
    preparing: Preparing = prepare,
) -> Result:
    """Make the files of one photo for one target, or say in words why it stays.

    `policy` gives the compartment's label and local words for body sites; `preparing` is
    `isolated.Preparer` where decoders have to run in another process.
    """
    reason = why_not(row, target, as_)
    if reason is not None:
        return Held(reason=reason)
    prepared = preparing(row, photo, as_=as_)
    if isinstance(prepared, Held):
        return prepared
    code = _site_code(row, policy)
    try:
        if as_ is As.DICOM:
            from medsnap.export.dicom import wrap

            data = wrap(
                prepared, row, identifiers, now=now, site=site, numbers=numbers, site_code=code
            )  # fmt: skip
            name = f"{identifiers.sop_uid}.dcm"
        else:
            from medsnap.export.fhir import bundle, bundle_json

            label = policy.compartment(row.seal.compartment).label.value if policy else None
            made = bundle(
                prepared, row, identifiers, now=now, site=site, site_code=code, confidentiality=label
            )  # fmt: skip
            data, name = bundle_json(made), f"{identifiers.document.removeprefix('urn:uuid:')}.bundle.json"
    except MedsnapError as problem:
        return Held(reason=problem.message + (f" ({problem.hint})" if problem.hint else ""))
    receipt = Receipt(
        object=row.seal.object,
        target=target.name,
        kind=KINDS[as_],
        at=now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        identifiers=identifiers,
        digest=Sha256(hashlib.sha256(data).hexdigest()),
        match=match_digest(row.match),
        purpose=target.purpose,
    )
    return Exported(files=((name, data),), receipt=receipt, derived=prepared.derived, how=prepared.how)


def why_not(row: PhotoRow, target: Export, as_: As) -> str | None:
    """Return why a photo may not go to a target in this form, None when it may; reads no pixel."""
    if row.state != "done":
        return "it was sealed as it came, because something in it could not be understood or checked"
    if row.match.state is not MatchState.MATCHED or row.match.patient is None:
        return _UNMATCHED.get(row.match.state, "nobody has said whose photo it is")
    if target.name not in row.decision.may_leave_to:
        return _decided(row, target.name)
    if row.seal.compartment not in target.may_carry:
        return f"{target.name}: it may not carry photos of the locked group '{row.seal.compartment}'"
    if not target.takes(as_.value):
        return f"{target.name}: takes {', '.join(target.forms)}, not {as_.value}"
    if target.dates != "keep":
        return f"{target.name}: wants shifted dates, which medsnap cannot do yet"
    return None


def _decided(row: PhotoRow, name: str) -> str:
    """Return the decision's own sentence about a target."""
    said = [s for s in row.decision.holds if s.startswith(f"{name}:")]
    return said[0] if said else f"{name}: the decision does not let the photo leave to it"


def in_force(policy: Policy, now: datetime) -> bool:
    """Say whether exports may go on under a policy: until its grace for care has ended (M16)."""
    span, today = policy.in_force, now.astimezone(UTC).date()
    return not policy.refused and span.first <= today <= span.last + span.grace


def _because(policy: Policy) -> str:
    return f": {policy.refused}" if policy.refused else ""


def _ended(policy: Policy, target: Export, now: datetime) -> str | None:
    """In the days of grace only care goes on (M16)."""
    if target.purpose == "care" or now.astimezone(UTC).date() <= policy.in_force.last:
        return None
    return f"the policy has ended; {target.purpose} stops at once"


def choose(row: PhotoRow, policy: Policy, as_: As, name: str | None, now: datetime) -> Export | Held:
    """Find the target for a photo: the named one, else the first for care that it may leave to."""
    if not in_force(policy, now):
        return Held(reason=f"the policy that decided it is not in force{_because(policy)}")
    if name is not None:
        target = policy.export(name)
        if target is None:
            return Held(reason=f"the policy knows no target '{name}'")
        candidates = [target]
    else:
        candidates = [e for e in policy.exports if e.purpose == "care" and e.takes(as_.value)]
    reasons: list[str] = []
    for target in candidates:
        reason = _ended(policy, target, now) or why_not(row, target, as_)
        if reason is None:
            return target
        reasons.append(reason)
    return Held(
        reason="; ".join(dict.fromkeys(reasons)) or f"the policy has no target for care that takes {as_}"
    )


def _site_code(row: PhotoRow, policy: Policy | None) -> Code | None:
    sites = policy.vocabulary.sites if policy is not None else packaged()
    found = sites.find(row.match.description.body_site)
    return Code(found.code, found.meaning, found.paired, found.laterality) if found is not None else None
