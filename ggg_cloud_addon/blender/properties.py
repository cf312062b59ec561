"""What the sidebar asks. Lives on the window manager: never saved in a .blend."""

import json
from dataclasses import fields
from typing import Any

import bpy
from bpy.app.handlers import persistent
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import Context, PropertyGroup, UILayout

from .scene.export_options import AXES, FILES, OPTIONS_OF, PRESETS, ExportOptions, parsed_settings, split_settings
from .scene.operator_presets import preset_names
from .shown import shown_age, shown_size
from .view import Row, view

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
    (".obj", "OBJ (.obj)", "Meshes with UVs, for any program"),
    (".ply", "PLY (.ply)", "One surface with colours of vertices, for scans and point clouds"),
    (".usdz", "USD packed (.usdz)", "Meshes, materials, textures and animation, in one file"),
    (".usdc", "USD binary (.usdc)", "Meshes, materials and animation, small"),
    (".usda", "USD text (.usda)", "Meshes, materials and animation, as text"),
    (".usd", "USD (.usd)", "As USD binary, under the name that other programs ask for"),
)


_NOT_KEPT = {"SKIP_SAVE"}
"""By an operator for its next call."""


def _presets(properties: Any, context: Context, text: str) -> list[tuple[str, str]]:
    return preset_names(properties.file_format)


class ExportProperties:
    """What may be chosen for a push: the fields of ExportOptions."""

    files: EnumProperty(name="Its Files", items=FILES, options=_NOT_KEPT)  # type: ignore[valid-type]
    allow_missing: BoolProperty(  # type: ignore[valid-type]
        name="Allow Missing Files",
        description="Push it without the files that cannot be found or packed",
        options=_NOT_KEPT,
    )
    compress: BoolProperty(  # type: ignore[valid-type]
        name="Compress",
        description="Write the .blend compressed, to about a quarter of its size",
        default=True,
        options=_NOT_KEPT,
    )
    asset: BoolProperty(  # type: ignore[valid-type]
        name="Mark as Asset",
        description="Blender's asset browser shows what is pushed, with a picture, you as the author, the comment and "
        "the tags; nothing is marked in your file",
        default=True,
        options=_NOT_KEPT,
    )
    tags: StringProperty(  # type: ignore[valid-type]
        name="Tags", description="Of the asset, with commas between them: robot, gripper", options=_NOT_KEPT
    )
    apply_modifiers: BoolProperty(  # type: ignore[valid-type]
        name="Apply Modifiers", description="Write the shapes that the modifiers make", default=True, options=_NOT_KEPT
    )
    axes: EnumProperty(name="Axes", items=AXES, options=_NOT_KEPT)  # type: ignore[valid-type]
    scale: FloatProperty(  # type: ignore[valid-type]
        name="Scale",
        description="Multiply all lengths by this",
        default=1,
        min=1e-6,
        soft_min=0.001,
        soft_max=1000,
        options=_NOT_KEPT,
    )
    preset: StringProperty(  # type: ignore[valid-type]
        name="Preset",
        description="Settings for a program, or those that you saved in Blender's own dialog for the format",
        search=_presets,
        options=_NOT_KEPT,
    )
    settings: StringProperty(  # type: ignore[valid-type]
        name="More Options",
        description="Of Blender's own exporter, by their Python names, with spaces between: "
        "use_armature_deform_only=true axis_up=Z",
        options=_NOT_KEPT,
    )
    comment: StringProperty(  # type: ignore[valid-type]
        name="Comment", description="Kept with the component, for whoever pulls it", options=_NOT_KEPT
    )


EXPORT_OPTIONS = tuple(each.name for each in fields(ExportOptions))


def export_options(properties: Any) -> ExportOptions:
    """What is chosen in ExportProperties."""
    chosen = {name: getattr(properties, name) for name in EXPORT_OPTIONS}
    return ExportOptions(**chosen | {"settings": parsed_settings(split_settings(chosen["settings"]))})


_PLACEHOLDERS = {"preset": "As the format usually is", "settings": "name=value name=value"}


