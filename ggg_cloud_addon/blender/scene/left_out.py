"""Which properties are no content of a datablock, and why."""

from __future__ import annotations

import bpy

LEFT_OUT = {
    **dict.fromkeys(
        ("rna_type", "bl_rna", "id_data", "original", "is_evaluated", "preview", "users", "tag", "session_uid"),
        "Blender's own book-keeping",
    ),
    **dict.fromkeys(
        ("library", "library_weak_reference", "override_library", "persistent_uid", "is_runtime_data", "id_root"),
        "Blender's own book-keeping",
    ),
    **dict.fromkeys(("use_fake_user", "use_extra_user"), "says whether this file keeps it, not what it is"),
    **dict.fromkeys(
        ("action_slot_handle", "action_slot_handle_tweak_storage", "action_suitable_slots", "action_tweak_storage"),
        "follows from the action and its slot",
    ),
    "shape_keys": "is a part of its mesh, curve or lattice",
    "ui_mode": "how the sidebar is folded",
    "execution_time": "is measured",
}
"""Properties of all types, and why they are no content."""
LEFT_OUT_OF = {
    **dict.fromkeys(("ID.name", "ID.name_full"), "the user's, in each file"),
    **dict.fromkeys(
        ("Object.matrix_world", "Object.matrix_local", "Object.matrix_basis", "Object.dimensions", "Object.bound_box"),
        "follows from location, rotation, scale and parent",
    ),
    **dict.fromkeys(("Object.active_material", "Object.active_shape_key"), "is one of those that are looked at"),
    **dict.fromkeys(("PoseBone.matrix", "PoseBone.matrix_basis", "PoseBone.matrix_channel"), "follows from the others"),
    **dict.fromkeys(
        ("PoseBone.bone", "PoseBone.parent", "PoseBone.child", "Bone.parent", "Bone.children", "Bone.collections"),
        "follows from the armature",
    ),
    **dict.fromkeys(("PoseBone.bbone_custom_handle_start", "PoseBone.bbone_custom_handle_end"), "is the armature's"),
    **dict.fromkeys(("Armature.edit_bones", "Armature.collections", "BoneCollection.children"), "is told otherwise"),
    **dict.fromkeys(
        (
            "Mesh.vertices",
            "Mesh.edges",
            "Mesh.loops",
            "Mesh.polygons",
            "Mesh.attributes",
            "Mesh.color_attributes",
            "Mesh.vertex_colors",
            "Mesh.skin_vertices",
            "Mesh.vertex_normals",
            "Mesh.polygon_normals",
            "Mesh.corner_normals",
            "Mesh.loop_triangles",
            "Mesh.loop_triangle_polygons",
            "MeshUVLoopLayer.data",
            "MeshUVLoopLayer.uv",
            "MeshUVLoopLayer.vertex_selection",
            "MeshUVLoopLayer.edge_selection",
            "MeshUVLoopLayer.pin",
            "Mesh.texture_mesh",
            "Mesh.uv_layer_clone",
            "Mesh.uv_layer_stencil",
        ),
        "is the mesh's geometry",
    ),
    **dict.fromkeys(
        ("Curves.points", "Curves.curves", "Curves.position_data", "Curves.normals", "Curves.curve_offset_data"),
        "is its attributes",
    ),
    **dict.fromkeys(("PointCloud.points", "GreasePencilDrawing.color_attributes"), "is its attributes"),
    **dict.fromkeys(
        ("Attribute.name", "ByteColorAttributeValue.color_srgb", "FloatColorAttributeValue.color_srgb"),
        "follows from the others",
    ),
    **dict.fromkeys(("Collection.objects", "Collection.children"), "is looked at by name, see update"),
    **dict.fromkeys(
        ("Collection.all_objects", "Collection.collection_objects", "Collection.collection_children"),
        "follows from its objects and children",
    ),
    **dict.fromkeys(("Collection.exporters", "Collection.active_exporter_index"), "only operators can make one"),
    **dict.fromkeys(("ShapeKey.data", "ShapeKey.points"), "is told otherwise"),
    **dict.fromkeys(("Key.user", "Key.reference_key", "ShapeKey.frame"), "follows from the others"),
    **dict.fromkeys(("Node.internal_links", "Node.location_absolute", "Node.dimensions"), "follows from the others"),
    **dict.fromkeys(("NodeSocket.node", "NodeTree.links", "NodeTree.view_center"), "is told otherwise"),
    **dict.fromkeys(
        ("NodeTreeInterfaceItem.parent", "NodeTreeInterfacePanel.interface_items"), "follows from the order"
    ),
    **dict.fromkeys(("NodeTreeInterface.active", "NodeTreeInterface.active_index"), "is chosen"),
    **dict.fromkeys(
        ("NodesModifier.node_warnings", "NodesModifierBake.node", "NodesModifierBake.data_blocks"), "of nodes and bakes"
    ),
    **dict.fromkeys(
        ("ParticleSystem.particles", "ParticleSystem.child_particles", "ParticleSystem.active_particle_target"),
        "is simulated",
    ),
    **dict.fromkeys(("ParticleSystemModifier.particle_system", "ClothModifier.solver_result"), "is told otherwise"),
    **dict.fromkeys(("PointCache.point_caches", "PointCache.index", "PointCache.filepath"), "is a cache"),
    **dict.fromkeys(("Object.motion_path", "PoseBone.motion_path"), "is a cache"),
    **dict.fromkeys(
        ("FCurve.select", "FCurve.is_valid", "DriverVariable.is_name_valid", "Driver.is_valid"), "is no content"
    ),
    **dict.fromkeys(("Action.fcurves", "Action.groups", "Action.id_root"), "is in its layers"),
    **dict.fromkeys(
        ("Action.frame_range", "Action.curve_frame_range", "ActionChannelbag.slot"), "follows from its curves"
    ),
    **dict.fromkeys(("ActionGroup.channels", "ActionSlot.target_id_type", "ActionSlot.active"), "is told otherwise"),
    **dict.fromkeys(
        ("NlaStrip.frame_start_ui", "NlaStrip.frame_end_ui", "NlaStrip.frame_start_raw", "NlaStrip.frame_end_raw"),
        "follows from the others",
    ),
    **dict.fromkeys(
        (
            "Image.pixels",
            "Image.filepath_raw",
            "Image.render_slots",
            "Image.packed_file",
            "Image.packed_files",
            "Image.bindcode",
            "Sound.packed_file",
            "VectorFont.packed_file",
            "Volume.packed_file",
            "Volume.grids",
        ),
        "is told by its bytes",
    ),
    **dict.fromkeys(("Material.texture_paint_images", "Material.texture_paint_slots"), "follows from its nodes"),
    **dict.fromkeys(("TextCurve.edit_format", "TextCurve.has_selection"), "is what is being edited"),
    **dict.fromkeys(("Text.current_line", "Text.select_end_line", "Text.is_dirty"), "is where the cursor is"),
    **dict.fromkeys(("CacheFile.object_paths", "CacheFile.layers"), "is in the file"),
}
"""Properties of one type and those derived from it, and why they are no content or told in another way."""
if bpy.app.version >= (5, 0, 0):
    LEFT_OUT_OF |= dict.fromkeys(("Material.use_nodes", "World.use_nodes", "Scene.use_nodes"), "says nothing any more")
OF_SCENES = ("animation_data", "camera", "timeline_markers", "rigidbody_world", "world")
"""A scene is no part of a component; this may use parts. Blender 4.2 crashes on some of the rest."""
