"""Ten different photos under the hospital's policy, as a reader of `policy explain` meets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from medsnap import policy
from medsnap.model.decision import Decision, DeviceClass, DeviceEvidence, Evidence, LeakKind, LeakSign
from medsnap.model.finding import State
from medsnap.policy.waiver import Narrow, Waiver
from tests.builders.policy import HOSPITAL, NOW, described, given, ordinary, unlooked

PERSONAL = DeviceEvidence(device_class=DeviceClass.PERSONAL, asset="ED-BYOD-03", os="android")
WAIVER = Waiver(
    id="W-2026-014", policy="northside", rule="devices.personal",
    narrow=Narrow(department="emergency", device="ED-BYOD-03"), first=None,
    until=NOW.date() + timedelta(days=30), because="Two managed phones are under repair (ticket IG-4471).",
    where="W-2026-014.yaml:2", digest="0" * 64,
)  # fmt: skip


def evidences() -> dict[str, Evidence]:
    """Give what is known of each photo, by a name."""
    sign = LeakSign(kind=LeakKind.MESSAGING_APP, because="it lay in a folder of WhatsApp")
    return {
        "an ordinary photo": ordinary(),
        "text in the picture": ordinary(**given({"text": 0.97})),
        "a face": ordinary(**given({"face": 0.93})),
        "an intimate photo": ordinary(**given({"intimate_region": State.SEEN})),
        "an intimate photo of a child": ordinary(**given({"intimate_region": State.SEEN}), patient_age=9),
        "no body site, nobody has looked": unlooked(description=described(body_site=None)),
        "a device that nobody listed": ordinary(device=DeviceEvidence(asset="TAB-99")),
        "through a messenger": ordinary(signs=(sign,)),
        "for teaching, without consent in writing": ordinary(
            purpose="teaching", consent=(("teaching", "verbal"),)
        ),
        "a private phone with a waiver": ordinary(department="emergency", device=PERSONAL),
    }


def decisions() -> Iterator[tuple[str, Decision]]:
    """Decide them all."""
    rules = replace(HOSPITAL, waivers=(WAIVER,))
    for name, evidence in evidences().items():
        yield name, policy.decide(rules, evidence, NOW)
