"""Bring a pulled component to another version of it: a three-way merge, all or nothing.

What the user left as it was pulled becomes what the new version has; what he changed stays; what both changed is his
to decide. It is worked out first, on datablocks that nothing uses yet, and then done in steps that can be taken back.
What the new version leaves as it was is not touched at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
from bpy.types import ID, Context

from . import SceneError
from .commit import Steps, ViewState
from .load import leave_edit_mode
from .merge import Side
from .parts import Parts
from .provenance import Origin, set_origin
from .trust import hold_back
from .versions import version_of

SHOWN_CLASHES = 4
"""So many fit into one message."""


class ClashError(SceneError):
    """Both, the user and the new version, changed something."""

    def __init__(self, name: str, clashes: tuple[str, ...]) -> None:
        """`clashes` says what."""
        more = f"; and {len(clashes) - SHOWN_CLASHES} more" if len(clashes) > SHOWN_CLASHES else ""
        super().__init__(
            f'"{name}" cannot be updated by itself, as you and the new version both changed: '
            f"{'; '.join(clashes[:SHOWN_CLASHES])}{more}. Choose whose changes count where both are "
            '(conflict="mine" or "theirs"); all else is kept from both.'
        )
        self.clashes = clashes


def update(
    collection: Any, theirs: Path, base: Path | None, origin: Origin, context: Context, side: Side | None = None
) -> None:
    """Make the collection another version of its component: the .blend `theirs`; `base` is the one that it was.

    Where both changed something, it is as `side` has it. Without a base, all is as `side` has it.

    Raises ClashError when no side is given and it takes one, SceneError when a version cannot be read; whatever is
    raised, the open file is what it was.
    """
    leave_edit_mode(context)
    with _nothing_stays_on_error() as before:
        plan = Parts(collection, version_of(theirs), version_of(base) if base else None, side)
        plan.decide()
        if plan.clashes and side is None:
            raise ClashError(origin.component_id, tuple(plan.clashes))
        plan.build()
        data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
        hold_back(data.user_map().keys() - before)
        steps = Steps()
        with steps.all_or_nothing():
            view = ViewState(plan.swapped_objects())
            steps.before(lambda: view.hand_on({}))
            plan.point_users(steps)
            plan.fill_collections(steps)
            view.hand_on(plan.swap)
            plan.write_collections(steps)
            plan.name(steps)
            plan.note(steps)
            for root in plan.roots:
                was = Origin(**{each: getattr(root.ggg_cloud, each) for each in Origin.__dataclass_fields__})
                steps.before(lambda root=root, was=was: set_origin(root, was))  # type: ignore[misc]
                set_origin(root, origin)
            gone = plan.left_over(before)
            bpy.data.batch_remove(gone)  # which cannot be taken back, and so is the last


@contextlib.contextmanager
def _nothing_stays_on_error() -> Iterator[set[ID]]:
    """Give the datablocks of before; when the block fails, remove all that came since."""
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    before: set[ID] = set(data.user_map())
    try:
        yield before
    except BaseException:
        bpy.data.batch_remove(data.user_map().keys() - before)
        raise
