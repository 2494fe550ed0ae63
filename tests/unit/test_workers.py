"""Workers are replaced when they die or hang, and the batch goes on in order."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from medsnap.errors import Malformed
from medsnap.workers import Limits, Lost, Pool


def make(setup: int) -> Callable[[str], str]:
    def answer(item: str) -> str:
        match item:
            case "die":
                os._exit(9)
            case "hang":
                time.sleep(HANGING)
            case "malformed":
                raise Malformed("a box is cut off")
            case "defect":
                raise KeyError("Anna Beispiel")
            case "secret":
                return os.environ.get("MEDSNAP_KEY_FILE", "none")
        return item * setup

    return answer


HERE = f"{__name__}:make"
HANGING = 600  # seconds: on no machine is a kill after three as late as half of that


def run(items: list[str]) -> list[tuple[str, object]]:
    with Pool[str, str](HERE, 2, jobs=2) as pool:
        return list(pool.map(items))


def test_answers_come_in_order() -> None:
    items = [str(n) for n in range(20)]
    assert run(items) == [(i, i * 2) for i in items]


def test_a_dead_worker_costs_one_item() -> None:
    found = dict(run(["a", "die", "b", "c"]))
    assert found["a"] == "aa"
    assert found["c"] == "cc"
    assert isinstance(found["die"], Lost)
    assert found["die"].error == "worker.died"


def test_a_hanging_worker_is_killed() -> None:
    with Pool[str, str](HERE, 2, jobs=2) as pool:
        assert len(list(pool.map(["a", "c"]))) == 2  # both have begun: how long that takes is not the point
        pool._limits = Limits(seconds=3.0)
        start = time.monotonic()
        found = dict(pool.map(["hang", "b"]))
        assert time.monotonic() - start < HANGING / 2
    assert isinstance(found["hang"], Lost)
    assert found["hang"].error == "worker.slow"
    assert found["b"] == "bb"


def test_errors_name_no_data() -> None:
    found = dict(run(["malformed", "defect"]))
    assert found["malformed"] == Lost("input.malformed", "a box is cut off")
    assert isinstance(found["defect"], Lost)
    assert "Anna" not in found["defect"].reason


def test_workers_get_no_keys(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("MEDSNAP_KEY_FILE", "/somewhere/key")
    assert dict(run(["secret"]))["secret"] == "none"


def test_what_a_dead_worker_had_ahead_is_given_to_another() -> None:
    items = [*"abcde", "die", *"fghij"]
    with Pool[str, str](HERE, 2, jobs=2, ahead=3) as pool:
        found = list(pool.map(items))
    assert [item for item, _ in found] == items
    assert [item for item, answer in found if isinstance(answer, Lost)] == ["die"]
    assert all(answer == item * 2 for item, answer in found if item != "die")


def test_a_death_seen_while_giving_costs_only_the_item_at_work() -> None:
    """The parent meets the dead child when it sends, before it has collected what that child had in hand."""
    with Pool[str, str](HERE, 2, jobs=1, ahead=3) as pool:

        def items() -> Iterator[str]:
            yield from ("a", "b", "die", "c")  # the first three lie with the child
            pool._workers[0].process.join(HANGING)  # asked for after the first answer: "c" meets a dead child
            yield from "defgh"

        found = list(pool.map(items()))
    assert [item for item, answer in found if isinstance(answer, Lost)] == ["die"]
    assert all(answer == item * 2 for item, answer in found if item != "die")


def test_a_child_that_died_idle_costs_nothing() -> None:
    with Pool[str, str](HERE, 2, jobs=1) as pool:
        assert list(pool.map(["a"])) == [("a", "aa")]
        pool._workers[0].process.kill()
        pool._workers[0].process.join(HANGING)
        assert list(pool.map(["b", "c"])) == [("b", "bb"), ("c", "cc")]


def alone(code: str) -> subprocess.Popen[str]:
    """Run code in a process with one thread, which may start copies of itself."""
    start = f"from tests.unit.test_workers import *\nimport threading, os\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", start],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"MEDSNAP_KEY_FILE": "/somewhere/key"},
    )


def test_copies_answer_die_and_have_no_keys() -> None:
    code = """
with Pool(HERE, 2, jobs=2, copy=True, ahead=2) as pool:
    print([w.process.__class__.__name__ for w in pool._workers])
    print(dict(pool.map(["a", "die", "secret", "b"])))
"""
    with alone(code) as process:
        said = process.communicate(timeout=300)[0].splitlines()
    started = "ForkProcess" if sys.platform == "linux" else "SpawnProcess"
    assert said[0] in (f"['{started}', '{started}']", "[]")
    for part in ("'a': 'aa'", "'die': Lost(error='worker.died'", "'secret': 'none'", "'b': 'bb'"):
        assert part in said[1]


def test_copies_see_that_their_parent_was_killed() -> None:
    code = """
pool = Pool(HERE, 2, jobs=3, copy=True)
pool.__enter__()
print(*[w.process.pid for w in pool._workers], flush=True)
os.kill(os.getpid(), 9)
"""
    with alone(code) as process:
        said = process.communicate(timeout=300)[0]  # returns when the last copy has closed its stdout too
    assert len(said.split()) == (3 if sys.platform == "linux" else 0)
    until = time.monotonic() + 120
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in said.split()):
        time.sleep(0.05)
    assert not [pid for pid in said.split() if Path(f"/proc/{pid}").exists()]


def test_a_second_thread_forbids_copies() -> None:
    code = """
if __name__ == "__main__":
    threading.Thread(target=time.sleep, args=(HANGING,), daemon=True).start()
    with Pool(HERE, 2, jobs=1, copy=True) as pool:
        print(list(pool.map(["a"])), [w.process.__class__.__name__ for w in pool._workers])
"""
    with alone(code) as process:
        assert process.communicate(timeout=300)[0] == "[('a', 'aa')] ['SpawnProcess']\n"
