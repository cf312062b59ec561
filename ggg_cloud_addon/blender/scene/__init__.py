"""What travels between the open Blender file and a component: a selection, a collection or a scene."""


class SceneError(RuntimeError):
    """The scene cannot give or take a component; the text is one sentence for the user."""
