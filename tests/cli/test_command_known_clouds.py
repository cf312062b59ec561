"""The command replaces and removes only what its user knows: clouds, and a server that ignores conditions."""

import json
from pathlib import Path

import pytest
from servers import AzureServer, Server
from shell import Answer, Shell

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager


@pytest.mark.parametrize("kind", ["moto", "azurite", "rclone_s3"])
def test_two_people_with_one_bucket(
    kind: str, request: pytest.FixtureRequest, shell: Shell, zoe: Shell, bucket_name: str, tmp_path: Path
) -> None:
    server: Server | AzureServer = request.getfixturevalue(kind)
    keys, about = {}, {"bucket_name": bucket_name, "prefix": "models"}
    if isinstance(server, AzureServer):
        keys = {"account_name": server.account_name, "account_key": server.account_key}
        about |= {"provider": "azure", "endpoint_url": server.account_url}
    else:
        keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
        about |= {"provider": "aws", "endpoint_url": server.url, "region": "eu-central-1"}
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(keys))
    file.chmod(0o600)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(about | {"credentials_file": str(file)}))
    CloudStorageManager(CloudStorageConfig.from_file(config)).bucket.create()

    def run(who: Shell, *arguments: str) -> Answer:
        return who.run_each((*arguments, "--config", str(config)), root=False)[0]

    def push(who: Shell, content: bytes, *options: str) -> Answer:
        who.write("arm.blend", content)
        return run(who, "push", "arm.blend", *options)

    push(shell, b"mine").check_done()
    assert "already stored" in push(zoe, b"mine").check_done().out
    push(zoe, b"theirs").check_done()
    push(shell, b"more").check_refused(1, '"arm.blend" was pushed by Zoë on ')
    run(shell, "delete", "arm.blend").check_refused(1, '"arm.blend" was pushed by Zoë on ', "--force")
    run(shell, "pull", "arm.blend", "--overwrite").check_done()
    assert (shell.work / "arm.blend").read_bytes() == b"theirs"
    push(shell, b"more").check_done()
    push(shell, b"and more").check_done()
    push(zoe, b"theirs again").check_refused(1, '"arm.blend" was pushed by ')
    push(zoe, b"theirs again", "--if-absent").check_refused(1, "arm.blend")
    run(zoe, "list").check_done()
    run(zoe, "delete", "arm.blend").check_done()
    push(shell, b"back again").check_done()
    for name in ("arm.blend", "leg.blend"):
        zoe.write(name, b"several")
    several = run(zoe, "push", "arm.blend", "leg.blend", "--json")
    assert [each["error"] is None for each in several.document] == [False, True]
    assert run(zoe, "push", "arm.blend", "leg.blend", "--force").code == 0
