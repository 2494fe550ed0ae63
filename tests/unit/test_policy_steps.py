"""docs/POLICY.md, step by step: each block is linted, and each case shows what its step changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medsnap import policy
from medsnap.policy.board import chapters
from medsnap.policy.cases import load_suite
from medsnap.policy.linting import lint_path
from medsnap.policy.testing import run
from medsnap.policy.waiver_file import load_waiver
from tests.helpers import POLICIES, ROOT

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
PAGE = (ROOT / "docs" / "POLICY.md").read_text("utf-8")
ROOT_FILE = "little-clinic.yaml"
FENCE = re.compile(r"^```yaml (step|case|file)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^(?=[a-z_]+:)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the page: a step's sections, a case, or a whole file; and the heading above it."""

    kind: str
    name: str
    text: str
    step: str


def blocks() -> Iterator[Block]:
    for found in FENCE.finditer(PAGE):
        heading = re.findall(r"^## (.*)$", PAGE[: found.start()], re.MULTILINE)[-1]
        yield Block(found[1], found[2] or "", found[3], heading.partition(":")[0])


BLOCKS = list(blocks())
STEPS = list(dict.fromkeys(block.step for block in BLOCKS))


def laid(text: str, sections: str) -> str:
    """Put sections into a policy: in place of those of the same name, else at its end."""
    for section in filter(None, SECTION.split(sections)):
        key = section.partition(":")[0]
        parts = SECTION.split(text)
        same = [n for n, part in enumerate(parts) if part.partition(":")[0] == key]
        assert len(same) <= 1, key
        if same:
            parts[same[0]] = section + "\n"
        else:
            parts.append("\n" + section)
        text = "".join(parts)
    return text


def lay_out(folder: Path, upto: str, *, without: bool = False) -> list[Block]:
    """Write the files as they stand after a step (`without`: before its change); return its cases."""
    cases: list[Block] = []
    done = STEPS[: STEPS.index(upto) + 1]
    for block in (b for b in BLOCKS if b.step in done):
        path = folder / (block.name or ROOT_FILE)
        last = block.step == upto
        if block.kind == "case" and last:
            cases.append(block)
        elif not (last and without) and block.kind == "file":
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, "utf-8")
        elif not (last and without) and block.kind == "step":
            path.write_text(laid(path.read_text("utf-8"), block.text), "utf-8")
    return cases


def judged(folder: Path, case: Block) -> bool:
    """Say whether a case passes. A case of a waiver counts that waiver as signed."""
    waiver = case.name if case.name.startswith("waivers/") else ""
    head = f"policy: {ROOT_FILE if waiver or not case.name else case.name}\n"
    if waiver and (folder / waiver).exists():
        head += f"waivers: [{waiver}]\n"
    file = folder / "page.test.yaml"
    file.write_text(f"{head}given: {{department: clinic}}\ncases:\n{case.text}", "utf-8")
    suite = load_suite(file, now=NOW)
    waivers = tuple(load_waiver(path, suite.policy, now=NOW) for path in suite.waivers)
    return all(result.passed for result in run(suite, waivers))


@pytest.mark.parametrize("step", STEPS)
def test_each_step_lints_without_a_word(step: str, tmp_path: Path) -> None:
    lay_out(tmp_path, step)
    found = [str(f) for path in sorted(tmp_path.rglob("*.yaml")) for f in lint_path(path, now=NOW)]
    assert found == []


@pytest.mark.parametrize("step", STEPS)
def test_each_case_holds_because_of_its_step(step: str, tmp_path: Path) -> None:
    cases = lay_out(tmp_path, step)
    assert cases or step == "Step 10"
    assert [case.text for case in cases if not judged(tmp_path, case)] == []
    if step == STEPS[0]:
        return  # nothing stands before it
    before = tmp_path / "before"
    before.mkdir()
    for case in lay_out(before, step, without=True):
        assert not (before / case.name).exists() or case.name == ""
        if (before / (case.name if case.name.endswith("skin.yaml") else ROOT_FILE)).exists():
            assert not judged(before, case), "the case holds without the step"


def test_no_later_step_breaks_an_earlier_case(tmp_path: Path) -> None:
    lay_out(tmp_path, STEPS[-1])
    for block in BLOCKS:
        if block.kind == "case":
            assert judged(tmp_path, block), block.text


def test_the_page_begins_with_the_packaged_little_clinic() -> None:
    assert BLOCKS[0].text == (POLICIES / ROOT_FILE).read_text("utf-8")
    assert len(STEPS) >= 8


def test_what_the_page_quotes_of_the_board_is_said_there() -> None:
    said = {s.text for c in chapters(policy.load(policy.packaged("hospital"))) for s in c.sentences}
    quoted = " ".join(re.findall(r"^> (.*)$", PAGE, re.MULTILINE))
    titles, sentences = re.findall(r"\*\*(.*?)\.\*\*", quoted), re.findall(r"\*\* (.*?\.)(?: |$)", quoted)
    assert titles
    assert set(sentences) <= said


def test_the_blocks_of_the_page_are_all_read() -> None:
    assert len(re.findall(r"^```yaml", PAGE, re.MULTILINE)) == len(BLOCKS)
