"""What travels between the open Blender file and a component: a selection, a collection or a scene."""

LINKED_FOLDER = "ggg_cloud"
"""Beside a .blend file: where the components lie that it links to."""


class SceneError(RuntimeError):
    """The scene cannot give or take a component; the text is one sentence for the user."""
