"""Scrub a folder of photos with medsnap and with exiftool, and let an independent oracle judge both.

usage: python benchmarks/oracle.py FOLDER --oracle SCRIPT [--json FILE]

SCRIPT is called as `SCRIPT ORIGINALS COPIES --json FILE --summary-only` and writes one JSON object a file:
`file`, `format`, `pass_strict`, `missing` (there is no copy), `reasons`. A copy that does not pass its
strict rules is *wrong*: something was left, or the picture changed. No copy is *held*: refused, which is
right for what nobody can decode; a refusal that the oracle does not follow is counted behind the slash.
exiftool runs once a file with the options that few people know: ICC and orientation kept, trailers cut.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.scrub import BEST, files

Counts = dict[str, list[int]]  # by format: clean, held, held although it can be decoded, wrong
_SECONDS = 120  # for one file


def medsnap(source: Path, target: Path) -> None:
    """Scrub the folder by the command; it ends with 3 where it held a file."""
    command = [sys.executable, "-m", "medsnap", "scrub", "--quiet", str(source), "-o", str(target)]
    ran = subprocess.run(command, capture_output=True, check=False)
    if ran.returncode not in (0, 3):
        raise SystemExit(f"medsnap ended with {ran.returncode}: {ran.stderr.decode(errors='replace')}")


def exiftool(source: Path, target: Path) -> None:
    """Scrub file by file, so that one it cannot write costs no other."""
    target.mkdir()
    for path in files(source):
        command = ["exiftool", *BEST, "-o", f"{target}/", str(path)]
        subprocess.run(command, capture_output=True, check=False, timeout=_SECONDS)


def judged(oracle: Path, source: Path, target: Path, work: Path) -> list[dict[str, Any]]:
    """Return the oracle's verdicts; it ends with 1 where a file does not pass."""
    verdicts = work / f"{target.name}.jsonl"
    command = [sys.executable, str(oracle), str(source), str(target), "--json", str(verdicts)]
    ran = subprocess.run([*command, "--summary-only"], capture_output=True, check=False)
    if ran.returncode not in (0, 1):
        raise SystemExit(f"the oracle ended with {ran.returncode}: {ran.stderr.decode(errors='replace')}")
    return [json.loads(line) for line in verdicts.read_text().splitlines()]


def counted(verdicts: list[dict[str, Any]]) -> Counts:
    """Count clean, held, needlessly held and wrong by format."""
    found: Counts = defaultdict(lambda: [0, 0, 0, 0])
    for verdict in verdicts:
        row = found[str(verdict["format"])]
        if verdict.get("missing"):
            row[1] += 1
            row[2] += not verdict["pass_strict"]
        else:
            row[0 if verdict["pass_strict"] else 3] += 1
    return found


def show(rows: dict[str, Counts]) -> None:
    """Print one line a format, and their sum."""
    print(f"{'':10}" + "".join(f"{name:^33}" for name in rows))
    print(f"{'format':10}" + f"{'clean':>10}{'held':>12}{'wrong':>9}  " * len(rows))
    forms = sorted({form for counts in rows.values() for form in counts})
    sums: dict[str, list[int]] = {name: [0, 0, 0, 0] for name in rows}
    for form in [*forms, "all"]:
        line = f"{form:10}"
        for name, counts in rows.items():
            row = sums[name] if form == "all" else counts.get(form, [0, 0, 0, 0])
            held = f"{row[1]}/{row[2]}"
            line += f"{row[0]:10}{held:>12}{row[3]:9}  "
            if form != "all":
                sums[name] = [a + b for a, b in zip(sums[name], row, strict=True)]
        print(line.rstrip())
    print("held a/b: a without a copy, of which the oracle thinks that b could have had one")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--oracle", type=Path)
    parser.add_argument("--json", type=Path, help="write every verdict here, one a line")
    given = parser.parse_args()
    if given.folder is None or given.oracle is None:
        print("no folder or no oracle was named: nothing to judge")
        return
    tools: dict[str, Callable[[Path, Path], None]] = {"medsnap": medsnap}
    if shutil.which("exiftool"):
        tools["exiftool"] = exiftool
    rows: dict[str, Counts] = {}
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for tool, run in tools.items():
            target = work / tool
            run(given.folder, target)
            verdicts = judged(given.oracle, given.folder, target, work)
            rows[tool] = counted(verdicts)
            lines += [json.dumps({"tool": tool, **verdict}) for verdict in verdicts]
    if given.json is not None:
        given.json.write_text("".join(line + "\n" for line in lines))
    show(rows)


if __name__ == "__main__":
    main()
