"""A component that holds one of each: all types of objects, modifiers, constraints, nodes and so on."""

import math

import bpy

OBJECTS = (
    ("Mesh", lambda: bpy.data.meshes.new("Mesh")),
    ("Curve", lambda: bpy.data.curves.new("Curve", "CURVE")),
    ("Surface", lambda: bpy.data.curves.new("Surface", "SURFACE")),
    ("Text", lambda: bpy.data.curves.new("Text", "FONT")),
    ("Meta", lambda: bpy.data.metaballs.new("Meta")),
    ("Lattice", lambda: bpy.data.lattices.new("Lattice")),
    ("Rig", lambda: bpy.data.armatures.new("Rig")),
    ("Empty", lambda: None),
    ("Sun", lambda: bpy.data.lights.new("Sun", "SUN")),
    ("Point", lambda: bpy.data.lights.new("Point", "POINT")),
    ("Spot", lambda: bpy.data.lights.new("Spot", "SPOT")),
    ("Area", lambda: bpy.data.lights.new("Area", "AREA")),
    ("Camera", lambda: bpy.data.cameras.new("Camera")),
    ("Speaker", lambda: bpy.data.speakers.new("Speaker")),
    ("Sphere", lambda: bpy.data.lightprobes.new("Sphere", "SPHERE")),
    ("Plane", lambda: bpy.data.lightprobes.new("Plane", "PLANE")),
    ("Probe", lambda: bpy.data.lightprobes.new("Probe", "VOLUME")),
    ("Hair", lambda: bpy.data.hair_curves.new("Hair")),
    ("Points", lambda: bpy.data.pointclouds.new("Points")),
    ("Volume", lambda: bpy.data.volumes.new("Volume")),
    ("Pencil", lambda: grease_pencils().new("Pencil")),
)


def grease_pencils():
    data = bpy.data
    return data.grease_pencils_v3 if hasattr(data, "grease_pencils_v3") else data.grease_pencils


def make() -> bpy.types.Collection:
    """The component, in a scene."""
    everything = bpy.data.collections.new("everything")
    bpy.context.scene.collection.children.link(everything)
    inner = bpy.data.collections.new("inner")
    everything.children.link(inner)
    objects = {}
    for name, data in OBJECTS:
        objects[name] = bpy.data.objects.new(name, data())
        everything.objects.link(objects[name])
    pyramid(objects["Mesh"].data)
    elements(objects)
    material = shaded()
    for name in ("Mesh", "Curve", "Text", "Meta", "Surface"):
        objects[name].data.materials.append(material)
    skeleton(objects["Rig"])
    modified(inner, material)
    fields(inner)
    constrained(objects["Mesh"], objects["Rig"])
    animated(objects)
    hairy(inner)
    bodies(inner)
    grouped(inner)
    for each in (everything, inner, material, *objects.values(), *(o.data for o in objects.values() if o.data)):
        own(each)
    own(objects["Rig"].pose.bones[0])
    own(objects["Rig"].data.bones[0])
    instance = bpy.data.objects.new("Instance", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", inner
    everything.objects.link(instance)
    child = bpy.data.objects.new("Child", None)
    child.parent = objects["Empty"]
    everything.objects.link(child)
    bpy.context.view_layer.update()
    return everything


def own(struct):
    struct["whole"], struct["real"], struct["text"] = 3, 1.5, "red"
    struct["row"], struct["flag"] = [1.0, 2.0, 3.0], True
    struct["pointer"] = bpy.data.objects["Empty"]
    struct.id_properties_ui("whole").update(min=0, max=10, description="how many")


def pyramid(mesh):
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], [], [(0, 2, 1), (0, 1, 3), (1, 2, 3)])
    mesh.uv_layers.new(name="UVMap")
    mesh.color_attributes.new("Color", "BYTE_COLOR", "CORNER")


def elements(objects):
    for kind in ("BEZIER", "POLY", "NURBS"):
        objects["Curve"].data.splines.new(kind)
    objects["Surface"].data.splines.new("NURBS").points.add(3)
    objects["Text"].data.body = "Text"
    objects["Meta"].data.elements.new()
    objects["Camera"].data.background_images.new()
    objects["Mesh"].vertex_groups.new(name="Group").add([0, 1], 0.5, "REPLACE")
    for name in ("Mesh", "Lattice", "Curve"):
        objects[name].shape_key_add(name="Basis")
        objects[name].shape_key_add(name="Bent")
    objects["Pencil"].data.layers.new("Lines")


def shaded():
    """A material with a node of each type."""
    material = bpy.data.materials.new("Material")
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    bpy.data.materials.create_gpencil_data(material)
    nodes = material.node_tree.nodes
    for name in sorted(dir(bpy.types)):
        if name.startswith("ShaderNode") and name != "ShaderNodeTree":
            try:
                nodes.new(name)
            except RuntimeError:  # a base class, or of a group that has to be there
                continue
    image = bpy.data.images.new("Image", 4, 4)
    image.pack()
    next(node for node in nodes if node.bl_idname == "ShaderNodeTexImage").image = image
    return material


def skeleton(rig):
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for name in ("Root", "Tip"):
        bone = rig.data.edit_bones.new(name)
        bone.head, bone.tail = (0, 0, name == "Tip"), (0, 0, 1 + (name == "Tip"))
    rig.data.edit_bones["Tip"].parent = rig.data.edit_bones["Root"]
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.data.collections.new("Bones").assign(rig.data.bones["Root"])


