"""What the sidebar shows and asks. Lives on the window manager: never saved in a .blend."""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

SOURCES = (
    ("SELECTION", "Selection", "The selected objects"),
    ("COLLECTION", "Collection", "The active collection with all that is in it"),
    ("SCENE", "Scene", "The whole scene"),
)
FORMATS = (
    (".blend", "Blender (.blend)", "Everything that Blender knows"),
    (".fbx", "FBX (.fbx)", "Meshes, materials, textures and animation for other programs"),
    (".gltf", "glTF (.gltf)", "Meshes, materials and textures, as text"),
    (".glb", "glTF binary (.glb)", "Meshes, materials and textures, in one small file"),
    (".stl", "STL (.stl)", "The bare surface, for printing and measuring"),
)


class GGGCloudComponent(PropertyGroup):
    """One line of the component list; ``name`` is the component ID."""

    size: StringProperty()  # type: ignore[valid-type]
    modified: StringProperty()  # type: ignore[valid-type]


class GGGCloudState(PropertyGroup):
    """What the sidebar shows and asks."""

    components: CollectionProperty(type=GGGCloudComponent)  # type: ignore[valid-type]
    active_index: IntProperty(name="Component")  # type: ignore[valid-type]
    is_listed: BoolProperty()  # type: ignore[valid-type]
    source: EnumProperty(name="What", items=SOURCES)  # type: ignore[valid-type]
    file_format: EnumProperty(name="Format", items=FORMATS)  # type: ignore[valid-type]
    component_name: StringProperty(  # type: ignore[valid-type]
        name="Name",
        description="The component's name in the storage, such as robot/arm. Empty: the name of what is pushed",
    )
    job_label: StringProperty()  # type: ignore[valid-type]
    job_text: StringProperty()  # type: ignore[valid-type]
    job_progress: FloatProperty()  # type: ignore[valid-type]
    last_message: StringProperty()  # type: ignore[valid-type]
    last_failed: BoolProperty()  # type: ignore[valid-type]


def state_of(context: bpy.types.Context) -> GGGCloudState:
    """The state of this Blender."""
    return context.window_manager.ggg_cloud  # type: ignore[no-any-return]


def shown_size(size: float) -> str:
    """Bytes as people read them."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} GB"


CLASSES = (GGGCloudComponent, GGGCloudState)


def register() -> None:
    """Add the properties."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.WindowManager.ggg_cloud = PointerProperty(type=GGGCloudState)  # type: ignore[attr-defined,func-returns-value]


def unregister() -> None:
    """Remove them."""
    del bpy.types.WindowManager.ggg_cloud  # type: ignore[attr-defined]
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
