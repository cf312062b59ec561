"""The configuration: what cannot be used is refused at once, with a sentence."""

import json
from pathlib import Path

import pytest

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, SyncConfig
from ggg_cloud_addon.cloud_storage.errors import ConfigError


def config_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "cloud_storage_mock_config.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_file_gives_what_it_says(tmp_path: Path) -> None:
    values = {
        "provider": "mock",
        "root": "store",
        "bucket_name": "components",
        "prefix": "models",
        "encryption": False,
        "max_concurrency": 2,
        "bandwidth_limit": None,
    }
    config = CloudStorageConfig.from_file(config_file(tmp_path, json.dumps(values)))
    assert {name: getattr(config, name) for name in values} == values
    assert config.folder == Path("store").absolute() / "components"


def test_a_file_from_windows_notepad_will_do(tmp_path: Path) -> None:
    assert CloudStorageConfig.from_file(config_file(tmp_path, b'\xef\xbb\xbf{"prefix": "models"}')).prefix == "models"


def test_safe_values_are_the_default() -> None:
    config = CloudStorageConfig()
    assert (config.provider, config.encryption, config.public_access) == ("mock", True, False)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '"mock"',
        "{'provider': 'mock'}",
        b"\xff\xfe{}",
        '{"provider": "gcs"}',
        '{"provider": 7}',
        '{"buckets": "x"}',
        '{"root": 7}',
        '{"encryption": 1}',
        '{"encryption": "yes"}',
        '{"max_concurrency": true}',
        '{"max_concurrency": "8"}',
        '{"max_concurrency": 0}',
        '{"max_concurrency": 1.5}',
        '{"bandwidth_limit": 0}',
        '{"bandwidth_limit": -1}',
        '{"prefix": "../x"}',
        '{"prefix": "/x"}',
        '{"prefix": "a\\\\b"}',
        '{"prefix": null}',
        '{"bucket_name": "a/b"}',
        '{"bucket_name": ".."}',
        '{"bucket_name": ".ggg_store"}',
        '{"prefix": "x/.ggg_cloud"}',
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(tmp_path: Path, content: str | bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        CloudStorageConfig.from_file(config_file(tmp_path, content))
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{", "line 1"),
        ('{"provider": "gcs"}', '"azure"'),
        ('{"buckets": 1}', '"buckets"'),
        ('{"root": 7}', '"root"'),
        ('{"buckets": 1}', "bucket_name"),
        ('{"bucket_name": "a/b"}', "prefix"),
        ("{", "cloud_storage_mock_config"),
    ],
)
def test_the_sentence_names_what_is_wrong(tmp_path: Path, content: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        CloudStorageConfig.from_file(config_file(tmp_path, content))


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            CloudStorageConfig.from_file(path)


@pytest.mark.parametrize("prefix", ["models", "models/"])
def test_a_slash_after_the_prefix_makes_no_difference(prefix: str, tmp_path: Path) -> None:
    from ggg_cloud_addon.cloud_storage import CloudStorageManager

    manager = CloudStorageManager(CloudStorageConfig(root=tmp_path, prefix=prefix))
    assert manager.key_of("arm.blend") == "models/arm.blend"


def test_a_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert CloudStorageConfig(root="~/store").folder == tmp_path / "store"


def test_a_configuration_shows_no_secret(tmp_path: Path) -> None:
    """It holds none: the keys of a credentials file are no settings."""
    for key in ("aws_secret_access_key", "account_key", "connection_string"):
        with pytest.raises(ConfigError) as caught:
            CloudStorageConfig.from_file(config_file(tmp_path, json.dumps({key: "s3cr3t"})))
        assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"direction": "up"},
        {"conflict": "mine"},
        {"max_delete": -0.1},
        {"max_delete": 25},
        {"file_patterns": "*.blend"},
        {"exclude_patterns": "*.fbx"},
    ],
)
def test_a_wrong_sync_setting_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong)).split("_")[0]):
        SyncConfig(local_dir="x", **wrong)  # type: ignore[arg-type]
