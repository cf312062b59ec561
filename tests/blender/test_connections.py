"""The connections in the preferences: what the engine is told, what is written where, and no secret in any of it."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from servers import AzureServer, Server

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, SyncConfig

pytest.importorskip("bpy")

ROOT = Path(__file__).parents[2]
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYzzNoSuchKey"
BEGIN = """
import json, os, sys
import bpy
from pathlib import Path
from types import SimpleNamespace

NAME = "bl_ext.user_default.ggg_cloud_addon"
context, ggg = bpy.context, bpy.ops.ggg_cloud
context.preferences.system.use_online_access = True
bpy.ops.preferences.addon_enable(module=NAME)
preferences = context.preferences.addons[NAME].preferences
connections = sys.modules[NAME + ".blender.connections"]
online = sys.modules[NAME + ".blender.online"]
tested = sys.modules[NAME + ".blender.connection_test"]

def connect(provider, **fields):
    ggg.connection_add(provider=provider)
    connection = preferences.connections[preferences.active_index]
    for name, value in fields.items():
        setattr(connection, name, value)
    return connection

def told():
    try:
        return connections.storage_config(context)
    except RuntimeError as error:
        return str(error)

def refusal(call):
    try:
        call()
    except RuntimeError as error:
        return str(error)

answer = None
"""
END = """
print("\\nANSWER", json.dumps(answer))
sys.stdout.flush()
sys.modules[NAME].unregister()
os._exit(0)
"""
Blender = Callable[..., Any]


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """The add-on's own folder in the user's."""
    return tmp_path / "user/extensions/.user/user_default/ggg_cloud_addon"


@pytest.fixture
def blender(run_child: Callable[..., Any], tmp_path: Path) -> Blender:
    """Run this code in a Blender of its own, where the add-on is installed without its wheels; gives its `answer`."""
    extension = tmp_path / "user/extensions/user_default/ggg_cloud_addon"
    shutil.copytree(ROOT / "ggg_cloud_addon", extension, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "blender_manifest.toml", extension)
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path / "user"), "HOME": str(tmp_path)}
    environment["XDG_DATA_HOME"] = str(tmp_path / "data")

    def run(code: str, *arguments: str | Path) -> Any:
        done = run_child(BEGIN + code + END, *arguments, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.rpartition("ANSWER ")[2].partition("\n")[0])

    return run


def test_each_provider_tells_the_engine_its_own_fields_and_nothing_empty(blender: Blender, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    everything = """
every = dict(root=sys.argv[1], bucket_name=" parts ", prefix="models", region="eu-central-1", profile="studio",
             endpoint_url="https://s3.example.com", credentials_file=sys.argv[1] + "/keys.json", kms_key_id="alias/k",
             storage_tier="Cool", public_access=True, ca_bundle=sys.argv[1] + "/ca.pem")
answer = []
for provider, credentials in (("mock", "CHAIN"), ("aws", "CHAIN"), ("aws", "PROFILE"), ("aws", "FILE"),
                              ("azure", "CHAIN"), ("azure", "FILE")):
    connect(provider, credentials=credentials, **every)
    answer.append(told())
for provider in ("mock", "aws", "azure"):
    connect(provider, encryption=False, bucket_name="parts")
    answer.append(told())
"""
    answers = blender(everything, tmp_path)
    here = str(tmp_path)
    cloud = {
        "bucket_name": "parts",
        "prefix": "models",
        "endpoint_url": "https://s3.example.com",
        "storage_tier": "Cool",
        "ca_bundle": f"{here}/ca.pem",
        "encryption": True,
        "public_access": True,
    }
    aws = {"provider": "aws", **cloud, "region": "eu-central-1", "kms_key_id": "alias/k"}
    azure = {"provider": "azure", **cloud}
    keys = {"credentials_file": f"{here}/keys.json"}
    assert answers == [
        {"provider": "mock", "root": here, "prefix": "models"},
        aws,
        aws | {"profile": "studio"},
        aws | keys,
        azure,
        azure | keys,
        {"provider": "mock"},
        {"provider": "aws", "bucket_name": "parts", "encryption": False, "public_access": False},
        {"provider": "azure", "bucket_name": "parts", "encryption": False, "public_access": False},
    ]
    for answer in answers:  # the engine takes them as they are
        given = asdict(CloudStorageConfig.from_dict(answer))
        assert given == asdict(CloudStorageConfig()) | answer


def test_what_is_needed_and_empty_is_named(blender: Blender) -> None:
    answers = blender(
        """
connection = connect("aws", bucket_name="  ")
answer = [told()]
connection.bucket_name = "parts"
for credentials in ("PROFILE", "FILE"):
    connection.credentials = credentials
    answer.append(told())
