"""``ggg-cloud demo``: the main job in one go, on the plain folder, with real Blender."""

import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import headless
from .blender.scene.export_options import ExportOptions
from .cloud_storage import CloudStorageConfig, CloudStorageManager

IMAGE_SIZE = 64
"""Width and height in pixels."""
FBX_KEEPS = ("MESH", "EMPTY", "CAMERA", "LIGHT", "ARMATURE")
FBX_MAKES_MESHES = ("CURVE", "SURFACE", "META", "FONT")
FBX_TEXTURES = ("base_color", "metallic", "roughness", "specular", "alpha", "emission_color", "normalmap")
"""The inputs of a material's main shader whose images FBX has a place for."""
SETTINGS = ("unit_settings.system", "unit_settings.scale_length", "render.fps", "render.fps_base", "frame_current")
CLOSE = 1e-3
"""By how much of its size a shape may move: FBX turns the axes and scales, with the last digits of a float."""
MOST_TOLD = 5
"""How many differences are named."""

Corners = tuple[float, ...]
"""The lowest and the highest x, y and z in the world."""


@dataclass(frozen=True)
class Inventory:
    """What is compared. Counters, as a format may rename and reorder."""

    objects: Counter[str]
    vertices: Counter[tuple[str, int]]
    """Of each mesh object."""
    places: dict[str, Corners]
    """Of each mesh object that is shown and has vertices."""
    materials: Counter[str]
    pixels: Counter[str]
    """A digest of each image that a material shows."""


def run_demo(
    input_file: Path | None, root: Path | None, say: Callable[[str], None]
) -> tuple[list[dict[str, Any]], bool]:
    """Push a scene as .blend and .fbx, list, pull each into an empty scene, and compare.

    The store is the folder ``root``, which stays, or a temporary one.

    Returns:
        A row for each component (what went where, sizes, times, what was compared), and whether all is the same.

    Raises:
        SceneError: there is no Blender, or the input cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="ggg_cloud_demo_") as folder:
        manager = CloudStorageManager(CloudStorageConfig(root=root or Path(folder, "store"), prefix="models"))
        name = input_file.stem if input_file else "gear"
        say(f"Opening {input_file}" if input_file else "Building a scene: a gear, a bolt, two materials, a texture")
        scene = Path(folder, "scene.blend")
        if input_file:
            headless.open_scene(input_file)
        else:
            _build_scene()
        headless.save_scene(scene)
        rows = []
        options = ExportOptions(allow_missing=True)  # what is missing is missing before and after
        all_same = True
        for suffix in (".blend", ".fbx"):
            component_id = name + suffix
            headless.open_scene(scene)
            settings = _read_settings()
            before = take_inventory(as_fbx=suffix == ".fbx")
            say(f"Pushing {component_id} to {manager.provider.location}")
            begun = time.perf_counter()
            with headless.exported(component_id, options=options) as made:
                size = manager.upload_component(made.path, component_id).size
            pushed = time.perf_counter()
            say(f"Pulling {component_id} into an empty scene")
            _empty_scene(settings)
            pulled_file = Path(folder, "pulled" + suffix)
            manager.download_component(component_id, pulled_file)
            headless.load(pulled_file, component_id)
            pulled = time.perf_counter()
            compared, same = compare(before, take_inventory(as_fbx=suffix == ".fbx"))
            all_same = all_same and same
            rows.append(
                {
                    "Component": component_id,
                    "Stored as": f"models/{component_id}",
                    "Bytes": f"{size:,}",
                    "Push": f"{pushed - begun:.2f} s",
                    "Pull": f"{pulled - pushed:.2f} s",
                    **compared,
                }
            )
        say("In the store: " + ", ".join(each.component_id for each in manager.list_components()))
        return rows, all_same


def _read_settings() -> dict[str, Any]:
    """The scene's units and time line, without which lengths and animation mean nothing."""
    with headless.blender() as bpy:
        return {path: bpy.context.scene.path_resolve(path) for path in SETTINGS}


def _empty_scene(settings: dict[str, Any]) -> None:
    headless.empty_scene()
    with headless.blender() as bpy:
        for path, value in settings.items():
            owner, _, name = path.rpartition(".")
            setattr(bpy.context.scene.path_resolve(owner) if owner else bpy.context.scene, name, value)


