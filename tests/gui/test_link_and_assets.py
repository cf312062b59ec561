"""An artist links a component, moves it and poses it; and drags one from the asset browser into the scene."""

from pathlib import Path
from typing import Any

from window import ADDON, Window


def wait_for(window: Window, text: str) -> None:
    window.wait(f"not runs() and view.messages and {text!r} in view.messages[0].text", 90)


def test_a_link_is_moved_and_an_asset_is_dragged(open_window: Any, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    window: Window = open_window()
    window.execute(
        f"from {ADDON}.blender.view import view\nfrom {ADDON}.blender.job import runs\n"
        f"connection = bpy.context.preferences.addons['{ADDON}'].preferences.connections[0]\n"
        f"connection.root, connection.sync_folder = {str(tmp_path / 'store')!r}, {str(library)!r}\n"
        "paint = bpy.data.materials.new('Paint')\n"
        "paint.use_nodes = True\n"
        "paint.node_tree.nodes['Principled BSDF'].inputs['Base Color'].default_value = (0.8, 0.1, 0.02, 1)\n"
        "bpy.data.objects['Cube'].data.materials.clear()\n"
        "bpy.data.objects['Cube'].data.materials.append(paint)\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={str(tmp_path / 'scene.blend')!r})\n"
        "scene = bpy.context.window_manager.windows[0].scene"
    )
    window.click("bpy.ops.ggg_cloud.export_upload")
    wait_for(window, 'Pushed "Cube.blend"')
    window.press("Delete")
    window.wait("'Cube' not in scene.objects")

    window.click('bpy.ops.ggg_cloud.pull(component_id="Cube.blend", link=True)')
    wait_for(window, 'Linked "Cube.blend"')
    window.picture("linked")
    window.press("g", "x", "3", "Return")
    window.wait("abs(scene.objects['Cube'].location.x - 3) < 1e-4")
    assert window.evaluate("scene.objects['Cube'].instance_collection.library.filepath") == "//ggg_cloud/Cube.blend"
    window.picture("link-moved")
    window.click('bpy.ops.ggg_cloud.pull(component_id="Cube.blend", link=True, override=True)')
    window.wait("any(each.override_library for each in scene.objects)", 60)
    window.press("g", "y", "4", "Return")
    window.wait("any(each.override_library and abs(each.location.y - 4) < 1e-4 for each in scene.objects)")
    window.picture("override-moved")

    window.click("bpy.ops.ggg_cloud.sync()")
    window.wait("not runs() and view.outcome and view.outcome['state'] == 'done'", 60)
    window.click("bpy.ops.ggg_cloud.asset_library_add")
    window.execute(
        "browser = next(a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == 'PROPERTIES')\n"
        "browser.ui_type = 'ASSETS'\n"
        "browser.spaces.active.show_region_toolbar = False\n"
    )
    window.picture("asset-browser")
    objects = window.evaluate("len(scene.objects)")
    window.drag(("FILE_BROWSER", 53, 59), ("VIEW_3D", 300, 600))  # its first asset
    window.wait(f"len(scene.objects) > {objects}")
    assert not window.evaluate("[each.name for each in bpy.data.user_map() if each.asset_data and not each.library]")
    window.picture("asset-dragged")
