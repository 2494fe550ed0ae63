"""Errors: one JSON line where JSON was asked for, the exit code in it, never a traceback."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from medsnap import cli, errors
from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.errors import SEVERITY, Exit, MedsnapError, worst
from tests.contracts.test_help import COMMANDS
from tests.helpers import Clinic

# what a person could give, with something missing or wrong in it; and the exit code of the README
WRONG: dict[str, dict[str, tuple[list[str], int]]] = {
    "demo": {"a file in the way": (["{file}"], 73)},
    "scan": {
        "no such folder": (["{none}", "--policy", "hospital"], 66),
        "no such policy": (["{dump}", "--policy", "{none}"], 66),
        "no policy": (["{dump}"], 2),
        "a policy that is none": (["{dump}", "--policy", "{file}"], 78),
    },
    "scrub": {"no such file": (["{none}", "-o", "{new}"], 66), "nowhere to write": (["{dump}"], 2)},
    "classify": {"no such file": (["{none}"], 66), "no such policy": (["{dump}", "--policy", "{none}"], 66)},
    "ingest": {
        "no vault there": (["{dump}", "--policy", "hospital", "--vault", "{none}"], 66),
        "no vault named": (["{dump}", "--policy", "hospital"], 2),
        "no such dump": (["{none}", "--policy", "hospital", "--vault", "{none}"], 66),
        "no such manifest": (["{dump}", "--policy", "hospital", "--manifest", "{none}"], 66),
        "a manifest that is none": (["{dump}", "--policy", "hospital", "--manifest", "{file}"], 78),
        "not pinned here": (["{dump}", "--policy", "hospital", "--vault", "{vault}"], 77),
    },
    "export": {
        "no vault": (["--as", "fhir", "-o", "{new}", "--vault", "{none}"], 66),
        "no key": (["--as", "fhir", "-o", "{new}", "--vault", "{vault}"], 77),
        "no form": (["-o", "{new}"], 2),
    },
    "vault init": {
        "no recovery file": (["--vault", "{new}", "--no-input"], 2),
        "a folder that is full": (["--vault", "{dump}", "--no-input", "--recovery-file", "{new}"], 73),
    },
    "vault ls": {"no vault": (["--vault", "{none}"], 66), "no key": (["--vault", "{vault}"], 77)},
    "vault show": {"no vault": (["x", "--vault", "{none}"], 66), "no id": (["--vault", "{vault}"], 2)},
    "vault open": {"no vault": (["x", "-o", "{new}", "--vault", "{none}"], 66), "nowhere": (["x"], 2)},
    "vault check": {"no vault": (["--vault", "{none}"], 66), "no vault named": ([], 2)},
    "vault trust": {"no vault": (["--vault", "{none}"], 66), "another": (["ab", "--vault", "{vault}"], 77)},
    "policy lint": {"no such file": (["{none}"], 66)},
    "policy show": {"no such file": (["{none}"], 66), "no policy": (["{file}"], 78)},
    "policy explain": {
        "no vault": (["x", "--vault", "{none}"], 66),
        "no key": (["x", "--vault", "{vault}"], 77),
    },
    "policy sign": {
        "no such file": (["{none}", "--as", "a.osei", "--seat", "it", "--key-file", "{none}"], 66),
        "no seat": (["{file}", "--as", "a.osei"], 2),
    },
    "policy status": {"no such file": (["{none}"], 66), "no policy": (["{file}"], 78)},
    "policy key": {"no key file": (["a.osei"], 2)},
    "policy pin": {
        "no such file": (["{none}", "--policy", "{none}", "--root-key", "{none}", "--vault", "{vault}"], 66),
        "no root key": (["{file}", "--policy", "{file}"], 2),
    },
    "models install": {"no such folder": (["--from", "{none}"], 66)},
    "models ls": {"no such settings": (["--config", "{none}"], 66)},
    "models verify": {"no such settings": (["--config", "{none}"], 66)},
    "audit verify": {
        "no vault": (["--vault", "{none}"], 66),
        "no checkpoint": (["--vault", "{vault}", "--since", "{none}"], 66),
    },
    "audit ls": {
        "no vault": (["--vault", "{none}"], 66),
        "no key": (["--vault", "{vault}", "--key-file", "{none}"], 66),
    },
    "doctor": {"no such settings": (["--config", "{none}"], 66)},
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Run in this process with a stranger's settings: no vault, no key, an empty home."""
    before = signal.getsignal(signal.SIGTERM)
    for name in ("VAULT", "KEY_FILE", "POLICY", "DEVICES", "PEOPLE", "MODELS", "DEBUG", "KEY_FD"):
        monkeypatch.delenv(f"MEDSNAP_{name}", raising=False)
    for name, place in (("HOME", "home"), ("MEDSNAP_STATE", "state"), ("MEDSNAP_CACHE", "cache")):
        monkeypatch.setenv(name, str(tmp_path / place))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Clinic(tmp_path_factory.mktemp("clinic")).init().vault


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(root(), words)
    said = capsys.readouterr()
    return code, said.out, said.err


