"""What a .blend holds, so that two can be compared: run in the process whose Blender has it open."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import bpy

SKIPPED = {
    "rna_type", "name_full", "users", "session_uid", "is_evaluated", "original", "library", "override_library",
    "library_weak_reference", "preview", "is_library_indirect", "is_missing", "is_runtime_data", "is_embedded_data",
    "use_fake_user", "use_extra_user", "tag", "is_updated", "is_updated_data", "bindcode", "filepath", "filepath_raw",
    "filepath_from_user", "packed_file", "packed_files", "is_dirty", "has_data", "id_root", "asset_data", "select",
    "show_expanded", "execution_time", "persistent_uid", "is_active", "ui_mode", "is_editable", "is_linked_packed",
    "view_center", "views_format", "is_override_data",
}  # fmt: skip


def digest(values: Any) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def number(value: float) -> float:
    return float(f"{value:.5g}")


def plain(value: Any) -> Any:
    """A property's value, as JSON can hold it; what is another datablock is its name."""
    if isinstance(value, bpy.types.ID):
        return f"{type(value).__name__} {value.name}"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str | int | bool | type(None)):
        return value
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, bpy.types.bpy_struct):
        return {"": type(value).__name__, "name": getattr(value, "name", None)}
    if hasattr(value, "__len__"):
        return [plain(each) for each in value]
    return str(type(value))


def properties(struct: Any) -> dict[str, Any]:
    """All simple properties of a struct."""
    return {
        each.identifier: plain(getattr(struct, each.identifier))
        for each in struct.bl_rna.properties
        if each.identifier not in SKIPPED and each.type != "COLLECTION"
    }


def nodes(tree: Any) -> Any:
    return {
        "nodes": {
            node.name: properties(node) | {"inputs": [plain(getattr(s, "default_value", None)) for s in node.inputs]}
            for node in tree.nodes
        },
        "links": sorted(
            [link.from_node.name, link.from_socket.identifier, link.to_node.name, link.to_socket.identifier]
            for link in tree.links
        ),
    }


def mesh(data: Any) -> Any:
    kinds = {"FLOAT": ("value", 1), "INT": ("value", 1), "BOOLEAN": ("value", 1), "FLOAT_VECTOR": ("vector", 3),
             "FLOAT2": ("vector", 2), "INT32_2D": ("value", 2), "FLOAT_COLOR": ("color", 4)}  # fmt: skip
    found = {}
    for each in data.attributes:
        if each.data_type in kinds and not each.name.startswith((".select", ".hide")):
            name, width = kinds[each.data_type]
            values = [0.0] * (len(each.data) * width)
            each.data.foreach_get(name, values)
            found[each.name] = [each.domain, digest([number(value) for value in values])]
    keys = data.shape_keys
    return {
        "attributes": found,
        "counts": [len(data.vertices), len(data.edges), len(data.polygons)],
        "materials": [plain(material) for material in data.materials],
        "weights": digest([[(g.group, number(g.weight)) for g in vertex.groups] for vertex in data.vertices]),
        "shapes": keys and {k.name: digest([[number(x) for x in p.co] for p in k.data]) for k in keys.key_blocks},
    }


def curves(action: Any) -> Any:
    if hasattr(action, "fcurves") and not hasattr(action, "layers"):
        found = list(action.fcurves)
    else:
        bags = [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]
        found = [curve for bag in bags for curve in bag.fcurves]
    return sorted(
        [curve.data_path, curve.array_index, [[number(x) for x in point.co] for point in curve.keyframe_points]]
        for curve in found
    )


def image(datablock: Any) -> Any:
    pixels = [0.0] * len(datablock.pixels)
    datablock.pixels.foreach_get(pixels)
    if datablock.packed_files:
        contents = [each.packed_file.data for each in datablock.packed_files]
    else:
        path = bpy.path.abspath(datablock.filepath, library=datablock.library)
        contents = [Path(path.replace("<UDIM>", str(tile.number))).read_bytes() for tile in datablock.tiles] or [
            Path(path).read_bytes()
        ]
    return {
        "size": list(datablock.size),
        "pixels": digest([number(value) for value in pixels]),
        "tiles": [tile.number for tile in datablock.tiles],
        "source": datablock.source,
        "colours": datablock.colorspace_settings.name,
        "contents": sorted(hashlib.sha256(each).hexdigest()[:16] for each in contents),
        "has data": datablock.has_data,
    }


def obj(datablock: Any) -> Any:
    return {
        "data": plain(datablock.data),
        "matrix": [[number(x) for x in row] for row in datablock.matrix_world],
        "parent": plain(datablock.parent),
        "modifiers": {each.name: properties(each) for each in datablock.modifiers},
        "slots": [[slot.link, plain(slot.material)] for slot in datablock.material_slots],
        "groups": [group.name for group in datablock.vertex_groups],
        "action": datablock.animation_data and plain(datablock.animation_data.action),
        "instances": plain(datablock.instance_collection),
        "custom": {key: plain(value) for key, value in datablock.items()},
    }


def missing() -> list[str]:
    """Files that the open .blend names, that are not packed, and not there."""
    found = [each.name for each in bpy.data.libraries]
    for each in [*bpy.data.images, *bpy.data.sounds, *bpy.data.fonts, *bpy.data.volumes]:
        packed = getattr(each, "packed_files", None) or getattr(each, "packed_file", None)
        path = bpy.path.abspath(each.filepath)
        if not packed and path not in ("", "<builtin>") and not Path(path).exists():
            found.append(each.name)
    return found


def paths() -> list[str]:
    """Where the files were that are packed now, or are still outside, as the open .blend has it."""
    named = [*bpy.data.images, *bpy.data.sounds, *bpy.data.fonts, *bpy.data.volumes, *bpy.data.libraries]
    named += [packed for image in bpy.data.images for packed in image.packed_files]
    return [each.filepath for each in named]


def inventory() -> dict[str, Any]:
    bpy.context.view_layer.update()
    data = bpy.data
    return {
        "objects": {each.name: obj(each) for each in data.objects},
        "collections": {
            each.name: [sorted(o.name for o in each.objects), sorted(c.name for c in each.children)]
            for each in data.collections
        },
        "meshes": {each.name: mesh(each) for each in data.meshes},
        "armatures": {
            each.name: {b.name: [[number(x) for x in row] for row in b.matrix_local] for b in each.bones}
            for each in data.armatures
        },
        "materials": {each.name: properties(each) | nodes(each.node_tree) for each in data.materials if each.node_tree},
        "node groups": {each.name: nodes(each) for each in data.node_groups},
        "images": {each.name: image(each) for each in data.images if each.name != "Render Result"},
        "actions": {each.name: curves(each) for each in data.actions},
        "fonts": sorted(each.name for each in data.fonts),
        "sounds": {each.name: bool(each.packed_file) for each in data.sounds},
        "assets": sorted(
            [plain(each), each.asset_data.catalog_id, [tag.name for tag in each.asset_data.tags]]
            for each in data.user_map()
            if each.asset_data
        ),
    }


def say() -> None:
    """Print it as the last line."""
    sys.stdout.flush()
    print("\n" + json.dumps({"inventory": inventory(), "missing": missing(), "paths": paths()}))
