"""Run by a Blender or a Python that has bpy: makes a large .blend, or edits one, as benchmarks/edits.py asks.

make SCENE COMPRESSED FOLDER: a new scene is saved, then edited and saved again for each edit, all in one session.
edit EDIT COMPRESSED SOURCE TARGET: a file is opened, edited and saved elsewhere.
"""

import sys
from pathlib import Path

import bpy
import numpy

NOISE = numpy.random.default_rng(7)


def grid(name, vertices):
    """A bumpy surface of about so many vertices, 96 bytes in the file for each."""
    side = round(vertices**0.5)
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=side, y_subdivisions=side)
    made = bpy.context.object
    made.name = made.data.name = name
    places = positions(made.data)
    places[:, 2] = NOISE.normal(0, 0.01, len(places))
    made.data.vertices.foreach_set("co", places.ravel())


def positions(mesh):
    """The vertices' places, three numbers each."""
    places = numpy.empty(len(mesh.vertices) * 3, numpy.float32)
    mesh.vertices.foreach_get("co", places)
    return places.reshape(-1, 3)


def packed_picture(name, side=2048):
    """Noise, of which a PNG has 3 bytes for each pixel."""
    made = bpy.data.images.new(name, side, side)
    pixels = NOISE.random((side * side, 4), numpy.float32)
    pixels[:, 3] = 1
    made.pixels.foreach_set(pixels.ravel())
    made.pack()


def many():
    """Sixty objects of 25,000 to 65,000 vertices, as an assembly has them."""
    for index, vertices in enumerate(NOISE.integers(25_000, 65_000, 60)):
        grid(f"Part.{index:03}", vertices)


def few():
    """Three large meshes and five packed pictures, as a scanned or sculpted thing has them."""
    for name in ("Body", "Cloth", "Ground"):
        grid(name, NOISE.integers(550_000, 650_000))
    for name in ("Body colour", "Body normal", "Cloth colour", "Cloth normal", "Ground colour"):
        packed_picture(name)


def some():
    """The object that is edited: neither the first nor the last."""
    meshes = [each for each in bpy.data.objects if each.type == "MESH"]
    return meshes[len(meshes) // 2]


def none():
    """Nothing."""


def object_moved():
    """By a unit."""
    some().location.x += 1


def vertex_moved():
    """One of them."""
    some().data.vertices[len(some().data.vertices) // 2].co.z += 0.1


def sculpted():
    """A round bump on 3 % of the surface, which is 2 units wide."""
    places = positions(some().data)
    distance = numpy.hypot(places[:, 0] - 0.2, places[:, 1] - 0.1)
    places[:, 2] += numpy.where(distance < 0.2, 0.1 * (1 - distance / 0.2), 0)
    some().data.vertices.foreach_set("co", places.ravel())
    some().data.update()


def renamed():
    """The object, not its mesh."""
    some().name = "Renamed"


def new_material():
    """One more slot of the object."""
    made = bpy.data.materials.new("Made")
    if not made.use_nodes:  # always so from 5.0 on
        made.use_nodes = True
    some().data.materials.append(made)


def added_first():
    """With a name before all others, by which Blender sorts."""
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.name = bpy.context.object.data.name = "A"


def deleted():
    """With its mesh, which nothing uses any more."""
    bpy.data.objects.remove(some())


SCENES = (many, few)
EDITS = (none, object_moved, vertex_moved, sculpted, renamed, new_material, added_first, deleted)


def save(path, compressed):
    """Without a backup of what was there."""
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=compressed, copy=False)


def main(what, name, compressed, *paths):
    """Do as the command line says."""
    (do,) = (each for each in SCENES + EDITS if each.__name__ == name)
    is_compressed = compressed == "True"
    if what == "make":
        folder = Path(*paths)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        do()
        save(folder / "made.blend", is_compressed)
        for index, edit in enumerate(EDITS):
            edit()
            save(folder / f"{index}.blend", is_compressed)
    else:
        source, target = paths
        bpy.ops.wm.open_mainfile(filepath=source)
        do()
        save(target, is_compressed)


if __name__ == "__main__":
    main(*sys.argv[-5 if sys.argv[-5] == "edit" else -4 :])
