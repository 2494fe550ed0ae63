"""Workers are replaced when they die or hang, and the batch goes on in order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from medsnap.errors import Malformed
from medsnap.workers import Limits, Lost, Pool


def make(setup: int) -> Callable[[str], str]:
    def answer(item: str) -> str:
        match item:
            case "die":
                os._exit(9)
            case "hang":
                time.sleep(60)
            case "malformed":
                raise Malformed("a box is cut off")
            case "defect":
                raise KeyError("Anna Beispiel")
            case "secret":
                return os.environ.get("MEDSNAP_KEY_FILE", "none")
        return item * setup

    return answer


HERE = f"{__name__}:make"


def run(items: list[str], **limits: float) -> list[tuple[str, object]]:
    with Pool[str, str](HERE, 2, jobs=2, limits=Limits(seconds=limits.get("seconds", 30.0))) as pool:
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
    start = time.monotonic()
    found = dict(run(["hang", "b"], seconds=3.0))
    assert isinstance(found["hang"], Lost)
    assert found["hang"].error == "worker.slow"
    assert found["b"] == "bb"
    assert time.monotonic() - start < 40


def test_errors_name_no_data() -> None:
    found = dict(run(["malformed", "defect"]))
    assert found["malformed"] == Lost("input.malformed", "a box is cut off")
    assert isinstance(found["defect"], Lost)
    assert "Anna" not in found["defect"].reason


def test_workers_get_no_keys(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("MEDSNAP_KEY_FILE", "/somewhere/key")
    assert dict(run(["secret"]))["secret"] == "none"
