"""Changes every property that RNA lets one write, and reads them all: a look of its own, not that of the add-on."""

from typing import Any

import bpy

SKIPPED = {
    # What no version of a component decides.
    "name": "the user's, in each file",
    "tag": "Blender's own book-keeping",
    "use_fake_user": "says whether this file keeps it",
    "use_extra_user": "Blender's own book-keeping",
    "is_runtime_data": "Blender's own book-keeping",
    "preview": "a picture of it",
    # What follows from other properties, which are tried.
    "matrix_world": "follows from location, rotation, scale and parent",
    "matrix_local": "follows from location, rotation, scale and parent",
    "matrix_basis": "follows from location, rotation and scale",
    "matrix": "follows from the bone's location, rotation and scale",
    "dimensions": "follows from scale and geometry (of a curve: 2D or 3D, which is tried as resolution is)",
    "location_absolute": "follows from a node's location and its frame",
    "frame_start_ui": "follows from frame_start",
    "frame_end_ui": "follows from frame_end",
    "frame_start_raw": "follows from frame_start",
    "frame_end_raw": "follows from frame_end",
    "action_slot_handle": "follows from action_slot",
    "action_slot_handle_tweak_storage": "follows from the action",
    "active_index": "an interface's chosen item",
    "active_exporter_index": "only operators make an exporter",
    "is_valid": "Blender works it out",
    # What would not leave the same things to compare.
    "use_tweak_mode": "enters a mode of the animation editor",
    "is_name_valid": "Blender works it out",
}
"""Properties that are left out, and why."""

SKIPPED_OF = {
    "Light": {"type": "makes it another type of datablock"},
    "Texture": {"type": "makes it another type of datablock"},
    "Image": {
        "pixels": "are compared as bytes where they were painted",
        "filepath_raw": "is filepath",
        "source": "drops the picture",
        "generated_width": "drops the picture",
        "generated_height": "drops the picture",
    },
    "FCurve": {
        "select": "what is chosen in an editor",
        "data_path": "by it a curve is known",
        "array_index": "by it a curve is known",
    },
    "ShapeKey": {"frame": "follows from the order"},
    "ActionSlot": {
        "active": "what is chosen in an editor",
        "identifier": "by it a slot is known",
        "name_display": "by it a slot is known",
        "target_id_type": "may be set once",
    },
    "ActionChannelbag": {"slot_handle": "Blender's own number"},
    "NodeTreeInterfaceItem": {"socket_type": "makes it another socket"},
    "NodeTreeInterfaceSocket": {"socket_type": "makes it another socket"},
    "NodeSocket": {
        "type": "makes it another socket",
        "enabled": "a node works it out",
        "hide_value": "a node works it out",
        "link_limit": "a node works it out",
    },
    "Action": {"frame_range": "is frame_start and frame_end"},
    "Curve": {"use_path": "is switched on by a Follow Path constraint that gets the curve as its target"},
    "PointCache": {"index": "of a cache", "filepath": "of a cache"},
    "Text": {"current_line_index": "where the cursor is", "select_end_line_index": "where the cursor is"},
    "DriverTarget": {"id_type": "drops what is driven by"},
    "DriverVariable": {"type": "drops what is driven by"},
    "ParticleSettings": {"type": "makes another system"},
    "Node": {"bl_idname": "is its type"},
    "BoneCollection": {"child_number": "moves it among others", "is_solo": "hides others"},
}
"""The same, of one type and those derived from it."""
ELEMENTS = 40
"""A collection with more items holds geometry or keys: bytes, which tests of their own change."""


def structs(datablock: Any, path: str = "", seen: set | None = None):
    """All structs of a datablock that are its own, with their paths."""
    seen = set() if seen is None else seen
    me = (type(datablock), datablock.as_pointer())
    if me in seen:
        return
    seen.add(me)
    yield path, datablock
    dot = f"{path}." if path else ""
    for each in datablock.bl_rna.properties:
        name = each.identifier
        if name in BACK or name.startswith("ggg_cloud") or (name == "point_cache" and "cloth" in path):
            continue  # the cache of hair that moves as cloth is its particle system's
        if each.type == "POINTER":
            value = getattr(datablock, name)
            if value is None or not (each.is_readonly or name in ("asset_data", "drawing")):
                continue
            if isinstance(value, bpy.types.ID) and not (value.is_embedded_data or isinstance(value, bpy.types.Key)):
                continue
            yield from structs(value, dot + name, seen)
        elif each.type == "COLLECTION":
            items = getattr(datablock, name)
            if (isinstance(datablock, bpy.types.Mesh) and name not in ("uv_layers",)) or (
                len(items) > ELEMENTS and not named(items)
            ):
                continue
            for number, item in enumerate(items):
                if item is not None and not isinstance(item, bpy.types.ID):
                    yield from structs(item, f"{dot}{name}[{key(item, number)}]", seen)


