"""A storage's password appears nowhere: neither in a message nor in any file of the study."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from charloom.cli.passwords import without_passwords
from charloom.errors import SettingsError, StorageError
from charloom.study.addresses import parse_address

Call = Callable[..., subprocess.CompletedProcess[str]]

SECRET = "hunter2S3cret"
NOBODY = "127.0.0.1:1"

ADDRESSES = [
    f"postgresql://u:{SECRET}@{NOBODY}/db",
    f"postgresql://:{SECRET}@{NOBODY}/db",
    f"postgresql://u@{NOBODY}/db?password={SECRET}",
    f"postgresql://u@{NOBODY}/db?sslpassword={SECRET}&connect_timeout=1",
    f"postgresql://u@{NOBODY}/db?connect_timeout=1&pass%77ord={SECRET}",
    f"postgresql://u:a%40b%2F{SECRET}@{NOBODY}/db",
    f"postgresql://u@{NOBODY}/db?password=a+%26%3D{SECRET}",
    f"postgresql://u:it's {SECRET}@{NOBODY}/db",
    f"postgresql://u:a:{SECRET}@{NOBODY}/db",
    f"postgresql://u:a@{SECRET}@{NOBODY}/db",
    f"postgresql://u:a/{SECRET}@{NOBODY}/db",
    f"postgresql://u:a#{SECRET}@{NOBODY}/db",
    f"postgresql://u:a?{SECRET}@{NOBODY}/db",
    f"postgresql://u@{NOBODY}/db?password=a@{SECRET}",
    f"postgresql://u:{SECRET}",
    f"postgresql://u:{SECRET}/db",
    f"postgresql://u:{SECRET}@",
    f"postgresql://u@{NOBODY}/db?password={SECRET}&password=2",
    f"postgresql://u@{NOBODY}/db?password={SECRET}&nonsense=1",
    f"postgresql://u@{NOBODY}/db?client_encoding={SECRET}",
    f"postgresql://u@{'h' * 300}/db?password={SECRET}",
    f"postgresql://u:{SECRET}%00@{NOBODY}/db",
    f"postgresql+psycopg://u:{SECRET}@{NOBODY}/db",
    f"postgres://u:{SECRET}@{NOBODY}/db",
    f"mysql://u:{SECRET}@{NOBODY}/db",
    f"u:{SECRET}@{NOBODY}/db",
    f"host={NOBODY} user=u password={SECRET}",
    f"host={NOBODY} password = 'a {SECRET}'",
    f"password={SECRET}",
    SECRET,
]
KEPT = [address for address in ADDRESSES if "client_encoding" not in address]

PLACES: list[tuple[str, ...]] = [
    ("study", "text.txt", "--search", "1", "--characters", "99", "--run", "s", "--storage", "ADDRESS"),
    ("study", "text.txt", "--search", "1", "--characters", "99", "--run", "s", "--json", "--storage=ADDRESS"),
    ("study", "text.txt", "--layers", "1", "--storage", "ADDRESS"),
]
ELSEWHERE: list[tuple[str, ...]] = [
    ("study", "ADDRESS", "--search", "1"),
    ("study", "text.txt", "--search", "1", "ADDRESS"),
    ("study", "text.txt", "--search", "ADDRESS"),
    ("study", "text.txt", "--search", "1", "--storag", "ADDRESS"),
    ("study", "text.txt", "--search", "1", "--storag=ADDRESS"),
    ("study", "text.txt", "--search", "1", "--config", "ADDRESS"),
    ("train", "ADDRESS"),
    ("info", "ADDRESS"),
    ("ADDRESS",),
]


def nowhere(secret: str, done: "subprocess.CompletedProcess[str]", folder: Path) -> None:
    assert done.returncode == 2, done.stderr
    assert secret not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    for path in folder.rglob("*"):
        assert secret not in str(path.relative_to(folder))
        assert path.is_dir() or secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[-1])
@pytest.mark.parametrize("address", KEPT)
def test_a_password_of_a_storage_is_shown_and_written_nowhere(
    address: str, place: tuple[str, ...], charloom: Call, tmp_path: Path
) -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL needs the extra tune")
    (tmp_path / "text.txt").write_text("to be or not to be\n" * 40)
    done = charloom(*(word.replace("ADDRESS", address) for word in place))
    nowhere(SECRET, done, tmp_path)


@pytest.mark.parametrize("address", [ADDRESSES[0], ADDRESSES[2], ADDRESSES[9], ADDRESSES[-1]])
def test_a_worker_shows_no_password(address: str, charloom: Call, tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL needs the extra tune")
    nowhere(SECRET, charloom("study", "--worker", address), tmp_path)


@pytest.mark.parametrize("place", ELSEWHERE, ids=" ".join)
@pytest.mark.parametrize("address", [*ADDRESSES[:4], *ADDRESSES[5:18], *ADDRESSES[22:25], *ADDRESSES[26:29]])
def test_a_password_in_the_wrong_place_is_not_repeated(
    address: str, place: tuple[str, ...], charloom: Call, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be\n" * 40)
    nowhere(SECRET, charloom(*(word.replace("ADDRESS", address) for word in place)), tmp_path)


@pytest.mark.parametrize("storage", [f'"{ADDRESSES[0]}"', f'["{ADDRESSES[0]}"]', f'"{ADDRESSES[2]}', ADDRESSES[0]])
def test_a_password_in_a_file_of_settings_is_not_repeated(storage: str, charloom: Call, tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL needs the extra tune")
    (folder := tmp_path / "here").mkdir()
    (folder / "text.txt").write_text("to be or not to be\n" * 40)
    (tmp_path / "c.toml").write_text(f"storage = {storage}\n")
    done = charloom("study", "text.txt", "--search", "1", "--config", tmp_path / "c.toml", "--run", "s", cwd=folder)
    nowhere(SECRET, done, folder)


@pytest.mark.parametrize("address", ADDRESSES[:9])
def test_no_form_of_a_password_is_left_in_what_a_driver_says(address: str) -> None:
    from urllib.parse import unquote_plus

    found = parse_address(address)
    said = f"connection to {address} failed: {unquote_plus(address)!r}"
    assert said.count(SECRET) == 2
    assert SECRET not in found.hide(said)
    assert SECRET not in found.shown
    assert SECRET not in repr(found)


def test_a_database_that_fails_later_is_told_in_one_sentence() -> None:
    pytest.importorskip("optuna", reason="a search needs the extra tune")
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="PostgreSQL needs the extra tune")
    from charloom.study.storages import storage_failures

    cause = Exception(f"server closed the connection of {SECRET}\nin a second line")
    failing = storage_failures(ADDRESSES[0])
    with pytest.raises(StorageError, match="failed: server closed the connection of") as caught, failing:
        raise sqlalchemy.exc.OperationalError("SELECT 1", {"p": SECRET}, cause)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ADDRESSES[9:16])
def test_an_address_that_drivers_read_in_several_ways_is_refused(address: str) -> None:
    with pytest.raises(SettingsError):
        parse_address(address)


@pytest.mark.parametrize(
    "message",
    [
        "there is no file or folder https://example.com:8080/text.txt",
        "a@b is no number; see http://[::1]:5432/x",
        "training has no setting 'pass_rate'; did you mean 'learning_rate'?",
        "write to me@example.com",
        "C:/texts/a.txt:3 is no address of me@example.com",
    ],
)
def test_what_is_no_password_stays(message: str) -> None:
    assert without_passwords(message) == message