azure = connect("azure")
answer.append(told())
azure.bucket_name, azure.credentials = "parts", "PROFILE"
answer.append(told())
connect("mock", root="//store")
answer.append(told())
"""
    )
    for answer, said in zip(
        answers, ("bucket", "profile", "keys file", "container", "profiles", "save it"), strict=True
    ):
        assert isinstance(answer, str)
        assert said in answer
    assert '"Amazon S3"' in answers[0]
    assert '"Azure"' in answers[3]


def test_offline_clouds_say_how_to_allow_the_network_and_a_folder_works(blender: Blender, user: Path) -> None:
    switched_off, started_off, folder = blender(
        """
connect("aws", bucket_name="parts")
context.preferences.system.use_online_access = False
answer = [told()]
online.bpy = SimpleNamespace(app=SimpleNamespace(online_access=False, online_access_overriden=True))
answer.append(told())
connect("mock")
ggg.refresh()
answer.append(told())
"""
    )
    for way in ("Allow Online Access", "Preferences > System > Network", "--online-mode"):
        assert way in switched_off
        assert way not in started_off
    assert "without --offline-mode" in started_off
    assert folder == {"provider": "mock"}
    assert [path.name for path in user.glob("*.json")] == ["cloud_storage_mock_config.json"]


def test_keys_that_are_typed_in_are_in_one_file_of_their_owner_only(
    blender: Blender, user: Path, tmp_path: Path
) -> None:
    said = blender(
        """
secret = sys.argv[1]
connection = connect("aws", bucket_name="parts", endpoint_url=f"https://me:{secret}@127.0.0.1:9/?sig={secret}")
ggg.enter_keys(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key=sys.argv[1])
answer = [connection.credentials, connection.credentials_file, connection.endpoint_url]
last = context.window_manager.operator_properties_last("ggg_cloud.enter_keys")
answer.append(last.aws_secret_access_key if last else "")
connect("azure", bucket_name="parts")
ggg.enter_keys(connection_string="AccountKey=" + sys.argv[1])
ggg.enter_keys(account_name="studio", account_key=sys.argv[1])  # replaces it
preferences.active_index = 1
answer.append(refusal(lambda: ggg.refresh()))
bpy.ops.wm.save_userpref()
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[2], compress=False)
""",
        SECRET,
        tmp_path / "scene.blend",
    )
    assert said[:4] == ["FILE", str(user / "keys_amazon_s3.json"), "https://127.0.0.1:9/", ""]
    assert SECRET not in said[4]
    found = {
        path.name
        for path in tmp_path.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes().replace(b"\\/", b"/")
    }
    assert found == {"keys_amazon_s3.json", "keys_azure.json"}
    names = {path.name for path in tmp_path.rglob("*")}
    assert {"userpref.blend", "scene.blend", "cloud_storage.log", "cloud_storage_aws_config.json"} <= names
    assert json.loads((user / "keys_azure.json").read_text()) == {"account_name": "studio", "account_key": SECRET}
    if os.name == "posix":
        modes = {stat.S_IMODE(path.stat().st_mode) for path in user.glob("*.json")}
        assert modes == {0o600}


def test_half_of_the_keys_is_refused_and_removed_connections_leave_none(blender: Blender, user: Path) -> None:
    said, kept = blender(
        """