def compare(before: Inventory, after: Inventory) -> tuple[dict[str, str], bool]:
    """What is the same and what is not, in words for each column of the table; and whether all is the same."""
    differences = {
        "Objects": _difference(before.objects, after.objects),
        "Vertices": _difference(before.vertices, after.vertices),
        "Places": _moved(before.places, after.places),
        "Materials": _difference(before.materials, after.materials),
        "Images": _difference(before.pixels, after.pixels),
    }
    counts = {
        "Objects": before.objects.total(),
        "Vertices": sum(count * times for (_, count), times in before.vertices.items()),
        "Places": len(before.places),
        "Materials": before.materials.total(),
        "Images": before.pixels.total(),
    }
    told = {name: f"! {said}" if said else f"{counts[name]:,} same" for name, said in differences.items()}
    return told, not any(differences.values())


def _difference(before: Counter[Any], after: Counter[Any]) -> str:
    return "; ".join(
        f"{title}: {_listed(map(str, each))}"
        for title, each in (("missing", before - after), ("new", after - before))
        if each
    )


def _moved(before: dict[str, Corners], after: dict[str, Corners]) -> str:
    moved = [name for name in before.keys() & after.keys() if not _is_close(before[name], after[name])]
    return f"moved: {_listed(sorted(moved))}" if moved else ""


def _is_close(one: Corners, other: Corners) -> bool:
    allowed = CLOSE * max(1e-3, *(high - low for low, high in zip(one[:3], one[3:], strict=True)))
    return all(abs(a - b) <= allowed + 1e-6 * abs(a) for a, b in zip(one, other, strict=True))


def _listed(names: Iterable[str]) -> str:
    told = list(names)
    return ", ".join(told[:MOST_TOLD]) + (f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else "")


def take_inventory(*, as_fbx: bool) -> Inventory:
    """What is in the open scene, as far as the format keeps it.

    FBX holds what is shown: modifiers applied, curves and text as meshes, instances as objects of their own; and of
    the images those that a material's main shader uses.
    """
    with headless.blender() as bpy:
        bpy.context.scene.frame_set(bpy.context.scene.frame_current)  # what was loaded has not been moved yet
        graph = bpy.context.evaluated_depsgraph_get()
        objects: Counter[str] = Counter()
        vertices: Counter[tuple[str, int]] = Counter()
        places: dict[str, Corners] = {}
        materials: set[Any] = set()
        for name, each, matrix in _shown(graph) if as_fbx else _all(bpy.context.scene):
            objects[name] += 1
            if each.type == "MESH" or (as_fbx and each.type in FBX_MAKES_MESHES):
                evaluated = each.evaluated_get(graph)
                shown = evaluated.to_mesh()
                mesh = shown if as_fbx else each.data
                vertices[name, len(mesh.vertices) if mesh else 0] += 1
                if shown and shown.vertices and matrix is not None:
                    places[name] = _corners(shown, matrix)
                evaluated.to_mesh_clear()
                materials |= {slot.material.original for slot in each.material_slots if slot.material}
        images = {image for material in materials for image in _images(material, as_fbx=as_fbx) if image.size[0]}
        return Inventory(
            objects,
            vertices,
            places,
            Counter(material.name for material in materials),
            Counter({_digest(image) for image in images}),
        )


def _all(scene: Any) -> Iterator[tuple[str, Any, Any]]:
    for each in scene.objects:
        yield each.name, each, each.matrix_world if each.visible_get() else None


def _shown(graph: Any) -> Iterator[tuple[str, Any, Any]]:
    """The objects that FBX gets, and where they are; Blender's exporter names an instance after its parent too."""
    for each in graph.object_instances:
        own_mesh = each.is_instance and each.object.original == each.parent.original  # of a curve or a text
        if each.object.type in FBX_KEEPS + FBX_MAKES_MESHES and not own_mesh:
            name = f"{each.parent.name}|{each.object.name}" if each.is_instance else each.object.name
            yield name.partition("|Dupli|")[0], each.object.original, each.matrix_world.copy()


def _corners(mesh: Any, matrix: Any) -> Corners:
    import numpy  # Blender ships it

    local = numpy.empty(len(mesh.vertices) * 3, dtype=numpy.float32)
    mesh.vertices.foreach_get("co", local)
    turned = numpy.array(matrix)
    world = local.reshape(-1, 3) @ turned[:3, :3].T + turned[:3, 3]
    return (*world.min(axis=0).tolist(), *world.max(axis=0).tolist())


def _images(material: Any, *, as_fbx: bool) -> Iterator[Any]:
    if as_fbx:
        from bpy_extras import node_shader_utils  # what Blender's exporter asks too

        wrapper: Any = node_shader_utils.PrincipledBSDFWrapper  # the stubs do not know its arguments
        shader = wrapper(material)
        textures = [getattr(shader, f"{name}_texture") for name in FBX_TEXTURES]
        yield from (texture.image for texture in textures if texture and texture.image)
    elif material.node_tree:
        yield from (node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE" and node.image)


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
