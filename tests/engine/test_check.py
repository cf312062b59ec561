"""What a check says of real stores, and that it leaves nothing there."""

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import botocore.loaders
import pytest
from fault_proxy import FaultProxy
from servers import AzureServer, Server, user_with_policy

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.check import Finding, check_storage
from ggg_cloud_addon.cloud_storage.errors import AccessDeniedError, ObjectNotFoundError, StoreUnavailableError
from ggg_cloud_addon.cloud_storage.providers.base import Download, ObjectInfo, Source
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider

TRIED = ("write", "read", "metadata", "conditions", "versions", "delete", "clock")
Configure = Callable[..., CloudStorageConfig]

# Each provider and each bucket reads the SDK's description of S3 anew, which is most of a small test's time.
botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)


@pytest.fixture
def configure(tmp_path: Path, bucket_name: str, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """The settings for a bucket or container on a server, with a credentials file and a prefix."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def configure(server: Server | AzureServer, **settings: object) -> CloudStorageConfig:
        file = tmp_path / "credentials.json"
        if isinstance(server, AzureServer):
            provider, url = "azure", server.account_url
            keys = {"account_name": server.account_name, "account_key": server.account_key}
        else:
            provider, url = "aws", server.url
            keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
        file.write_text(json.dumps(keys))
        file.chmod(0o600)
        given = {"bucket_name": bucket_name, "prefix": "models", "endpoint_url": url, "credentials_file": file}
        return CloudStorageConfig(provider=provider, **(given | settings))

    return configure


def check(config: CloudStorageConfig, **options: bool) -> list[Finding]:
    findings = check_storage(CloudStorageManager(config), **options)
    for each in findings:
        assert each.sentence.endswith("."), each
        assert "\n" not in each.sentence, each
    return findings


def told(findings: Sequence[Finding]) -> dict[str, bool | None]:
    return {each.about: each.ok for each in findings}


def sentence(findings: Sequence[Finding], about: str) -> str:
    return " ".join(each.sentence for each in findings if each.about == about)


def left(server: Server, bucket: str) -> list[str]:
    """All that is in the bucket: objects, old versions, markers of deletes, unfinished uploads."""
    client = server.client()
    history = client.list_object_versions(Bucket=bucket)
    uploads = client.list_multipart_uploads(Bucket=bucket)
    found = (history.get("Versions", ()), history.get("DeleteMarkers", ()), uploads.get("Uploads", ()))
    return [each["Key"] for kind in found for each in kind]


def allowing(server: Server, *actions: str) -> Server:
    """The server as a user with these rights sees it."""
    rights = {"Effect": "Allow", "Action": [f"s3:{action}" for action in actions], "Resource": "*"}
    key, secret = user_with_policy(server, {"Version": "2012-10-17", "Statement": [rights]})
    return replace(server, access_key=key, secret_key=secret)


def test_a_new_bucket_passes_and_stays_empty(moto: Server, configure: Configure, bucket_name: str) -> None:
    findings = check(configure(moto), create=True)
    assert told(findings) == {
        "create": True,
        "access": True,
        "region": True,
        "public": True,
        "encryption": None,
        **dict.fromkeys(TRIED, True),
        "conditions": None,  # moto ignores that of a delete
    }
    assert "us-east-1" in sentence(findings, "region")
    assert left(moto, bucket_name) == []


def test_a_bucket_that_is_there_is_not_made_again(moto: Server, configure: Configure, bucket_name: str) -> None:
    moto.client().create_bucket(Bucket=bucket_name)
    findings = check(configure(moto), create=True)
    assert told(findings)["create"] is None
    assert "already" in sentence(findings, "create")
    assert told(findings)["clock"] is True


def test_without_a_bucket_nothing_is_tried(moto: Server, azurite: AzureServer, configure: Configure) -> None:
    for server, kind in ((moto, "bucket"), (azurite, "container")):
        findings = check(configure(server), keep_versions=True)
        assert told(findings) == {"missing": False}
        assert f"There is no {kind}" in sentence(findings, "missing")
        assert "--create" in sentence(findings, "missing")


def test_with_wrong_keys_nothing_is_tried(moto: Server, azurite: AzureServer, configure: Configure) -> None:
    for server in (replace(moto, secret_key="wrong-secret"), replace(azurite, account_key="d3Jvbmc=")):
        findings = check(configure(server))
        assert told(findings) == {"access": False}
        assert "secret" not in sentence(findings, "access").replace("secret access key", "")


def test_a_server_without_conditions_and_versions_is_told_in_remarks(
    rclone_s3: Server, configure: Configure, bucket_name: str
) -> None:
    client = rclone_s3.client()
    client.create_bucket(Bucket=bucket_name)
    findings = check(configure(rclone_s3))
    assert told(findings) == {
        "access": True,
        "region": True,
        "public": None,
        "encryption": None,
        **dict.fromkeys(TRIED, True),
        "conditions": None,
        "versions": None,
    }
    assert "ignores the conditions" in sentence(findings, "conditions")
    assert "keeps no versions" in sentence(findings, "versions")
    assert "Contents" not in client.list_objects_v2(Bucket=bucket_name)
    client.delete_bucket(Bucket=bucket_name)  # rclone refuses it if there are folders left


def test_versions_are_switched_on_when_asked(moto: Server, configure: Configure, bucket_name: str) -> None:
    moto.client().create_bucket(Bucket=bucket_name)
    assert told(check(configure(moto)))["versions"] is None
    assert told(check(configure(moto), keep_versions=True))["versions"] is True
    assert moto.client().get_bucket_versioning(Bucket=bucket_name)["Status"] == "Enabled"
    assert left(moto, bucket_name) == []


def test_versions_that_were_asked_for_and_are_not_kept_are_a_failure(
    azurite: AzureServer, configure: Configure
) -> None:
    findings = check(configure(azurite), create=True)
    assert told(findings)["versions"] is None
    findings = check(configure(azurite), keep_versions=True)
    assert told(findings)["versions"] is False
    assert "portal" in sentence(findings, "versions")


def test_a_new_container_passes_and_stays_empty(azurite: AzureServer, configure: Configure, bucket_name: str) -> None:
    assert told(check(configure(azurite), create=True)) == {
        "create": True,
        "access": True,
        "public": True,
        "encryption": None,
        **dict.fromkeys(TRIED, True),
        "versions": None,
    }
    container = azurite.client().get_container_client(bucket_name)
    assert list(container.list_blobs(include=["versions", "snapshots", "uncommittedblobs", "deleted"])) == []


def test_a_plain_folder_passes_and_stays_empty(tmp_path: Path) -> None:
    config = CloudStorageConfig(root=tmp_path / "store", prefix="models")
    findings = check(config, create=True, keep_versions=True)
    assert told(findings) == {"create": None, "access": True, **dict.fromkeys(TRIED, True)}
    files = [path.relative_to(config.folder) for path in config.folder.rglob("*") if path.is_file()]
    assert {path.as_posix() for path in files if path.suffix != ".lock"} == {".ggg_store/id"}
    assert [path.name for path in config.folder.iterdir()] == [".ggg_store"]


def test_without_the_right_to_write_it_says_so_and_ends(moto: Server, configure: Configure, bucket_name: str) -> None:
    moto.client().create_bucket(Bucket=bucket_name)
    findings = check(configure(allowing(moto, "ListBucket", "GetObject")))
    assert (findings[-1].about, findings[-1].ok) == ("write", False)
    assert "no right" in findings[-1].sentence
    assert [each.about for each in findings if each.ok is False] == ["write"]
    assert left(moto, bucket_name) == []


def test_what_cannot_be_removed_is_named(moto: Server, configure: Configure, bucket_name: str) -> None:
    moto.client().create_bucket(Bucket=bucket_name)
    findings = check(configure(allowing(moto, "ListBucket", "GetObject", "PutObject")))
    assert {about for about, ok in told(findings).items() if ok is False} == {"delete", "cleanup"}
    (key,) = {key for key in left(moto, bucket_name) if key.startswith("models/ggg-cloud-check-")}
    assert f'"{key}"' in sentence(findings, "cleanup")


def test_versions_that_the_user_may_not_erase_are_a_remark(
    moto: Server, configure: Configure, bucket_name: str
) -> None:
    check(configure(moto), create=True)
    rights = ("ListBucket", "GetObject", "PutObject", "DeleteObject")
    findings = check(configure(allowing(moto, *rights)))
    assert not [each for each in findings if each.ok is False]
    assert "may not ask for them" in sentence(findings, "versions")
    (key,) = {key for key in left(moto, bucket_name) if key.startswith("models/ggg-cloud-check-")}
    assert f'"{key}"' in sentence(findings, "cleanup")
    assert CloudStorageManager(configure(moto)).list_components() == []


def test_a_public_storage_is_a_failure_unless_the_settings_want_it(
    moto: Server, azurite: AzureServer, configure: Configure, bucket_name: str
) -> None:
    moto.client().create_bucket(Bucket=bucket_name, ACL="public-read")
    azurite.client().create_container(bucket_name, public_access="blob")
    for server in (moto, azurite):
        findings = check(configure(server))
        assert told(findings)["public"] is False
        assert "public_access is false" in sentence(findings, "public")
        assert told(check(configure(server, public_access=True)))["public"] is True


@pytest.mark.parametrize(
    ("minutes", "ok"), [(0.5, True), (-0.5, True), (2, None), (-2, None), (15, False), (-15, False)]
)
def test_a_clock_that_is_off_is_told(
    moto_open: Server, configure: Configure, bucket_name: str, minutes: float, ok: bool | None
) -> None:
    moto_open.client().create_bucket(Bucket=bucket_name)
    with FaultProxy(moto_open.url) as proxy:
        there = datetime.now(UTC) + timedelta(minutes=minutes)
        proxy.set_header("Date", format_datetime(there, usegmt=True))
        findings = check(configure(replace(moto_open, url=proxy.url)))
    assert told(findings)["clock"] is ok
    assert ok or f"{abs(minutes)} min apart" in sentence(findings, "clock")


class Lossy(FolderProvider):
    """A store that gives back less than it took."""

    @contextmanager
    def get(self, key: str, **options: Any) -> Iterator[Download]:
        with super().get(key, **options) as download:
            yield _Shorter(download)


class _Shorter:
    def __init__(self, download: Download) -> None:
        self.info = download.info
        self._download = download

    def __iter__(self) -> Iterator[bytes]:
        return (chunk[:-1] for chunk in self._download)


class Forgetful(FolderProvider):
    """A store that drops metadata."""

    def put(self, key: str, source: Source, *, metadata: Mapping[str, str] | None = None, **options: Any) -> ObjectInfo:
        return super().put(key, source, **options)


class Careless(FolderProvider):
    """A store that says it keeps conditions, and ignores them."""

    def put(self, key: str, source: Source, *, condition: object = None, **options: Any) -> ObjectInfo:
        return super().put(key, source, **options)

    def delete(self, key: str, *, condition: object = None) -> None:
        super().delete(key)


class Shortlived(FolderProvider):
    """A store that says it keeps versions, and has the current one only."""

    def versions(self, key: str) -> Any:
        return super().versions(key)[:1]


class Stubborn(FolderProvider):
    """A store that deletes nothing until it is told to erase."""

    def delete(self, key: str, *, condition: object = None) -> None:
        if condition is not None:
            super().delete(key, condition=condition)  # type: ignore[arg-type]

    def erase(self, key: str) -> None:
        FolderProvider(self.root).erase(key)


class Gone(FolderProvider):
    """A store that can be reached until something is read, and again for the last deed."""

    def get(self, key: str, **options: Any) -> AbstractContextManager[Any]:
        raise StoreUnavailableError("The store cannot be reached.")


@pytest.mark.parametrize(
    ("store", "failures"),
    [
        (Lossy, ["read", "versions"]),
        (Forgetful, ["metadata"]),
        (Careless, ["conditions"]),
        (Shortlived, ["versions"]),
        (Stubborn, ["delete"]),
        (Gone, ["read"]),
    ],
)
def test_a_promise_that_is_not_kept_is_a_failure(
    tmp_path: Path, store: type[FolderProvider], failures: list[str]
) -> None:
    provider = store(tmp_path / "store")
    findings = check_storage(CloudStorageManager(CloudStorageConfig(root=provider.root), provider))
    assert [each.about for each in findings if each.ok is False] == failures
    assert findings[-1].about == ("read" if store is Gone else "clock")
    assert not list(provider.root.rglob("ggg-cloud-check-*"))
    assert not list(provider.root.rglob("record.json"))


class Guarded(Gone):
    """One whose versions nobody may remove."""

    def erase(self, key: str) -> None:
        raise AccessDeniedError("The store refuses.")


def test_what_may_not_be_erased_is_at_least_deleted(tmp_path: Path) -> None:
    provider = Guarded(tmp_path / "store")
    findings = check_storage(CloudStorageManager(CloudStorageConfig(root=provider.root), provider))
    assert (findings[-1].about, findings[-1].ok) == ("cleanup", None)
    assert provider.list().objects == ()


COMMAND = "import sys; from ggg_cloud_addon.cli import main; sys.exit(main())"


def command(config: CloudStorageConfig, url: str, *arguments: str) -> list[str]:
    where = {"provider": config.provider, "bucket": config.bucket_name, "prefix": config.prefix, "endpoint-url": url}
    options = [f"--{name}={value}" for name, value in where.items()]
    return [sys.executable, "-c", COMMAND, *arguments, *options, f"--credentials-file={config.credentials_file}"]


@pytest.mark.parametrize("again", [False, True], ids=["once", "and again while it tidies up"])
def test_ctrl_c_leaves_nothing_behind(
    moto: Server, configure: Configure, bucket_name: str, tmp_path: Path, again: bool
) -> None:
    check(configure(moto), create=True)
    with FaultProxy(moto.url) as proxy:
        reading = proxy.stall(60, method="GET", path="ggg-cloud-check-[0-9a-f]+$")
        tidying = proxy.stall(60, method="GET", path="versions.*ggg-cloud-check-") if again else None
        process = subprocess.Popen(
            command(configure(moto), proxy.url, "check"),
            env=os.environ | {"HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert reading.begun.wait(30)
            assert left(moto, bucket_name) != []
            process.send_signal(signal.SIGINT)
            if tidying:
                assert tidying.begun.wait(30)
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
                tidying.release()
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (1, "", "Stopped; nothing half-done was left behind.\n")
    assert left(moto, bucket_name) == []


def test_the_command_says_it_in_lines_and_by_its_exit_code(moto: Server, configure: Configure, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = command(configure(moto), moto.url, "check", *arguments)
        return subprocess.run(line, env=os.environ | {"HOME": str(tmp_path)}, capture_output=True, text=True)

    missing = run()
    assert (missing.returncode, missing.stderr) == (1, "")
    assert missing.stdout.startswith("!!  missing ")
    made = run("--create")
    assert (made.returncode, made.stderr) == (0, "")
    assert {line[:4] for line in made.stdout.splitlines()} == {"ok  ", "--  "}
    found = json.loads(run("--json").stdout)
    assert [(each["about"], each["ok"]) for each in found][:2] == [("access", True), ("region", True)]
    assert "write" in [each["about"] for each in found]
    with pytest.raises(ObjectNotFoundError):
        CloudStorageManager(configure(moto)).get_info("arm.blend")
