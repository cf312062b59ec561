"""``ggg-cloud demo``: the main job in one go, on the plain folder, with real Blender."""

import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import headless
from .cloud_storage import CloudStorageConfig, CloudStorageManager

IMAGE_SIZE = 64
"""Width and height in pixels."""
FBX_KEEPS = ("MESH", "EMPTY", "CAMERA", "LIGHT", "ARMATURE")


@dataclass(frozen=True)
class Inventory:
    """What is compared. Counters, as a format may rename and reorder."""

    objects: Counter[str]
    vertices: Counter[tuple[str, int]]
    """Of each mesh object."""
    materials: Counter[str]
    pixels: Counter[str]
    """A digest of each image that a material shows."""


def run_demo(input_file: Path | None, say: Callable[[str], None]) -> tuple[list[dict[str, Any]], bool]:
    """Push a scene as .blend and .fbx, list, pull each into an empty scene, and compare.

    Returns:
        A row for each component (what went where, sizes, times, what was compared), and whether all is the same.

    Raises:
        SceneError: there is no Blender, or the input cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="ggg_cloud_demo_") as folder:
        store = Path(folder, "store")
        manager = CloudStorageManager(CloudStorageConfig(root=store, prefix="models"))
        name = input_file.stem if input_file else "gear"
        say(f"Opening {input_file}" if input_file else "Building a scene: a gear, a bolt, two materials, a texture")
        scene = Path(folder, "scene.blend")
        if input_file:
            headless.open_scene(input_file)
        else:
            _build_scene()
        headless.save_scene(scene)
        rows = []
        for suffix in (".blend", ".fbx"):
            component_id = name + suffix
            headless.open_scene(scene)
            before = _take_inventory(as_fbx=suffix == ".fbx")
            say(f"Pushing {component_id} to {manager.provider.location}")
            begun = time.perf_counter()
            with headless.exported(component_id) as path:
                size = manager.upload_component(path, component_id).size
            pushed = time.perf_counter()
            say(f"Pulling {component_id} into an empty scene")
            headless.empty_scene()
            pulled_file = Path(folder, "pulled" + suffix)
            manager.download_component(component_id, pulled_file)
            headless.load(pulled_file, component_id)
            pulled = time.perf_counter()
            after = _take_inventory(as_fbx=suffix == ".fbx")
            rows.append(
                {
                    "Component": component_id,
                    "Stored as": f"models/{component_id}",
                    "Bytes": f"{size:,}",
                    "Push": f"{pushed - begun:.2f} s",
                    "Pull": f"{pulled - pushed:.2f} s",
                    "Objects": _compared(before.objects, after.objects),
                    "Vertices": _compared(before.vertices, after.vertices),
                    "Materials": _compared(before.materials, after.materials),
                    "Images": _compared(before.pixels, after.pixels),
                }
            )
        say("In the store: " + ", ".join(each.component_id for each in manager.list_components()))
        return rows, not any("!" in str(value) for row in rows for value in row.values())


def _compared(before: Counter[Any], after: Counter[Any]) -> str:
    count = sum(each[1] * times if isinstance(each, tuple) else times for each, times in before.items())
    if before == after:
        return f"{count:,} same"
    missing = ", ".join(str(each) for each in before - after)
    added = ", ".join(str(each) for each in after - before)
    return f"! missing: {missing or 'none'}; new: {added or 'none'}"


def _take_inventory(*, as_fbx: bool) -> Inventory:
    """What is in the open scene, as far as the format keeps it: FBX holds meshes as they are shown, modifiers applied,
    and the textures that a material's main shader uses."""
    with headless.blender() as bpy:
        graph = bpy.context.evaluated_depsgraph_get()
        objects: Counter[str] = Counter()
        vertices: Counter[tuple[str, int]] = Counter()
        materials = set()
        for each in bpy.context.scene.objects:
            if as_fbx and (each.type not in FBX_KEEPS or not each.visible_get()):
                continue
            objects[each.name] += 1
            if each.type == "MESH":
                mesh = each.evaluated_get(graph).data if as_fbx else each.data
                vertices[each.name, len(mesh.vertices)] += 1
                materials |= {slot.material for slot in each.material_slots if slot.material}
        images = {
            node.image
            for material in materials
            if material.node_tree
            for node in material.node_tree.nodes
            if node.type == "TEX_IMAGE" and node.image and node.image.size[0]
        }
        return Inventory(
            objects,
            vertices,
            Counter(material.name for material in materials),
            Counter(_digest(image) for image in images),
        )


def _digest(image: Any) -> str:
    """Of the pixels as 8 bits, as image files hold them."""
    import numpy  # Blender ships it

    pixels = numpy.empty(len(image.pixels), dtype=numpy.float32)
    image.pixels.foreach_get(pixels)
    size = "x".join(map(str, image.size))
    return f"{size} {hashlib.sha256((pixels * 255).round().astype(numpy.uint8).tobytes()).hexdigest()[:8]}"


def _build_scene() -> None:
    """A gear with teeth and an image texture, and a bolt beside it."""
    headless.empty_scene()
    with headless.blender() as bpy:
        import bmesh

        gear = bmesh.new()
        bmesh.ops.create_cone(gear, cap_ends=True, segments=48, radius1=1, radius2=1, depth=0.4)
        gear.faces.ensure_lookup_table()
        rim = [face for face in gear.faces if len(face.verts) == 4][::2]
        for tooth in bmesh.ops.extrude_discrete_faces(gear, faces=rim)["faces"]:
            bmesh.ops.translate(gear, vec=tooth.normal * 0.2, verts=tooth.verts)
        uv = gear.loops.layers.uv.new("UVMap")
        for face in gear.faces:
            for loop in face.loops:
                loop[uv].uv = (loop.vert.co.x / 2.4 + 0.5, loop.vert.co.y / 2.4 + 0.5)
        bolt = bmesh.new()
        bmesh.ops.create_cone(bolt, cap_ends=True, segments=6, radius1=0.3, radius2=0.3, depth=1)
        for name, shape, material in (
            ("Gear", gear, _textured_material(bpy)),
            ("Bolt", bolt, _plain_material(bpy, "Steel")),
        ):
            mesh = bpy.data.meshes.new(name)
            shape.to_mesh(mesh)
            shape.free()
            mesh.materials.append(material)
            bpy.context.scene.collection.objects.link(bpy.data.objects.new(name, mesh))


def _plain_material(bpy: Any, name: str) -> Any:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    return material


def _textured_material(bpy: Any) -> Any:
    """A material whose colour is a checkered image, packed into the file."""
    material = _plain_material(bpy, "Brass")
    image = bpy.data.images.new("Checker", IMAGE_SIZE, IMAGE_SIZE)
    image.pixels = [
        value
        for y in range(IMAGE_SIZE)
        for x in range(IMAGE_SIZE)
        for value in ((0.8, 0.6, 0.2, 1.0) if (x // 8 + y // 8) % 2 else (0.2, 0.1, 0.0, 1.0))
    ]
    image.pack()
    nodes = material.node_tree.nodes
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = image
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    return material
