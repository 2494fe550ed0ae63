"""Key files: stock age identity files, refused when others may read them."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

from medsnap.crypto.age import generate_identity
from medsnap.errors import CannotCreate, KeyRefused, UsageError
from medsnap.vault import key_sources
from medsnap.vault import keys as k
from medsnap.vault.key_sources import Places


def _keys() -> k.Keys:
    return k.Keys(
        identities=(generate_identity(os.urandom),),
        signer="PRIVATE+KEY+x",
        root_vkey="r",
        vault="v",
        member="m",
    )


def test_a_key_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "me.key"
    given = _keys()
    k.save_file(path, k.render(given, "title"), random=os.urandom)
    assert path.stat().st_mode & 0o777 == 0o600
    assert k.load_file(path) == given
    with pytest.raises(CannotCreate):
        k.save_file(path, "x", random=os.urandom)


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "k"
    k.save_file(path, k.render(_keys(), ""), random=os.urandom)
    path.chmod(mode)
    with pytest.raises(KeyRefused) as caught:
        k.load_file(path)
    assert caught.value.exit == 77 and "chmod 600" in caught.value.hint


def test_a_passphrase_opens_and_nobody_to_ask_refuses(tmp_path: Path) -> None:
    path = tmp_path / "k"
    given = _keys()
    k.save_file(path, k.render(given, ""), passphrase="correct horse", random=os.urandom)
    path.chmod(0o644)  # a sealed key may be seen
    assert k.load_file(path, ask=lambda: "correct horse") == given
    with pytest.raises(KeyRefused, match="does not open"):
        k.load_file(path, ask=lambda: "wrong")
    with pytest.raises(KeyRefused, match="nobody can be asked"):
        k.load_file(path)


@pytest.mark.parametrize("text", ["", "# nothing", "AGE-SECRET-KEY-1BROKEN", "age1x\n"])
def test_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyRefused):
        k.parse(text)


def test_a_repr_shows_no_secret() -> None:
    given = _keys()
    assert given.identities[0] not in repr(given) and "PRIVATE" not in repr(given)


def test_sources_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(k, "_backend", lambda: None)
    made = {name: _keys() for name in ("file", "fd", "command", "credential", "usual")}
    paths = {name: tmp_path / name / "medsnap-key" for name in made}
    for name, given in made.items():
        k.save_file(paths[name], k.render(given, ""), random=os.urandom)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credential")}
    usual = paths["usual"]

    def find(key_file: Path | None = None, command: str = "", **more: str) -> k.Keys:
        places = Places(
            key_file=key_file,
            environment={**environment, **more},
            vault="v",
            usual=usual,
            command=command,
        )
        looked = list(key_sources.sources(places))
        assert not any("AGE-SECRET-KEY" in s.state for s in looked)
        assert [s.name for s in looked] == [
            "key file", "file descriptor", "command", "systemd credential", "usual file", "system keyring",
        ]  # fmt: skip
        return key_sources.find(places)

    cat = f'{sys.executable} -c "import sys; sys.stdout.write(open(sys.argv[1]).read())" '

    assert find(paths["file"]) == made["file"]
    descriptor = os.open(paths["fd"], os.O_RDONLY)
    assert find(MEDSNAP_KEY_FD=str(descriptor)) == made["fd"]
    assert find(command=f"{cat} '{paths['command']}'") == made["command"]
    assert find() == made["credential"]
    environment.clear()
    assert find() == made["usual"]
    usual.unlink()
    with pytest.raises(KeyRefused, match="no key was given"):
        find()
    for wrong in ("x", "-1", "987654"):
        with pytest.raises(UsageError):
            find(MEDSNAP_KEY_FD=wrong)


BAD_COMMANDS = {
    "/no/such/program": "cannot be run",
    "'unclosed": "cannot be run",
    "false": "ended with 1",
    "echo nothing": "no key in it",
    f"{sys.executable} -c \"print('A' * 70000)\"": "larger than",
}


@pytest.mark.parametrize("command", BAD_COMMANDS)
def test_a_command_that_gives_no_key_is_refused(command: str) -> None:
    with pytest.raises(KeyRefused, match=BAD_COMMANDS[command]):
        key_sources.find(Places(vault="v", environment={}, command=command))


def test_a_command_is_no_shell(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused):
        key_sources.find(Places(vault="v", environment={}, command=f"echo x > {tmp_path / 'made'}; true"))
    assert not (tmp_path / "made").exists()


def test_what_is_known_of_a_key_file_without_reading_it(tmp_path: Path) -> None:
    sealed, plain = tmp_path / "sealed", tmp_path / "plain"
    k.save_file(sealed, k.render(_keys(), ""), passphrase="x", random=os.urandom)
    k.save_file(plain, k.render(_keys(), ""), random=os.urandom)
    plain.chmod(0o644)
    for path, words in (
        (sealed, "mode 0600, under a passphrase"),
        (plain, "mode 0644, without a passphrase"),
        (tmp_path / "none", "No such file"),
    ):
        found = next(key_sources.sources(Places(vault="v", environment={}, key_file=path)))
        assert found.ready and words in found.state


class _Store:
    """A keyring that keeps, or forgets, or answers with something else."""

    priority = 5
    kept: dict[tuple[str, str], str] = {}  # noqa: RUF012
    answer: str | None = None

    def set_password(self, service: str, user: str, text: str) -> None:
        self.kept[service, user] = text

    def get_password(self, service: str, user: str) -> str | None:
        return self.answer if self.answer is not None else self.kept.get((service, user))


def _install(monkeypatch: pytest.MonkeyPatch, name: str, store: type) -> None:
    module = types.ModuleType(name)
    vars(module).update({c: store for _, c in k.SAFE_BACKENDS})
    for known, _ in k.SAFE_BACKENDS:
        monkeypatch.setitem(sys.modules, known, types.ModuleType(known))
    monkeypatch.setitem(sys.modules, name, module)


def test_a_safe_keyring_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, k.SAFE_BACKENDS[0][0], _Store)
    assert k.to_keyring("v1", "text") and k.from_keyring("v1") == "text"
    assert k.from_keyring("v2") is None


def test_a_keyring_that_answers_wrongly_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, k.SAFE_BACKENDS[0][0], type("Liar", (_Store,), {"answer": "other"}))
    assert not k.to_keyring("v1", "text")


def test_a_keyring_that_a_variable_chose_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "keyrings.alt.file", _Store)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyrings.alt.file.PlaintextKeyring")
    assert not k.to_keyring("v3", "text") and k.from_keyring("v3") is None
