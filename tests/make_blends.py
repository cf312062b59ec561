"""Run by a Blender: writes .blend files with what they need into the folder of the last argument."""

import contextlib
import sys
from pathlib import Path

import bpy

folder = Path(sys.argv[-1])
textures = folder / "Tëxtures [1]"
textures.mkdir(parents=True)


def begin(name):
    """With a collection that is named as the file will be."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.collection.children.link(bpy.data.collections.new(name))


def image(name, source="FILE"):
    path = textures / name
    if not path.exists():
        made = bpy.data.images.new("Made", 2, 2)
        made.filepath_raw, made.file_format = str(path), "PNG"
        made.save()
        bpy.data.images.remove(made)
    loaded = bpy.data.images.load(str(path))
    loaded.source = source
    return loaded


def use(image):
    material = bpy.data.materials.new(image.name)
    material.use_nodes = True
    material.node_tree.nodes.new("ShaderNodeTexImage").image = image
    mesh = bpy.data.meshes.new(image.name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    mesh.materials.append(material)
    bpy.context.scene.collection.children[0].objects.link(bpy.data.objects.new(image.name, mesh))
    return image


def link(name):
    """Link the collection of that file."""
    with bpy.data.libraries.load(str(folder / f"{name}.blend"), link=True) as (_, wanted):
        wanted.collections = [name]
    bpy.context.scene.collection.children[0].children.link(wanted.collections[0])


def save(name, compress=False):
    for _ in range(2):  # first to where paths can be relative to
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / f"{name}.blend"), compress=compress)
        bpy.ops.file.make_paths_relative()


begin("deep")
use(image("deep.png"))
save("deep", compress=True)

begin("library")
link("deep")
save("library")

for name, compress in (("plain", False), ("small", True)):
    begin(name)
    use(image("wood.png"))
    use(image("wood.png")).name = "The same again"
    tiles = image("tiles.1001.png", "TILED")
    image("tiles.1002.png")
    use(tiles).filepath_raw = str(textures / "tiles.<UDIM>.png")
    for frame in ("frame.0002.png", "frame.0003.png", "frames.png"):
        image(frame)
    use(image("frame.0001.png", "SEQUENCE"))
    use(image("packed.png")).pack()
    use(image("empty.png"))
    use(image("missing.png"))
    use(image("wood.png")).filepath_raw = "D:\\Textures\\brick.png"
    link("library")
    save(name, compress)

begin("a")
use(image("wood.png"))
save("a")
begin("b")
link("a")
save("b")
bpy.ops.wm.open_mainfile(filepath=str(folder / "a.blend"))
link("b")
save("a")

begin("outside")
use(image("wood.png"))
(folder / "inner").mkdir()
save("inner/outside")

begin("smooth")
use(image("wood.png"))
smooth = bpy.context.scene.collection.children[0].objects[0]
bpy.context.view_layer.objects.active = smooth
smooth.select_set(True)
with contextlib.suppress(RuntimeError):  # a module of Blender 4.2 lacks the asset; it writes a plain modifier
    bpy.ops.object.shade_auto_smooth()
if not smooth.modifiers:
    smooth.modifiers.new("Nodes", "NODES").node_group = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
shapes = folder / "shapes.mdd"
shapes.write_bytes(b"shapes")
smooth.modifiers.new("Cache", "MESH_CACHE").filepath = str(shapes)
save("smooth")

begin("nodes")
use(image("wood.png"))
obj = bpy.context.scene.collection.children[0].objects[0]
for kind, suffix in (("ShaderNodeScript", "osl"), ("ShaderNodeTexIES", "ies")):
    node = obj.data.materials[0].node_tree.nodes.new(kind)
    node.mode = "EXTERNAL"
    node.filepath = str(textures / f"node.{suffix}")
    (textures / f"node.{suffix}").write_bytes(b"node")
tree = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
bake, end = tree.nodes.new("GeometryNodeBake"), tree.nodes.new("NodeGroupOutput")
tree.links.new(bake.outputs[0], end.inputs[0])
if hasattr(bpy.types, "GeometryNodeImportSTL"):
    tree.nodes.new("GeometryNodeImportSTL").inputs[0].default_value = str(textures / "node.stl")
    (textures / "node.stl").write_bytes(b"node")
modifier = obj.modifiers.new("Nodes", "NODES")
modifier.node_group = tree
modifier.bake_directory = "//bakes"
if hasattr(modifier, "bake_target"):
    modifier.bake_target = "DISK"
bpy.data.movieclips.load(str(image("clip.0001.png").filepath_from_user())).use_fake_user = True
image("clip.0002.png")
save("nodes")
soft = bpy.data.objects.new("Soft", obj.data)
bpy.context.scene.collection.objects.link(soft)
soft.modifiers.new("Soft", "SOFT_BODY").point_cache.use_disk_cache = True
save("nodes")
for below in ("bakes/12/meta/1.json", "bakes/12/blobs/1.blob", "blendcache_nodes/536F6674_000001_00.bphys"):
    (folder / below).parent.mkdir(parents=True, exist_ok=True)
    (folder / below).write_bytes(b"baked")

begin("alone")
save("alone")

(textures / "missing.png").unlink()
(textures / "empty.png").write_bytes(b"")
