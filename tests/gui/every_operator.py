"""Run inside a Blender without a window: calls every operator, and writes what each did to the user's folders.

Arguments after ``--``: the user's folders, a folder to work in, the address of an S3 server, a bucket in it.
"""

import importlib
import json
import sys
from pathlib import Path

import bpy

sys.path.append(str(Path(__file__).resolve().parents[1]))
from blender_folders import changed, found_in

ADDON = "bl_ext.user_default.ggg_cloud_addon"
user, work, url, bucket = sys.argv[sys.argv.index("--") + 1 :]
resources, folder = Path(user), Path(work)
preferences = bpy.context.preferences.addons[ADDON].preferences
view = importlib.import_module(f"{ADDON}.blender.view").view
told = []


def call(name, says, **options):
    """Run one, and keep what it said, how it ended and what it wrote."""
    before = found_in(resources)
    try:
        ended = getattr(bpy.ops.ggg_cloud, name)(**options)
    except RuntimeError as error:
        ended = {str(error)}
    told.append([name, says, [*ended, view.last_message], sorted(changed(before, found_in(resources)))])


def push(says, **options):
    """Without a picture, unless it is asked for."""
    call("export_upload", says, **{"preview": False} | options)


def save(name):
    """Under a name in the folder to work in."""
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / name))


connection = preferences.connections[0]
connection.root, connection.sync_folder = str(folder / "store"), str(folder / "synced")
(folder / "synced").mkdir()
save("scene.blend")

call("open_log", "CANCELLED")
push('Pushed "part.blend"', source="COLLECTION", collection="Collection", component_id="part.blend", preview=True)
push('Pushed "part.glb"', source="COLLECTION", collection="Collection", component_id="part.glb")
push('Pushed "part.fbx"', source="SELECTION", component_id="part.fbx")
push('Pushed "part.stl"', source="SELECTION", component_id="part.stl")
push('Pushed "whole.blend"', source="SCENE", component_id="whole.blend")
push('There is no collection "None"', source="COLLECTION", collection="None", component_id="none.blend")
call("push", 'Pushed "scene.blend"', filepath=str(folder / "scene.blend"))
call("refresh", "Listed 6 components")
call("details", '"part.blend" has 1 version', component_id="part.blend")
call("pull", 'Pulled "part.fbx"', component_id="part.fbx")
call("pull", 'Linked "part.blend"', component_id="part.blend", link=True)
call("pull", 'Linked "part.blend" as library overrides', component_id="part.blend", link=True, override=True)
call("pull", 'The store has no "none.blend"', component_id="none.blend")

bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
call("pull", 'Pulled "part.blend": 3 objects', component_id="part.blend")
save("user.blend")
push('Pushed "part.blend"', source="COLLECTION", collection="part", component_id="part.blend", comment="again")
call("look", "FINISHED")
call("details", '"part.blend" has 2 versions', component_id="part.blend")
first = view.details.versions[-1].version_id
call("restore", 'Restored "part.blend"', component_id="part.blend", version_id=first)
call("update", 'Updated "part.blend"', component_id="part.blend")
call("update", 'Nothing in this file was pulled as "none.blend"', component_id="none.blend")
call("sync", "Would be done: 6 downloaded.", dry_run=True)
call("sync", "Sync: 6 downloaded.")
call("resolve", "Sync: nothing to do.", path="part.blend", choice="local")
call("asset_library_add", "FINISHED")
call("delete", 'Deleted "whole.blend"', component_id="whole.blend")
call("test_connection", "The connection works")
call("cancel", "FINISHED")

call("connection_add", "FINISHED", provider="aws")
made = preferences.connections[preferences.active_index]
made.bucket_name, made.endpoint_url = bucket, url
call("enter_keys", "FINISHED", aws_access_key_id="key", aws_secret_access_key="secret")
call("test_connection", "The connection works")
call("connection_remove", "FINISHED")
call("connection_choose", "FINISHED", index=0)
call("open_log", "FINISHED")

(folder / "told.json").write_text(json.dumps([dir(bpy.ops.ggg_cloud), told]))
