"""How long an update of a component of many objects takes, beside its pull: `python benchmarks/update_objects.py`.

Each object has a mesh of its own. In the new version all meshes, all objects, or all of both are others; here nothing
was changed, or every object was moved.
"""

import argparse
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parents[1]))

import ggg_cloud_addon.blender.scene.provenance as provenance
from ggg_cloud_addon.blender.scene.convert import straight_through
from ggg_cloud_addon.blender.scene.load import load_steps
from ggg_cloud_addon.blender.scene.update import update


def make(count: int) -> bpy.types.Collection:
    """A component."""
    collection = bpy.data.collections.new("city")
    for number in range(count):
        mesh = bpy.data.meshes.new(f"House {number}")
        mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], [], [(0, 2, 1), (0, 1, 3), (1, 2, 3)])
        obj = bpy.data.objects.new(f"House {number}", mesh)
        obj.location.x = number
        collection.objects.link(obj)
    return collection


def save(path: Path, collection: bpy.types.Collection) -> None:
    """Store it as a push does."""
    scene = bpy.data.scenes.new("made")
    scene.collection.children.link(collection)
    bpy.data.libraries.write(str(path), {scene})
    bpy.data.scenes.remove(scene)


def change_meshes(collection: bpy.types.Collection) -> None:
    """Other geometry."""
    for obj in collection.objects:
        obj.data.vertices[1].co.x = 2


def change_objects(collection: bpy.types.Collection) -> None:
    """A modifier more, which no single value says."""
    for obj in collection.objects:
        obj.modifiers.new("Thick", "SOLIDIFY")


def move(collection: bpy.types.Collection) -> None:
    """As a user does."""
    for obj in collection.objects:
        obj.location.y += 5


def origin(name: str) -> provenance.Origin:
    """A version."""
    return provenance.Origin("here", "city.blend", name, name, name)


THEIRS = ((change_meshes,), (change_objects,), (change_meshes, change_objects))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    count = parser.parse_args().objects
    provenance.register()
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder, "old.blend"), Path(folder, "new.blend")
        for theirs, mine in itertools.product(THEIRS, ((), (move,))):
            bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
            made = make(count)
            save(old, made)
            for change in theirs:
                change(made)
            save(new, made)
            bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
            begin = time.perf_counter()
            loaded = straight_through(load_steps(old, "city", context=bpy.context))
            provenance.forget(loaded.names)
            provenance.remember(
                loaded.collection, origin("old"), provenance.take({**loaded.names, loaded.collection: provenance.ROOT})
            )
            bpy.context.view_layer.update()
            pulled = time.perf_counter()
            for change in mine:
                change(loaded.collection)
            bpy.context.view_layer.update()
            ready = time.perf_counter()
            update(loaded.collection, new, old, origin("new"), bpy.context)
            bpy.context.view_layer.update()
            done = time.perf_counter()
            assert len(loaded.collection.objects) == count
            names = [" and ".join(each.__name__ for each in side) or "nothing" for side in (theirs, mine)]
            print(
                f"{count} objects, there {names[0]}, here {names[1]}: "
                f"pull {pulled - begin:.2f} s, update {done - ready:.2f} s, "
                f"{(done - ready) / (pulled - begin):.2f} times",
                flush=True,
            )
    sys.stdout.flush()
    os._exit(0)  # Blender 4.2 crashes in its own exit


if __name__ == "__main__":
    main()