def modified(inner, material):
    """An object for each type of modifier, as some exclude each other."""
    types = [each.identifier for each in bpy.types.Modifier.bl_rna.properties["type"].enum_items]
    for kind in types:
        for data in ("mesh", "pencil", "volume"):
            if (data == "pencil") != kind.startswith(("GREASE_PENCIL", "LINEART")):
                continue
            if (data == "volume") != kind.startswith("VOLUME_DISPLACE"):
                continue
            made = {"mesh": bpy.data.meshes, "pencil": grease_pencils(), "volume": bpy.data.volumes}[data].new(kind)
            if data == "mesh":
                pyramid(made)
            made.materials.append(material)
            obj = bpy.data.objects.new(kind, made)
            inner.objects.link(obj)
            try:
                modifier = obj.modifiers.new(kind, kind)
            except (TypeError, RuntimeError):
                modifier = None
            if modifier is None:
                bpy.data.objects.remove(obj)
                continue
            for each in modifier.bl_rna.properties:
                if each.type == "POINTER" and not each.is_readonly:
                    target = {"Object": "Empty", "Collection": None, "Material": material.name}.get(
                        each.fixed_type.identifier
                    )
                    if target:
                        setattr(modifier, each.identifier, bpy.data.objects.get(target) or material)


def fields(inner):
    types = [each.identifier for each in bpy.types.FieldSettings.bl_rna.properties["type"].enum_items]
    for kind in types:
        if kind not in ("NONE", "GUIDE", "TEXTURE"):
            obj = bpy.data.objects.new(f"Field {kind}", None)
            inner.objects.link(obj)
            bpy.context.view_layer.objects.active = obj
            bpy.ops.object.forcefield_toggle()
            obj.field.type = kind


def constrained(mesh, rig):
    types = [each.identifier for each in bpy.types.Constraint.bl_rna.properties["type"].enum_items]
    for kind in types:
        for owner in (mesh, rig.pose.bones["Tip"]):
            try:
                made = owner.constraints.new(kind)
            except (TypeError, RuntimeError):
                continue
            if hasattr(made, "target"):
                made.target = bpy.data.objects[
                    "Empty" if kind not in ("SHRINKWRAP", "CLAMP_TO", "FOLLOW_PATH") else "Curve"
                ]
            if kind == "ARMATURE":
                made.targets.new().target = rig


def animated(objects):
    text = objects["Text"]
    for frame in (1, 10):
        text.delta_location.x = frame
        text.keyframe_insert("delta_location", frame=frame, index=0)
    action = text.animation_data.action
    action.name = "Move"
    from_ = next(iter(curves(action)))
    for each in bpy.types.FModifier.bl_rna.properties["type"].enum_items:
        if each.identifier != "NULL":
            from_.modifiers.new(each.identifier)
    track = objects["Surface"].animation_data_create().nla_tracks.new()
    strip = track.strips.new("Move", 1, action)
    strip.name = "Strip"
    driver = objects["Camera"].driver_add("delta_location", 0).driver
    variable = driver.variables.new()
    variable.targets[0].id = objects["Empty"]
    variable.targets[0].data_path = "location.x"
    driver.expression = "var"
    objects["Curve"].data.shape_keys.key_blocks["Bent"].driver_add("value").driver.expression = "0.5"


def curves(action):
    if not hasattr(action, "layers"):
        return list(action.fcurves)
    return [c for layer in action.layers for strip in layer.strips for bag in strip.channelbags for c in bag.fcurves]


def hairy(inner):
    for kind in ("EMITTER", "HAIR"):
        mesh = bpy.data.meshes.new(f"Skin {kind}")
        pyramid(mesh)
        obj = bpy.data.objects.new(f"Particles {kind}", mesh)
        inner.objects.link(obj)
        obj.modifiers.new("Particles", "PARTICLE_SYSTEM")
        system = obj.particle_systems[0]
        system.settings.type, system.settings.name = kind, f"Settings {kind}"
        system.settings.count = 4
        texture = bpy.data.textures.new(f"Texture {kind}", "CLOUDS")
        system.settings.texture_slots.add().texture = texture


def bodies(inner):
    for kind in ("ACTIVE", "PASSIVE"):
        obj = bpy.data.objects.new(f"Body {kind}", bpy.data.meshes.new(f"Body {kind}"))
        pyramid(obj.data)
        inner.objects.link(obj)
        bpy.context.view_layer.objects.active = obj
        with bpy.context.temp_override(object=obj, active_object=obj):
            bpy.ops.rigidbody.object_add(type=kind)
    joint = bpy.data.objects.new("Joint", None)
    inner.objects.link(joint)
    bpy.context.view_layer.objects.active = joint
    with bpy.context.temp_override(object=joint, active_object=joint):
        bpy.ops.rigidbody.constraint_add(type="GENERIC_SPRING")
    joint.rigid_body_constraint.object1 = bpy.data.objects["Body ACTIVE"]


def grouped(inner):
    """Geometry nodes with a node of each type, and inputs that their modifier sets."""
    tree = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
    for name in sorted(dir(bpy.types)):
        if name.startswith(("GeometryNode", "FunctionNode")) and not name.endswith(("Tree", "Group")):
            try:
                tree.nodes.new(name)
            except RuntimeError:
                continue
    for name, kind in (("Size", "NodeSocketFloat"), ("Aim", "NodeSocketObject"), ("Paint", "NodeSocketMaterial")):
        tree.interface.new_socket(name, in_out="INPUT", socket_type=kind)
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    mesh = bpy.data.meshes.new("Grown")
    pyramid(mesh)
    obj = bpy.data.objects.new("Grown", mesh)
    inner.objects.link(obj)
    obj.modifiers.new("Nodes", "NODES").node_group = tree
    obj.rotation_euler.x = math.pi / 3