def draw_export_options(column: UILayout, properties: Any, suffix: str) -> None:
    """Those that the format has a use for, and that the preset does not decide."""
    hidden: tuple[str, ...] = () if properties.asset else ("tags",)
    if properties.preset in PRESETS:
        hidden += ("scale",) if "global_scale" in PRESETS[properties.preset].settings.get(suffix, ()) else ()
    elif properties.preset:  # all that Blender's own dialog shows
        hidden += ("apply_modifiers", "axes", "scale")
    for name in (*OPTIONS_OF[suffix], "comment"):
        if name not in hidden:
            column.prop(properties, name, placeholder=_PLACEHOLDERS.get(name, ""))


class GGGCloudComponent(PropertyGroup):
    """One line of the component list; ``name`` is the component ID."""

    size: StringProperty()  # type: ignore[valid-type]
    age: StringProperty()  # type: ignore[valid-type]
    status: StringProperty()  # type: ignore[valid-type]


def _search(state: "GGGCloudState", context: Context) -> None:
    fill_list(state)


def _forget_exporter(state: "GGGCloudState", context: Context) -> None:
    """Another format has another exporter."""
    state.preset = state.settings = ""


class GGGCloudState(ExportProperties, PropertyGroup):
    """What the sidebar asks, and the part of the components that its list shows."""

    components: CollectionProperty(type=GGGCloudComponent)  # type: ignore[valid-type]
    active_index: IntProperty(name="Component")  # type: ignore[valid-type]
    search: StringProperty(  # type: ignore[valid-type]
        name="Search",
        description="Show the components that have these words",
        options={"TEXTEDIT_UPDATE"},
        update=_search,
    )
    only_differences: BoolProperty(  # type: ignore[valid-type]
        name="Only Differences",
        description="Show only what is not the same in the storage and in the synced folder",
        update=_search,
    )
    source: EnumProperty(name="What", items=SOURCES)  # type: ignore[valid-type]
    file_format: EnumProperty(name="Format", items=FORMATS, update=_forget_exporter)  # type: ignore[valid-type]
    component_name: StringProperty(  # type: ignore[valid-type]
        name="Name",
        description="The component's name in the storage, such as robot/arm. Empty: the name of what is pushed",
    )
    last_message: StringProperty(  # type: ignore[valid-type]
        name="Last Message", description="How the last job ended", get=lambda state: view.last_message
    )
    last_sync: StringProperty(  # type: ignore[valid-type]
        name="Last Sync",
        description="What the last sync did, or its preview would do, as a JSON document",
        get=lambda state: json.dumps(view.outcome),
    )


def state_of(context: Context) -> GGGCloudState:
    """The state of this Blender."""
    return context.window_manager.ggg_cloud  # type: ignore[no-any-return]


def fill_list(state: GGGCloudState, chosen: str = "") -> None:
    """Show what the search lets through, and keep a component chosen: this one, or the one that was."""
    if not chosen and 0 <= state.active_index < len(state.components):
        chosen = state.components[state.active_index].name
    rows = view.search(state.search, only_differences=state.only_differences)
    state.components.clear()
    for row in rows:
        _fill(state.components.add(), row)
    names = [row.component_id for row in rows]
    state.active_index = names.index(chosen) if chosen in names else 0


def forget_storage(context: Context) -> None:
    """Another storage, or another folder in sync with it, is used from now on."""
    view.forget_storage()
    fill_list(state_of(context))


def _fill(item: GGGCloudComponent, row: Row) -> None:
    item.name = row.component_id
    item.size = shown_size(row.size, short=True)
    item.age = shown_age(row.modified)
    item.status = row.status


@persistent  # type: ignore[untyped-decorator]  # so the stubs
def _refill(path: str) -> None:
    """Blender empties the list when it opens a file; what it shows is still known."""
    fill_list(state_of(bpy.context))


CLASSES = (GGGCloudComponent, GGGCloudState)


def register() -> None:
    """Add the properties."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.WindowManager.ggg_cloud = PointerProperty(type=GGGCloudState)  # type: ignore[attr-defined,func-returns-value]
    bpy.app.handlers.load_post.append(_refill)


def unregister() -> None:
    """Remove them."""
    bpy.app.handlers.load_post.remove(_refill)
    del bpy.types.WindowManager.ggg_cloud  # type: ignore[attr-defined]
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
