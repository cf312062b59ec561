"""What may be chosen for a push."""

from collections.abc import Mapping
from dataclasses import dataclass

AXES = (
    ("DEFAULT", "As Usual", "The axes that the format usually has: Y up in FBX and glTF, Z up in STL"),
    ("Z_UP", "Z Up", "As in Blender"),
    ("Y_UP", "Y Up", "As in most other programs"),
)

FILES = (
    ("PACK", "Pack", "The .blend takes in the textures, libraries and other files that it needs"),
    ("BESIDE", "Beside It", "They become components beside it, image sequences and caches too; libraries are taken in"),
    ("LEAVE", "Leave", "They stay where they are; the .blend names them by their path on this computer"),
)


@dataclass(frozen=True)
class ExportOptions:
    """What a format has no use for, it ignores."""

    files: str = "PACK"
    """What becomes of the files that a .blend needs: one of :data:`FILES`."""
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
    """FBX, STL and glTF hold the shapes that modifiers make."""
    axes: str = "DEFAULT"
    """One of :data:`AXES`; FBX, STL and glTF."""
    scale: float = 1.0
    """FBX and STL: lengths are multiplied by it."""


_GLTF = (
    "Materials keep what glTF has, not their nodes. Vertices are split at sharp edges and UV seams. Applied modifiers "
    "cost shape keys."
)
LOST: Mapping[str, str] = {
    ".blend": "",
    ".fbx": "Materials keep colours, values and image textures, not their nodes.",
    ".gltf": _GLTF,
    ".glb": _GLTF,
    ".stl": "Only the surface is kept: no names, materials, UVs, textures, animation or units.",
}
"""What a format cannot keep, said before a push (Blender manual, "FBX", "glTF 2.0" and "STL")."""