BACK = {
    "rna_type", "bl_rna", "id_data", "original", "library", "library_weak_reference", "override_library", "preview",
    "bone", "parent", "child", "children", "collections", "edit_bones", "node", "internal_links", "links", "user",
    "reference_key", "slot", "channels", "particle_system", "solver_result", "motion_path", "child_particles",
    "particles", "point_caches", "interface_items", "active_particle_target", "bbone_custom_handle_start",
    "bbone_custom_handle_end", "active_shape_key", "action_suitable_slots", "warnings", "node_warnings",
    "texture_paint_slots", "texture_paint_images", "render_slots", "edit_format", "grids", "color_attributes",
    "vertex_colors", "curve_offset_data", "active_item", "active_input_item", "active_output_item", "active",
    "collection_objects", "collection_children", "view_layers",
}  # fmt: skip
"""What leads back, or to what is found in another way."""


def named(items):
    return len(items) and any(getattr(items[0], each, None) for each in ("identifier", "name"))


def key(item, number):
    if isinstance(item, bpy.types.FCurve):
        return f"{(item.data_path, item.array_index)}"
    for each in ("identifier", "name"):
        value = getattr(item, each, None)
        if isinstance(value, str) and value and not isinstance(item, bpy.types.MaterialSlot):
            return f'"{value}"'
    return str(number)


def reason(struct, name):
    """Why a property is left out; ``None`` if it is tried."""
    if name in SKIPPED:
        return SKIPPED[name]
    for kind in type(struct).__mro__:
        if name in SKIPPED_OF.get(kind.__name__, {}):
            return SKIPPED_OF[kind.__name__][name]
    return None


def writable(struct):
    for each in struct.bl_rna.properties:
        if (
            each.type in ("POINTER", "COLLECTION")
            or each.is_readonly
            or each.identifier.startswith(("ggg_cloud", "bl_"))
        ):
            continue
        if bpy.app.version >= (5, 0, 0) and each.identifier == "use_nodes":  # says nothing any more, and warns
            continue
        yield each


def plain(value):
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, str | int | bool | None):
        return value
    if isinstance(value, set):
        return sorted(value)
    return [plain(each) for each in value] if hasattr(value, "__len__") else str(value)


def read(datablock):
    """The values of all properties, by their paths."""
    found = {}
    for path, struct in structs(datablock):
        for each in writable(struct):
            if reason(struct, each.identifier) is None:
                found[f"{path}.{each.identifier}" if path else each.identifier] = plain(
                    getattr(struct, each.identifier)
                )
    return found


def left_out(datablock):
    """Which properties are left out, and why."""
    found = {}
    for _, struct in structs(datablock):
        for each in writable(struct):
            why = reason(struct, each.identifier)
            if why:
                found[f"{type(struct).__name__}.{each.identifier}"] = why
    return found


def change(datablock, step):
    """Change every property, with another step to other values."""
    for _, struct in structs(datablock):  # one after the other, as what is set may free what was seen
        for each in list(writable(struct)):
            if reason(struct, each.identifier) is None:
                change_one(struct, each, step)


def change_one(struct, each, step):
    value = getattr(struct, each.identifier)
    try:
        for other in others(each, value, step):
            setattr(struct, each.identifier, other)
            if plain(getattr(struct, each.identifier)) != plain(value):
                return
    except (AttributeError, TypeError, ValueError, RuntimeError):  # not one that can be set now
        return


def others(each, value, step):
    if getattr(each, "is_array", False):
        row = list(value)
        if row and not hasattr(row[0], "__len__"):
            yield [next(others_of(each, row[0], step)), *row[1:]]
    elif each.type == "ENUM" and each.is_enum_flag:
        names = [item.identifier for item in each.enum_items]
        yield value ^ {names[0]}
        yield value ^ {names[-1]}
    elif each.type == "ENUM":
        names = [item.identifier for item in each.enum_items]
        begin = names.index(value) if value in names else 0
        for number in range(step, len(names) + step):
            name = names[(begin + number) % len(names)]
            if name != value:
                try:
                    yield name
                except TypeError:
                    continue
    else:
        yield from others_of(each, value, step)


def others_of(each, value, step):
    if each.type == "BOOLEAN":
        yield not value
    elif each.type == "STRING":
        yield f"{value}{'xyz'[step]}"
    elif each.type == "INT":
        yield value + step if value + step <= each.hard_max else value - step
    else:
        yield value + step / 16 if value + step / 16 <= each.hard_max else value - step / 16
