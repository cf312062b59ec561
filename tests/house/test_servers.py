"""The servers that the tests use do what they claim."""

import os
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
import servers
from azure.core.exceptions import HttpResponseError
from botocore.exceptions import ClientError, SSLError
from servers import (
    AzureServer,
    Certificate,
    Server,
    azurite_server,
    moto_server,
    rclone_server,
    user_with_policy,
)

CONTENT = bytes(range(256)) * 4000
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux about processes")


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.fixture(params=["moto", "rclone_s3"])
def s3(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


def test_s3_keeps_what_was_put(s3: Server, bucket_name: str) -> None:
    client = s3.client()
    client.create_bucket(Bucket=bucket_name)
    client.put_object(Bucket=bucket_name, Key="arm.blend", Body=CONTENT)

    assert client.get_object(Bucket=bucket_name, Key="arm.blend")["Body"].read() == CONTENT


def test_s3_refuses_a_wrong_secret(s3: Server) -> None:
    with pytest.raises(ClientError) as error:
        replace(s3, secret_key="wrong").client().list_buckets()

    assert code_of(error) == "SignatureDoesNotMatch"


def test_s3_refuses_an_unknown_key(s3: Server) -> None:
    with pytest.raises(ClientError) as error:
        replace(s3, access_key="nobody").client().list_buckets()

    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_moto_gives_a_user_only_the_rights_of_the_policy(moto: Server, bucket_name: str) -> None:
    moto.client().create_bucket(Bucket=bucket_name)
    may_put = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    key, secret = user_with_policy(moto, {"Version": "2012-10-17", "Statement": [may_put]})
    client = replace(moto, access_key=key, secret_key=secret).client()

    client.put_object(Bucket=bucket_name, Key="arm.blend", Body=b"1")
    with pytest.raises(ClientError) as error:
        client.list_objects_v2(Bucket=bucket_name)

    assert code_of(error) == "AccessDenied"


def test_open_moto_takes_presigned_requests(moto_open: Server, bucket_name: str) -> None:
    client = moto_open.client()
    client.create_bucket(Bucket=bucket_name)
    client.put_object(Bucket=bucket_name, Key="arm.blend", Body=CONTENT)
    link = client.generate_presigned_url("get_object", {"Bucket": bucket_name, "Key": "arm.blend"})

    with urllib.request.urlopen(link) as answer:
        assert answer.read() == CONTENT


def test_moto_with_tls_is_reached_by_those_who_trust_its_certificate(tmp_path: Path) -> None:
    with moto_server(certificate=Certificate.self_signed(tmp_path)) as server:
        server.client().list_buckets()
        with pytest.raises(SSLError):
            replace(server, ca_bundle=None).client(retries={"total_max_attempts": 1}).list_buckets()


def test_azurite_keeps_what_was_put(azurite: AzureServer, bucket_name: str) -> None:
    container = azurite.client().create_container(bucket_name)
    container.upload_blob("arm.blend", CONTENT)

    assert container.download_blob("arm.blend").readall() == CONTENT


def test_azurite_refuses_a_wrong_key(azurite: AzureServer, bucket_name: str) -> None:
    with pytest.raises(HttpResponseError) as error:
        replace(azurite, account_key="d3Jvbmc=").client().create_container(bucket_name)

    assert error.value.status_code == 403


def test_the_developers_own_store_is_not_found() -> None:
    assert boto3.session.Session().get_credentials() is None


KINDS: dict[str, Callable[[Path], AbstractContextManager[Server | AzureServer]]] = {
    "moto": lambda folder: moto_server(),
    "rclone": rclone_server,
    "azurite": lambda folder: azurite_server(),
}


@linux_only
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_sees_nothing_of_the_developer_and_is_gone_when_its_block_ends(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "developer")
    monkeypatch.setenv("AZURITE_ACCOUNTS", "developer:ZGV2ZWxvcGVy")
    with KINDS[kind](tmp_path) as server:
        assert b"developer" not in Path(f"/proc/{server.pid}/environ").read_bytes()

    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


@linux_only
def test_a_server_dies_with_the_process_that_started_it(
    run_child: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from servers import rclone_server\n"
        "with rclone_server(Path(sys.argv[1])) as server:\n"
        "    print(server.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    child = run_child(code, tmp_path, cwd=Path(servers.__file__).parent)

    assert child.returncode == -signal.SIGKILL
    assert has_ended(int(child.stdout))


def has_ended(pid: int) -> bool:
    """Whether it has, or does within 10 seconds."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 10)[0])
    finally:
        os.close(process)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    nowhere = Certificate(tmp_path / "certificate.pem", tmp_path / "key.pem")

    with pytest.raises(RuntimeError, match=r"(?s)did not start.*No such file"), moto_server(certificate=nowhere):
        pass


def test_an_install_of_azurite_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers.platformdirs, "user_cache_path", lambda *_, **__: tmp_path)
    monkeypatch.setenv("npm_config_offline", "true")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))

    with pytest.raises(RuntimeError, match=r"(?s)npm could not install Azurite.*ENOTCACHED"):
        servers._azurite()

    assert not list(tmp_path.glob("azurite-*"))
