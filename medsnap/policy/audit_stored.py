"""Audit checks of what lies in the vault and on the devices (D4, L6, S1, S2, F10, R1)."""

from __future__ import annotations

from datetime import datetime

from medsnap.model.carrier import CarrierAction, CarrierKind
from medsnap.model.decision import DeviceClass, Verb
from medsnap.model.record import PhotoRow
from medsnap.policy.auditing import Answer, Audited, Case, Opened, Verdict, judge, photos_said
from medsnap.policy.retention import length_of, retention


def scrubbed(case: Case) -> Answer:
    """S1: what could not be scrubbed must not leave; in what was opened, a scrub finds nothing more."""
    left = [o for o in case.opened or () if o.left]
    if left:
        said = ", ".join(sorted({what for o in left for what in o.left}))
        todo = "do not export them; take the sources in again with this medsnap"
        return judge([o.object for o in left], "", f"still hold {said}", todo)
    bad = [p.object for p in case.photos if p.row.state != "done" and p.receipts]
    kept = sum(p.row.state != "done" for p in case.photos)
    good = f"scrubbed and read again at intake: {len(case.photos) - kept}; held as they came: {kept}"
    return judge(bad, good, "went out without being scrubbed", "recall what was sent, see the receipts")


def inventory_fresh(case: Case) -> Answer:
    """D4: the inventory's own date, as each photo's evidence keeps it, against the day of deciding."""
    oldest = case.policy.devices.inventory_max_age
    if oldest is None:
        return Answer(verdict=Verdict.WARN, found="the policy sets no age", todo="devices.inventory_max_age")
    listed = [p for p in case.photos if _device(p) is not DeviceClass.UNKNOWN]
    stale, undated = [], []
    for photo in listed:
        made = photo.row.device.inventory_date if photo.row.device else None
        if made is None:
            undated.append(photo.object)
        elif datetime.fromisoformat(photo.row.decision.at).date() - made > oldest:
            stale.append(photo.object)
    todo = "have the device manager write the inventory every night"
    if undated and not stale:
        return judge(undated, "", "the inventory that listed its device had no date", todo, Verdict.WARN)
    good = f"{photos_said(len(listed))} decided with an inventory of at most {oldest.days} days"
    return judge(stale, good, f"decided with one older than {oldest.days} days", todo, Verdict.WARN)


def _device(photo: Audited) -> DeviceClass:
    return photo.row.device.device_class if photo.row.device else DeviceClass.UNKNOWN


def off_the_device(case: Case) -> Answer:
    """L6: a device, or a later dump of it, that still holds what was filed."""
    if case.dumped is None:
        words = "no later dump was compared with what is filed"
        return Answer(verdict=Verdict.NOT_YET, found=words, todo="name a device or its dump with --dump DIR")
    within = length_of(_said(case, "off_the_device_within"))
    still = [p for p in case.photos if p.row.source_sha256 in case.dumped]
    late = [p.object for p in still if within and case.now - datetime.fromisoformat(p.row.at) > within]
    todo = "delete them on the device: they are filed"
    if still and not late:
        if within is None:
            wrong = "still on the device; the policy sets no time (retention.off_the_device_within)"
        else:
            wrong = "still on the device, within the policy's time"
        return judge([p.object for p in still], "", wrong, todo, Verdict.WARN)
    good = f"of {len(case.dumped)} files there, none is filed here"
    return judge(late, good, "still on the device after the policy's time", todo)


def unharmed(case: Case) -> Answer:
    """S2: opened photos decode, keep size, turn and profile, and the pixels that a run compared."""
    if case.opened is None:
        words = "no stored photo was opened"
        return Answer(verdict=Verdict.NOT_YET, found=words, todo="open some with --sample N; the log says so")
    rows = {p.object: p.row for p in case.photos}
    bad, why = [], []
    for photo in case.opened:
        problem = photo.problem or _differs(photo, rows[photo.object])
        if problem:
            bad.append(photo.object)
            why.append(problem)
    proved = sum(rows[o.object].pixels is not None for o in case.opened)
    good = (
        f"{photos_said(len(case.opened))} opened: each decodes, size, turn and profile as recorded; "
        f"{proved} with the very pixels of the source"
    )
    todo = "medsnap vault check; keep the disk as it is"
    return judge(bad, good, "; ".join(dict.fromkeys(why)), todo)


def _differs(photo: Opened, row: PhotoRow) -> str:
    """Say what of an opened photo is not as its row says."""
    if row.pixels is not None and photo.pixels != row.pixels:
        return "its pixels are not those of the source"
    if row.width and row.height and photo.size is not None and photo.size != (row.width, row.height):
        return "its size is not the recorded one"
    if photo.orientation is not None and photo.orientation != row.orientation:
        return "it is turned otherwise than recorded"
    had = any(c.kind is CarrierKind.ICC and c.action is not CarrierAction.REMOVED for c in row.carriers)
    if photo.profile is not None and had and not photo.profile:
        return "its colour profile is lost"
    return ""


def covered(case: Case) -> Answer:
    """F10: of what is to be covered the original lies in its group, and none left for another use."""
    other = {e.name for e in case.policy.exports if e.purpose != "care"}
    due, bad = 0, []
    for photo in case.photos:
        decision = photo.row.decision
        if decision.verb is not Verb.REDACT:
            continue
        due += 1
        groups = [v.compartment for v in decision.votes if v.verb is Verb.REDACT and v.compartment]
        shallow = any(case.policy.rank(photo.row.seal.compartment) < case.policy.rank(g) for g in groups)
        if shallow or any(r.target in other for r in photo.receipts):
            bad.append(photo.object)
    good = f"{photos_said(due)} to be covered: each original lies in its locked group"
    wrong = "the uncovered original lies too open, or left where only a covered copy may go"
    return judge(bad, good, wrong, "medsnap policy apply; recall what was sent")


def nothing_destroyed(case: Case) -> Answer:
    """R1: what the catalogue names lies in the vault until its time; a safeguarded photo always."""
    kept_for = [p for p in case.photos if p.object in case.on_hold or not _past(case, p)]
    early = [p.object for p in kept_for if p.object in case.missing]
    bound = case.missing | case.on_hold
    due = [p.object for p in case.photos if p.object not in bound and _past(case, p)]
    todo = "put the files back from a copy of the vault (medsnap vault check names them)"
    if early:
        return judge(early, "", "gone before the time that the policy, or a legal hold, keeps it", todo)
    if due:
        wrong = "older than the policy keeps it, and no legal hold is on it"
        return judge(due, "", wrong, "an officer decides: medsnap vault expire --plan FILE", Verdict.WARN)
    kept = len(case.photos) - len(case.missing & {p.object for p in case.photos})
    good = f"{photos_said(kept)} in place; kept {_said(case, 'keep') or 'for ever'}"
    good += f"; {len(case.on_hold)} on legal hold" if case.on_hold else ""
    good += f"; {case.erased} expired or erased, as the log says" if case.erased else ""
    return Answer(verdict=Verdict.OK, found=good)


def _past(case: Case, photo: Audited) -> bool:
    """Say whether the policy's time for a photo is over; unknown, and it is not."""
    until = retention(case.policy).term(photo.row).until
    return until is not None and case.now.date() > until


def _said(case: Case, key: str) -> str:
    said = case.policy.settings.get("retention")
    return str(said.get(key, "")) if isinstance(said, dict) else ""
