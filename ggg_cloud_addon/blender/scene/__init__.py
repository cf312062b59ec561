"""What travels between the open Blender file and a component: a selection, a collection or a scene."""

from collections.abc import Sequence

LINKED_FOLDER = "ggg_cloud"
"""Beside a .blend file: where the components lie that it links to."""
SHOWN_PROBLEMS = 8
"""So many fit into one message."""


class SceneError(RuntimeError):
    """The scene cannot give or take a component; the text is one sentence for the user."""


class MissingFilesError(SceneError):
    """Files that a component needs cannot go with it."""

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        """`problems` say what is wrong with each, its name first."""
        shown = "; ".join(problems[:SHOWN_PROBLEMS])
        more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        super().__init__(
            f'"{name}" is not whole: {shown}{more}. Mend it (File > External Data finds missing files), or push '
            "without (Allow Missing Files in Blender, --allow-missing in the command)."
        )
        self.problems = tuple(problems)