def the_error(out: str, code: int) -> dict[str, object]:
    """Give the error on stdout: the only line, with its fields in order."""
    assert out.count("\n") == 1, out
    assert out.endswith("\n"), out
    record = json.loads(out)
    assert record["type"] == "error", out
    assert record["error"]["exit"] == code, out
    assert record["error"]["id"], out
    assert record["error"]["message"], out
    assert set(record["error"]) <= {"id", "message", "exit", "where", "hint", "retryable"}
    assert isinstance(record["error"], dict)
    return record["error"]


@pytest.mark.parametrize("form", [["--format", "json"], ["--format=ndjson"]], ids=["json", "ndjson"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_option_is_a_usage_error(
    name: str, form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told([*name.split(), *form, "--no-such-option"], capsys)
    assert code == Exit.USAGE
    error = the_error(out, code)
    assert error["id"] == "usage"
    assert "--no-such-option" in str(error["message"])
    assert err == ""


CASES = [(name, case) for name, cases in WRONG.items() for case in cases]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{n}: {c}" for n, c in CASES])
def test_a_wrong_input_is_told_once(
    name: str, case: str, tmp_path: Path, vault: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, expected = WRONG[name][case]
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "note.txt").write_text("no photo")
    (tmp_path / "file.txt").write_text("just: [a text\n")
    places = {"none": "absent", "new": "new", "dump": "dump", "file": "file.txt"}
    words = [w.format(**{k: tmp_path / v for k, v in places.items()}, vault=vault) for w in given]

    for form in ("json", "ndjson"):
        code, out, err = told([*name.split(), *words, "--format", form], capsys)
        assert code == expected, out + err
        the_error(out, code)
        assert "Traceback" not in err

    code, out, err = told([*name.split(), *words], capsys)
    assert code == expected, out + err
    assert out == ""
    assert "error: " in err
    assert "Traceback" not in err
    assert not (tmp_path / "new").exists(), "an error left something behind"


def _all_absent(name: str) -> list[str]:
    """Give a command everything that it requires, each naming something that is not there."""
    words = []
    for parameter in cli._load(COMMANDS[name]).params:
        if parameter.required:
            value = next(iter(getattr(parameter.type, "choices", ())), "absent")
            option = [parameter.opts[0]] if parameter.param_type_name == "option" else []
            words += [*option, str(getattr(value, "value", value))]
    return words


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_that_what_it_was_given_is_absent(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For every command of the table, also those that nobody wrote a case for above."""
    words = [*name.split(), *_all_absent(name), "--config", str(tmp_path / "absent"), "--format", "json"]
    code, out, err = told(words, capsys)
    assert code in (Exit.NO_INPUT, Exit.USAGE), out + err
    the_error(out, code)
    assert "Traceback" not in err


def test_no_case_speaks_of_a_command_that_is_gone() -> None:
    assert set(WRONG) <= set(COMMANDS)


def test_ids_of_errors_are_unique_and_their_codes_known() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MedsnapError)
    ]
    ids = [kind.id for kind in kinds]
    assert len(ids) > 10
    assert sorted(ids) == sorted(set(ids))
    assert all(isinstance(kind.exit, Exit) for kind in kinds)


def test_the_most_severe_code_wins_and_every_code_has_a_rank() -> None:
    assert set(SEVERITY) == set(Exit)
    assert len(SEVERITY) == len(Exit)
    assert worst(Exit.PARTIAL, Exit.INTEGRITY, Exit.OK) is Exit.INTEGRITY
    assert worst() is Exit.OK
