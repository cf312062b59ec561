"""What may be chosen for a push."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from . import SceneError

AXES = (
    ("DEFAULT", "As Usual", "The axes that the format usually has: Y up in FBX, glTF and OBJ, else Z up"),
    ("Z_UP", "Z Up", "As in Blender"),
    ("Y_UP", "Y Up", "As in most other programs"),
)

FILES = (
    ("PACK", "Pack", "The .blend takes in the textures, libraries and other files that it needs; an .obj cannot"),
    ("BESIDE", "Beside It", "They become components beside it, image sequences and caches too; libraries are taken in"),
    ("LEAVE", "Leave", "They stay where they are; the .blend names them by their path on this computer"),
)


@dataclass(frozen=True)
class Preset:
    """What a program wants of the files that it reads: settings of Blender's exporters."""

    about: str
    settings: Mapping[str, Mapping[str, object]]
    """By the suffixes of the formats that it is for."""
    by_object: bool = False
    """Each object becomes a component of its own, without its place and rotation, see :mod:`.by_object`."""


_GLTF_OF_GODOT = {"export_def_bones": True, "export_tangents": True, "export_rest_position_armature": True}
PRESETS: Mapping[str, Preset] = {
    "Unity": Preset("Scaled as Unity expects it: objects come in at a scale of 1", {
        # Else each object is scaled by 100, as FBX is in centimetres (Blender manual, "FBX", "Apply Scalings").
        ".fbx": {"apply_scale_options": "FBX_SCALE_ALL", "add_leaf_bones": False},
    }),
    "Unreal": Preset("With smoothing groups, which Unreal misses otherwise, and tangents", {
        # Without: "No smoothing group information was found in this FBX scene" (Unreal's importer).
        ".fbx": {"mesh_smooth_type": "FACE", "use_tspace": True, "add_leaf_bones": False},
    }),
    "Godot": Preset("Only bones that deform, without which Godot shades shape keys wrongly, and tangents", {
        # Godot's documentation, "Available 3D formats".
        ".glb": _GLTF_OF_GODOT,
        ".gltf": _GLTF_OF_GODOT,
    }),
    "3D Printer": Preset("In millimetres, as slicers read it", {
        ".stl": {"global_scale": 1000.0, "use_scene_unit": True},
    }),
    "URDF": Preset("A robot's links: each object a component of its own, in metres, its origin at zero, Z up", {
        # ROS: "REP 103" (metres, Z up), and the element <mesh> of a <link> in URDF.
        ".stl": {"global_scale": 1.0, "use_scene_unit": True, "forward_axis": "Y", "up_axis": "Z"},
    }, by_object=True),
}  # fmt: skip
"""Ours, by name; Blender's own are those that its export dialogs save."""


@dataclass(frozen=True)
class ExportOptions:
    """What a format has no use for, it ignores."""

    files: str = "PACK"
    """What becomes of the files that a .blend or an .obj needs: one of :data:`FILES`."""
    allow_missing: bool = False
    """It goes out without the files that cannot be found or taken in."""
    compress: bool = True
    """A .blend is written compressed, to about a quarter."""
    asset: bool = False
    """In a .blend the component is marked for Blender's asset browser, with who pushes it as the author."""
    tags: str = ""
    """Of the asset, with commas between them."""
    comment: str = ""
    """The asset's description."""
    apply_modifiers: bool = True
    """The other formats hold the shapes that modifiers make; USD always does."""
    axes: str = "DEFAULT"
    """One of :data:`AXES`; not a .blend."""
    scale: float = 1.0
    """FBX, STL, OBJ and PLY: lengths are multiplied by it."""
    preset: str = ""
    """One of :data:`PRESETS`, or one that was saved in Blender's own dialog for the format; wins over all the above."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Of Blender's exporter, by the names that Python has for them; win over the preset."""


def parsed_settings(texts: Iterable[str]) -> dict[str, object]:
    """Read settings that are written as ``name=value`` each; raises SceneError for one that is not."""
    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.isidentifier() and equals):
            raise SceneError(f'The option "{text}" is not of the form name=value, such as use_triangles=true.')
        found[name] = value
    return found


def split_settings(line: str) -> list[str]:
    """Part a line of such settings at its spaces; a value with spaces is in quotation marks."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise SceneError(f"The options {line} cannot be read: a quotation mark is missing.") from error


OPTIONS_OF: Mapping[str, tuple[str, ...]] = {
    ".blend": ("files", "allow_missing", "compress", "asset", "tags"),
    ".fbx": ("preset", "apply_modifiers", "axes", "scale", "allow_missing", "settings"),
    ".stl": ("preset", "apply_modifiers", "axes", "scale", "settings"),
    ".obj": ("files", "preset", "apply_modifiers", "axes", "scale", "allow_missing", "settings"),
    ".ply": ("preset", "apply_modifiers", "axes", "scale", "settings"),
    ".gltf": ("preset", "apply_modifiers", "axes", "allow_missing", "settings"),
    ".glb": ("preset", "apply_modifiers", "axes", "allow_missing", "settings"),
    ".usdz": ("preset", "axes", "allow_missing", "settings"),
    ".usdc": ("preset", "axes", "settings"),
    ".usda": ("preset", "axes", "settings"),
    ".usd": ("preset", "axes", "settings"),
}
"""What each format has a use for."""

_GLTF = (
    "Materials keep what glTF has, not their nodes. Vertices are split at sharp edges and UV seams. Applied modifiers "
    "cost shape keys."
)
_USDZ = (
    "Materials keep what UsdPreviewSurface has, not their nodes. Names lose all but letters, digits and _; data is "
    "named as its object. A mesh with children comes back below an empty, and of animation that of objects and rigs."
)
_USD = f"No textures are kept, as .usdz keeps them. {_USDZ}"
LOST: Mapping[str, str] = {
    ".blend": "",
    ".fbx": "Materials keep colours, values and image textures, not their nodes.",
    ".gltf": _GLTF,
    ".glb": _GLTF,
    ".stl": "Only the surface is kept: no names, materials, UVs, textures, animation or units.",
    ".obj": "Of materials only the names are kept, no colours and textures, unless Its Files lie Beside It: then an "
    ".mtl does, too. No rigs, animation, parents, places or units.",
    ".ply": "Only one surface is kept, with UVs and colours of vertices: no names, materials, textures, animation or "
    "units.",
    ".usdz": _USDZ,
    ".usdc": _USD,
    ".usda": _USD,
    ".usd": _USD,
}
"""What a format cannot keep, said before a push (Blender manual, "FBX", "glTF 2.0", "STL", "OBJ", "PLY", "USD")."""
