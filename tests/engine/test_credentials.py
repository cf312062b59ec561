"""Credentials files: what is read, what is refused, and that no refusal tells a secret."""

import json
import logging
import os
import tempfile
import traceback
from pathlib import Path

import pytest

from ggg_cloud_addon.cloud_storage.credentials import read_credentials
from ggg_cloud_addon.cloud_storage.errors import ConfigError
from ggg_cloud_addon.cloud_storage.redaction import HIDDEN, redact

AWS = (("aws_access_key_id", "aws_secret_access_key"),)
AZURE = (("connection_string",), ("account_name", "account_key"))
SECRET = "sEcr3tOfNobody/0123456789"


def written(folder: Path, content: object) -> Path:
    path = folder / "credentials.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"aws_access_key_id": "AKIA", "aws_secret_access_key": SECRET}, AWS),
        ({"aws_access_key_id": "AKIA", "aws_secret_access_key": SECRET, "region": "eu-central-1"}, AWS),
        ({"aws_access_key_id": "AKIA", "aws_secret_access_key": "x", "aws_session_token": SECRET}, AWS),
        ({"connection_string": f"AccountName=studio;AccountKey={SECRET}"}, AZURE),
        ({"account_name": "studio", "account_key": SECRET}, AZURE),
    ],
)
def test_the_values_are_read_and_kept_secret(
    values: dict[str, str], wanted: tuple[tuple[str, ...], ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_credentials(written(tmp_path, values), wanted) == values
    secret = next(value for value in values.values() if SECRET in value)
    assert redact(f"<{secret}>") == f"<{HIDDEN}>"
    assert caplog.records == []


def test_a_file_of_windows_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    values = {"account_name": "studio", "account_key": SECRET}
    path = written(tmp_path, b"\xef\xbb\xbf" + json.dumps(values).encode())
    assert read_credentials(str(path), AZURE) == values


REFUSED: dict[str, tuple[object, str]] = {
    "empty": (b"", "is not JSON"),
    "torn": (f'{{"aws_secret_access_key": "{SECRET}'.encode(), "is not JSON.* in line 1"),
    "not text": (b"\xff\xfe" + SECRET.encode("utf-16-le"), "cannot be read: it is not UTF-8 text"),
    "ini": (f"[default]\naws_secret_access_key = {SECRET}".encode(), "is not JSON"),
    "list": ([SECRET], "has to be a JSON object with"),
    "text": (SECRET, "has to be a JSON object with"),
    "nothing": ({}, 'has to be a JSON object with "aws_access_key_id" and "aws_secret_access_key"'),
    "half": ({"aws_secret_access_key": SECRET}, 'with "aws_access_key_id" and'),
    "empty value": ({"aws_access_key_id": "", "aws_secret_access_key": SECRET}, 'with "aws_access_key_id" and'),
    "number": ({"aws_access_key_id": 1, "aws_secret_access_key": SECRET}, '"aws_access_key_id" that is no text'),
    "list inside": ({"aws_access_key_id": "AKIA", "aws_secret_access_key": [SECRET]}, "that is no text"),
    "unknown": ({"aws_access_key_id": "AKIA", "aws_secret_access_key": SECRET, "sercet": "x"}, 'unknown key "sercet"'),
    "deep": (b"[" * 100_000, "is not JSON.* too deep"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_names_the_file_and_tells_no_secret(content: object, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ConfigError, match=said) as caught:
        read_credentials(path, AWS)
    assert f'"{path}"' in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert not isinstance(caught.value.__context__, json.JSONDecodeError) or caught.value.__suppress_context__


def test_a_file_that_is_not_there_or_a_folder_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read: ") as caught:
            read_credentials(path, AWS)
        assert f'"{path}"' in str(caught.value)


AS_NOBODY = """
import os, sys
from ggg_cloud_addon.cloud_storage.credentials import read_credentials
from ggg_cloud_addon.cloud_storage.errors import ConfigError
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    read_credentials(sys.argv[1], (("account_name", "account_key"),))
except ConfigError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights.")
def test_a_file_that_may_not_be_read_is_said(run_child: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = written(Path(folder), {"account_name": "studio", "account_key": SECRET})
        path.chmod(0)
        child = run_child(AS_NOBODY, path)  # type: ignore[operator]
        path.chmod(0o600)
    assert child.stdout == f'The credentials file "{path}" cannot be read: Permission denied.\n'


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights.")
def test_a_file_that_others_may_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, {"account_name": "studio", "account_key": SECRET})
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        read_credentials(path, AZURE)
    assert "chmod 600" in caplog.text
    assert SECRET not in caplog.text


def test_the_home_folder_can_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    written(tmp_path, {"account_name": "studio", "account_key": SECRET})
    assert read_credentials("~/credentials.json", AZURE)["account_name"] == "studio"


def test_a_home_that_is_not_there_is_said() -> None:
    with pytest.raises(ConfigError, match="~nobody-of-that-name"):
        read_credentials("~nobody-of-that-name/credentials.json", AZURE)
