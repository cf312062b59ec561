"""An artist's walk through the sidebar, with a real mouse in a real window, on a real S3 server."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy
from servers import Server
from window import ADDON, Window

PREFERENCES = ("PREFERENCES", "WINDOW")
CONNECTION = f"bpy.context.preferences.addons['{ADDON}'].preferences"
STATE = "bpy.context.window_manager.ggg_cloud"
FILES = 500
DONE = "not runs() and view.outcome and view.outcome['state'] == 'done'"
SDKS = ("boto3", "botocore", "azure", "cryptography", "s3transfer")


@pytest.fixture
def proxy(moto: Server) -> Iterator[FaultProxy]:
    """Between Blender and the store."""
    with FaultProxy(moto.url) as proxy:
        yield proxy


def keys_of(moto: Server) -> dict[str, str]:
    """Where the cloud's own tools look for them."""
    return {
        "AWS_ACCESS_KEY_ID": moto.access_key,
        "AWS_SECRET_ACCESS_KEY": moto.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def look_into(window: Window) -> None:
    """Let expressions see what the add-on keeps in memory."""
    window.execute(f"from {ADDON}.blender.view import view\nfrom {ADDON}.blender.job import runs\nimport sys, os")


def wait_for_message(window: Window, pattern: str, seconds: float = 60) -> str:
    """Until the last job has ended with such a message."""
    window.execute("import re")
    told = window.wait(
        f"not runs() and view.messages and re.search({pattern!r}, view.messages[0].text) and view.messages[0].text",
        seconds,
    )
    return str(told)


def keys_in(moto: Server, bucket: str) -> list[str]:
    pages = moto.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
    found = [each["Key"] for page in pages for each in page.get("Contents", ())]
    return [key for key in found if not key.startswith(".ggg_cloud/")]  # markers of synced folders


def make_files(folder: Path, number: int) -> None:
    folder.mkdir(parents=True)
    for index in range(number):
        (folder / f"part_{index:03}.blend").write_bytes(b"BLENDER" + os.urandom(2000))


def test_the_walk(open_window: Any, moto: Server, proxy: FaultProxy, bucket_name: str, tmp_path: Path) -> None:
    client = moto.client()
    window: Window = open_window(**keys_of(moto))
    look_into(window)

    # A connection is added; its test says that there is no bucket, and makes it.
    window.open_preferences()
    window.click("bpy.ops.ggg_cloud.connection_remove", *PREFERENCES, below=-20)
    window.key("a")
    window.wait(f"len({CONNECTION}.connections) == 2")
    window.fill(".bucket_name", bucket_name, *PREFERENCES)
    window.fill(".endpoint_url", proxy.url, *PREFERENCES)
    window.click("bpy.ops.ggg_cloud.test_connection", *PREFERENCES)
    wait_for_message(window, "There is no bucket")
    window.picture("preferences-missing")
    window.click("bpy.ops.ggg_cloud.test_connection(create=True)", *PREFERENCES)
    wait_for_message(window, "The connection works")
    window.picture("preferences-works")
    assert bucket_name in [each["Name"] for each in client.list_buckets()["Buckets"]]
    window.close_preferences()

    # The selection is pushed, seen in the list, deleted in the scene, and pulled back.
    window.click("bpy.ops.ggg_cloud.export_upload")
    wait_for_message(window, 'Pushed "Cube.blend"')
    assert not window.evaluate("bpy.data.is_dirty"), "a push changed the open file"
    assert keys_in(moto, bucket_name) == [".ggg_previews/Cube.blend.png", "Cube.blend"]
    window.click("bpy.ops.ggg_cloud.refresh")
    wait_for_message(window, "Listed 1 component")
    assert window.evaluate(f"{STATE}.components[0].name") == "Cube.blend"
    window.click('bpy.ops.ggg_cloud.details(component_id="Cube.blend"')
    wait_for_message(window, '"Cube.blend" has')
    assert window.evaluate("[view.details.metadata['objects'], list(view.previews)]") == ["1", ["Cube.blend"]]
    window.picture("details")
    window.press("Delete")
    window.wait("'Cube' not in bpy.context.window_manager.windows[0].scene.objects")
    window.click('bpy.ops.ggg_cloud.pull(component_id="Cube.blend"')
    wait_for_message(window, 'Pulled "Cube.blend"')
    assert window.evaluate("'Cube' in bpy.context.window_manager.windows[0].scene.objects")
    window.wait("[each.component_id for each in view.in_file] == ['Cube.blend']")
    window.picture("pulled")
    window.execute("view.details = None")  # so that what is below them is in view

    # A folder is synced: shown first, cancelled in the middle, and then to its end.
    folder = tmp_path / "models"
    make_files(folder, FILES)
    window.fill(".sync_folder", str(folder))
    window.click("bpy.ops.ggg_cloud.sync(dry_run=True)")
    wait_for_message(window, str(FILES))
    window.picture("preview")
    stall = proxy.stall(600, times=FILES, method="PUT", path="part_[34]")
    window.click("bpy.ops.ggg_cloud.sync()")
    assert stall.begun.wait(60)
    window.wait("runs() and runs()[0].factor > 0.1")
    window.picture("syncing")
    window.click("bpy.ops.ggg_cloud.cancel")
    wait_for_message(window, "ancelled", 20)
    window.picture("cancelled")
    assert 0 < len(keys_in(moto, bucket_name)) < FILES
    stall.release()
    window.click("bpy.ops.ggg_cloud.sync()")
    window.wait(DONE, 120)
    assert len(keys_in(moto, bucket_name)) == FILES + 2
    assert (folder / "Cube.blend").exists()
    window.picture("synced")

    # Both sides change one file; both contents are kept.
    (folder / "part_007.blend").write_bytes(b"mine")
    client.put_object(Bucket=bucket_name, Key="part_007.blend", Body=b"theirs")
    window.click("bpy.ops.ggg_cloud.sync()")
    wait_for_message(window, "1 conflict")
    window.picture("conflict")
    window.click("bpy.ops.ggg_cloud.resolve(path=\"part_007.blend\", choice='keep_both')")
    window.wait("not runs() and view.outcome and not view.outcome['conflicts']")
    contents = [path.read_bytes() for path in folder.glob("part_007*")]
    assert sorted(contents) == [b"mine", b"theirs"]
    window.picture("resolved")

    loaded = window.evaluate("sorted({name.partition('.')[0] for name in sys.modules})")
    assert not set(SDKS) & set(loaded)
    assert window.quit() == 0


def descendants(pid: int) -> list[int]:
    """A process's children and theirs, whatever their sessions."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = re.match(r"(\d+) \(.*\) \S (\d+)", status.read_text(), re.DOTALL)
        except OSError:  # it has ended meanwhile
            continue
        assert fields
        parents[int(fields[1])] = int(fields[2])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def is_worker(pid: int) -> bool:
    """Ours, and not one of Blender's own, such as the downloads of assets that 5.2 has beside it."""
    return b"worker/__main__.py" in Path(f"/proc/{pid}/cmdline").read_bytes()


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.fixture
def prepared(moto: Server, proxy: FaultProxy, bucket_name: str, tmp_path: Path) -> str:
    """What sets up a connection to the store with a folder to sync, as the preferences page does it."""
    moto.client().create_bucket(Bucket=bucket_name)
    make_files(tmp_path / "models", 100)
    return (
        f"c = {CONNECTION}.connections[0]\nc.provider, c.bucket_name = 'aws', {bucket_name!r}\n"
        f"c.endpoint_url, c.sync_folder = {proxy.url!r}, {str(tmp_path / 'models')!r}\n"
    )


@pytest.mark.parametrize("victim", ["worker", "blender"])
def test_a_kill_in_the_middle_of_a_sync_loses_nothing_and_the_next_run_goes_on(
    open_window: Any, prepared: str, moto: Server, proxy: FaultProxy, bucket_name: str, tmp_path: Path, victim: str
) -> None:
    files = {path.name: path.read_bytes() for path in (tmp_path / "models").iterdir()}
    window: Window = open_window(**keys_of(moto))
    look_into(window)
    window.execute(prepared)
    stall = proxy.stall(600, times=100, method="PUT", path="part_0[5-9]")
    window.click("bpy.ops.ggg_cloud.sync()")
    assert stall.begun.wait(60)
    (worker,) = filter(is_worker, descendants(window.process.pid))
    os.kill(worker if victim == "worker" else window.process.pid, signal.SIGKILL)
    stall.release()
    if victim == "worker":
        told = wait_for_message(window, "worker")
        assert "try again" in told
        window.picture("worker-killed")
        window.press("Escape")  # closes Blender's pop-up of the error, which lies over the button
    else:
        window.close()
        window = open_window(**keys_of(moto))
        look_into(window)
        window.execute(prepared)
    assert not is_running(worker)
    window.click("bpy.ops.ggg_cloud.sync()")
    window.wait(DONE, 60)
    assert window.evaluate("[view.outcome['errors'], view.outcome['conflicts']]") == [{}, []]
    assert {path.name: path.read_bytes() for path in (tmp_path / "models").glob("*.blend")} == files
    assert sorted(keys_in(moto, bucket_name)) == sorted(files)
