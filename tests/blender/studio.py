"""The add-on enabled from the source in this process' Blender, with a store and artists who take turns."""

import sys
from pathlib import Path

import bpy

NAME = "ggg_cloud_addon"
KINDS = (".blend", ".fbx", ".stl", ".glb", ".obj", ".usdz")
"""One format of each of Blender's exporters; that of PLY is as that of STL."""


class Studio:
    """One store; each artist has a file."""

    def __init__(self, folder):
        if NAME not in bpy.context.preferences.addons:
            bpy.ops.preferences.addon_enable(module=NAME)
        self.folder = folder
        self.store = folder / "store"
        self.connection = bpy.context.preferences.addons[NAME].preferences.connections[0]
        self.connection.root = str(self.store)
        self.connection.sync_folder = ""
        self.view = sys.modules[f"{NAME}.blender.view"].view
        self.new_file()

    def new_file(self):
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)

    def save(self, artist):
        bpy.ops.wm.save_as_mainfile(filepath=str(self.folder / f"{artist}.blend"))

    def open(self, artist):
        bpy.ops.wm.open_mainfile(filepath=str(self.folder / f"{artist}.blend"))

    def versions(self, component_id):
        bpy.ops.ggg_cloud.details(component_id=component_id)
        return self.view.details.versions

    def stored(self, component_id) -> Path:
        return self.store / component_id


def mesh(name, size=1.0, material=None):
    data = bpy.data.meshes.new(name)
    data.from_pydata([(0, 0, 0), (size, 0, 0), (0, size, 0), (0, 0, size)], [], [(0, 2, 1), (0, 1, 3), (1, 2, 3)])
    if material:
        data.materials.append(material)
    return data


def add(name, data=None, collection=None, **values):
    obj = bpy.data.objects.new(name, data)
    (collection or bpy.context.scene.collection).objects.link(obj)
    for key, value in values.items():
        setattr(obj, key, value)
    bpy.context.view_layer.update()
    return obj


def collection(name, parent=None):
    made = bpy.data.collections.new(name)
    (parent or bpy.context.scene.collection).children.link(made)
    return made


def resize(name, factor):
    """Change a mesh."""
    for vertex in bpy.data.meshes[name].vertices:
        vertex.co *= factor


def push(name, component_id="", **options):
    options.setdefault("preview", False)
    options.setdefault("asset", False)  # for which another Blender starts
    return bpy.ops.ggg_cloud.export_upload(
        source="COLLECTION", collection=name, component_id=component_id, file_format=".blend", **options
    )