connect("aws", name="Büro / S3")
half = refusal(lambda: ggg.enter_keys(aws_access_key_id="AKIAIOSFODNN7EXAMPLE"))
ggg.enter_keys(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x" * 40)
kept = Path(preferences.connections[-1].credentials_file).is_file()
ggg.connection_remove()
answer = [half, kept]
"""
    )
    assert "Secret Access Key" in said
    assert kept
    assert list(user.glob("keys*")) == []


def test_the_settings_that_are_used_are_a_config_file_for_the_command(
    blender: Blender, run_child: Callable[..., Any], user: Path, tmp_path: Path
) -> None:
    stopped_nothing = blender(
        """
connect("mock", root=sys.argv[1], prefix="models")
ggg.refresh()
Path(sys.argv[2], "cloud_storage_aws_config.json").mkdir()  # cannot be written
connect("aws", bucket_name="parts")
answer = told()
""",
        tmp_path / "Büro",
        user,
    )
    assert stopped_nothing["bucket_name"] == "parts"
    (tmp_path / "Büro/models").mkdir(parents=True)
    (tmp_path / "Büro/models/arm.stl").write_bytes(b"solid")
    config = user / "cloud_storage_mock_config.json"
    run = "from ggg_cloud_addon.cli import main; raise SystemExit(main())"
    listed = run_child(run, "list", "--json", "--config", config, cwd=ROOT, env=os.environ | {"HOME": str(tmp_path)})
    assert [each["component_id"] for each in json.loads(listed.stdout)] == ["arm.stl"]


def test_there_is_always_a_connection_and_that_of_0_2_0_is_the_first(blender: Blender) -> None:
    fresh, first, config, after = blender(
        """
def shown():
    return [[each.name, each.provider, each.root, each.prefix] for each in preferences.connections]

answer = [shown()]
preferences.connections.clear()  # as 0.2.0 left its preferences
preferences.root, preferences.prefix = "/drive", "models"
sys.modules[NAME].unregister()
sys.modules[NAME].register()
preferences = context.preferences.addons[NAME].preferences
answer += [shown(), told()]
ggg.connection_remove()
answer.append(shown())
"""
    )
    assert fresh == after == [["My Folder", "mock", "", ""]]
    assert first == [["My Folder", "mock", "/drive", "models"]]
    assert config == {"provider": "mock", "root": "/drive", "prefix": "models"}


def test_blender_knows_that_a_connection_changed_and_keeps_it(blender: Blender, tmp_path: Path) -> None:
    unmarked = blender(
        """
connection = connect("aws")
answer = []
for name in connections.ConnectionSettings.__annotations__:
    context.preferences.is_dirty = False
    kind = connection.bl_rna.properties[name]
    last = kind.enum_items[-1].identifier if kind.type == "ENUM" else None
    setattr(connection, name, {"ENUM": last, "BOOLEAN": True, "STRING": "x"}[kind.type])
    if not context.preferences.is_dirty:
        answer.append(name)
connection.bucket_name = "parts-of-this-test"
bpy.ops.wm.save_userpref()
"""
    )
    assert unmarked == []
    assert b"parts-of-this-test" in (tmp_path / "user/config/userpref.blend").read_bytes()


def test_the_synced_folder_is_told_to_the_engine(blender: Blender, tmp_path: Path) -> None:
    none, usual, own = blender(
        """
connection = connect("mock")
answer = [connections.sync_settings(context)]
connection.sync_folder = sys.argv[1]
answer.append(connections.sync_settings(context))
connection.direction, connection.delete_files = "upload", True
connection.include, connection.exclude = "*.blend, textures/*", "wip/*  old/*"
answer.append(connections.sync_settings(context))
""",
        tmp_path,
    )
    assert none is None
    assert SyncConfig(**usual).file_patterns == list(SyncConfig(local_dir=".").file_patterns)
    assert own == {
        "local_dir": str(tmp_path),
        "direction": "upload",
        "delete_files": True,
        "overwrite": True,
        "file_patterns": ["*.blend", "textures/*"],
        "exclude_patterns": ["wip/*", "old/*"],
        "conflict": "ask",
    }
    SyncConfig(**own)


TEST = """
server = json.loads(sys.argv[1])
connection = connect(server["provider"], bucket_name=server["bucket"], endpoint_url=server["url"])
ggg.enter_keys(**server["keys"])
answer = []
for create in (False, True, False):
    failed = refusal(lambda: ggg.test_connection(create=create))
    answer.append([failed, [[each.about, each.ok, each.sentence] for each in tested.findings_of(connection)]])
connection.prefix = "other"
answer.append(tested.findings_of(connection))
"""


@pytest.mark.parametrize("provider", ["aws", "azure"])
def test_a_test_says_what_it_found_and_makes_the_bucket_when_asked(
    blender: Blender, provider: str, moto: Server, azurite: AzureServer, bucket_name: str
) -> None:
    server = {
        "aws": {
            "url": moto.url,
            "keys": {"aws_access_key_id": moto.access_key, "aws_secret_access_key": moto.secret_key},
        },
        "azure": {
            "url": azurite.account_url,
            "keys": {"account_name": azurite.account_name, "account_key": azurite.account_key},
        },
    }[provider]
    missing, made, again, of_others = blender(TEST, json.dumps({"provider": provider, "bucket": bucket_name, **server}))
    assert bucket_name in missing[0]
    assert [(about, ok) for about, ok, _ in missing[1]] == [("missing", False)]
    assert [about for about, _, _ in made[1]][:2] == ["create", "access"]
    assert [sentence for _, ok, sentence in made[1] if ok is False] == []
    assert made[0] is again[0] is None
    assert [sentence for about, _, sentence in again[1] if about == "write"] == ["Components can be stored."]
    assert of_others is None, "what was found for other settings"


def test_every_icon_of_the_page_exists(blender: Blender) -> None:
    used, known = blender(
        """
page = sys.modules[NAME + ".blender.preferences"]
known = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items.keys()
answer = [[*page.ICONS.values(), *page.MARKS.values()], known]
"""
    )
    assert set(used) <= set(known)
