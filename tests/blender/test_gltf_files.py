"""A .gltf with files of its own is pushed with them from the sidebar, and comes into a scene with them."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from test_addon import ADDON  # noqa: E402
from test_told import store  # noqa: E402, F401
from test_whole import body, image  # noqa: E402

pytestmark = pytest.mark.own_blender


def empty() -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


def said() -> str:
    message: str = sys.modules[f"{ADDON}.blender.view"].view.last_message
    return message


def model(folder: Path) -> tuple[Path, list[float], list[str]]:
    """A textured body in a .gltf that names others; with the pixels of its texture, and what else was written."""
    folder.mkdir()
    painted = image(folder / "außen wood.png", (0.8, 0.4, 0.2), "wood")
    pixels = list(painted.pixels)
    body("Bödy", painted)
    path = folder / "arm.gltf"
    bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLTF_SEPARATE", export_texture_dir="maps")
    (folder / "außen wood.png").unlink()
    empty()
    files = [each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file() and each != path]
    return path, pixels, files


def test_a_gltf_goes_and_comes_with_its_files(addon: Any, store: Path, tmp_path: Path) -> None:  # noqa: F811
    path, pixels, files = model(tmp_path / "here")
    assert len(files) == 2
    bpy.ops.ggg_cloud.push(filepath=str(path), component_id="alone/arm.gltf")
    assert '"arm.gltf" needs 2 files beside it that do not go with it' in said()
    bpy.ops.ggg_cloud.push(filepath=str(path), component_id="robot/arm.gltf", beside=True)
    assert "needs" not in said()
    for each in files:
        assert (store / "robot" / each).read_bytes() == (path.parent / each).read_bytes()
        assert not (store / "alone" / each).exists()
    shutil.rmtree(path.parent)
    bpy.ops.ggg_cloud.pull(component_id="robot/arm.gltf")
    (pulled,) = bpy.data.collections["arm"].all_objects
    (picture,) = [node.image for node in pulled.data.materials[0].node_tree.nodes if node.type == "TEX_IMAGE"]
    assert len(pulled.data.polygons) == 4
    assert list(picture.pixels) == pytest.approx(pixels, abs=0.01)
    with pytest.raises(RuntimeError, match=r'"arm\.gltf" cannot be opened: Missing resource'):
        bpy.ops.ggg_cloud.pull(component_id="alone/arm.gltf")
