"""Replace a pulled component by another version of it, where it is.

The objects stay the same datablocks, so that all that the user's scene does with them stays: where they are, in which
collections, how they are instanced, what is put on top of them. What is in them comes new.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import bpy
from bpy.types import ID, Collection, Context, Object
from mathutils import Matrix

from .closure import ROOT
from .digest import custom_properties
from .load import Loaded, leave_edit_mode
from .provenance import Origin, Part, part_name, parts, put, record_of, remember, take

Named = tuple[str, str]
"""A type, and a name in the component's file."""


def update(collection: Any, loaded: Loaded, origin: Origin, context: Context) -> None:
    """Make the collection the version of its component that was just loaded, whose own collection goes away."""
    leave_edit_mode(context)
    _Update(collection, loaded).run(origin, context)
    assert context.view_layer is not None
    context.view_layer.update()


class _Update:
    def __init__(self, collection: Any, loaded: Loaded) -> None:
        self.key: str = collection.ggg_cloud.key
        self.fresh = loaded.collection
        self.names = {**loaded.names, loaded.collection: ROOT}
        self.taken = take(self.names)
        self.old = parts(self.key)
        self.new = {_named(each, name): each for each, name in self.names.items()}
        self.mine = {each for datablocks in self.old.values() for each in datablocks}
        """What came with the component, but for what the user made of copies."""
        self.inside = set(collection.all_objects)
        self.data: dict[tuple[ID, ID], Any] = {}
        """By an object's old data and its new ones: what it gets."""

    def run(self, origin: Origin, context: Context) -> None:
        """Do it; nothing of it fails."""
        self._swap_types()
        pairs = [(old, new) for new in self._new(Object) for old in self._olds(new)]
        pairs.sort(key=lambda pair: pair[0] not in self.inside)
        for old, new in pairs:
            self._give_data(old, new)
        self._give_data_to_others()
        for old, new in pairs:
            self._copy_modifiers(old, new, context)
            self._copy_constraints(old, new)
            self._copy_animation(old, new)
            self._place(old, new)
        self._add()
        self._point_to_olds(pairs)
        self._remap()
        self._note(origin)
        self._remove()

    def _new(self, kind: type[ID]) -> list[Any]:
        return [each for each in self.new.values() if isinstance(each, kind)]

    def _olds(self, new: ID) -> list[Any]:
        """What is the same part in the open file."""
        return self.old.get(_named(new, self.names[new]), [])

    def _swap_types(self) -> None:
        """An object whose type is another now cannot stay; the new one takes its place, the first its places."""
        for new in self._new(Object):
            for old in list(self._olds(new)):
                if old.type == new.type:
                    continue
                for collection in old.users_collection:
                    if new.name not in collection.objects:
                        collection.objects.link(new)
                old.user_remap(new)
                self._olds(new).remove(old)
                self.mine.discard(old)
                self.inside.discard(old)
                bpy.data.objects.remove(old)

    def _give_data(self, obj: Any, new: Any) -> None:
        old = obj.data
        if new.data is None or old not in self.mine:  # the user gave it other data
            return
        pair = (old, new.data)
        if pair not in self.data:
            is_first = new.data not in self.data.values()
            self.data[pair] = new.data if is_first else new.data.copy()
            self._keep_materials(old, self.data[pair])
            _keep_pose(old, self.data[pair])
        before = [(slot.link, slot.material) for slot in obj.material_slots]
        obj.data = self.data[pair]
        known = record_of(obj, self.key).get("slots", [])
        for index, (slot, theirs) in enumerate(zip(obj.material_slots, new.material_slots, strict=False)):
            link, material = before[index] if index < len(before) else ("DATA", None)
            as_pulled = known[index] if index < len(known) else ""
            name = part_name(material, self.key) if material else ""
            is_theirs = link == "DATA" or (as_pulled and name == as_pulled)
            slot.link = theirs.link if is_theirs else link
            if slot.link == "OBJECT":
                slot.material = theirs.material if is_theirs else material

    def _keep_materials(self, old: Any, new: Any) -> None:
        """Put the user's own materials into the slots of those that they took the place of."""
        known = record_of(old, self.key).get("slots", [])
        theirs = [self.names.get(each, "") for each in getattr(new, "materials", ())]
        for index, material in enumerate(getattr(old, "materials", ())):
            if material is None or material in self.mine:
                continue
            name = known[index] if index < len(known) else ""
            place = theirs.index(name) if name in theirs else index
            if place < len(theirs):
                new.materials[place] = material

    def _give_data_to_others(self) -> None:
        """The user's own objects may have a part's mesh."""
        first: dict[Any, Any] = {}
        for (old, _), new in self.data.items():
            first.setdefault(old, new)
        for obj in bpy.data.objects:
            if obj.data in first and not obj.library:
                obj.data = first[obj.data]

    def _copy_modifiers(self, old: Any, new: Any, context: Context) -> None:
        """The component's own are replaced; the user's stay, after them."""
        targets = _drop(old.modifiers, record_of(old, self.key).get("modifiers", []))
        chosen = [new, old]
        for index, name in enumerate([each.name for each in new.modifiers]):
            with context.temp_override(
                object=new, active_object=new, selected_objects=chosen, selected_editable_objects=chosen
            ):
                bpy.ops.object.modifier_copy_to_selected(modifier=name)  # the only way to copy all of it
            self._keep_duplicates(old.modifiers[-1], targets.get(name, {}))
            old.modifiers.move(len(old.modifiers) - 1, index)

    def _copy_constraints(self, old: Any, new: Any) -> None:
        record = record_of(old, self.key)
        self._copy_stack(old.constraints, new.constraints, record.get("constraints", []))
        if not (old.pose and new.pose):
            return
        for bone in new.pose.bones:
            mine = old.pose.bones.get(bone.name)
            if mine is None:
                continue
            self._copy_stack(mine.constraints, bone.constraints, record.get("bones", {}).get(bone.name, []))
            mine.custom_shape = bone.custom_shape
            _add_properties(mine, bone)

    def _copy_stack(self, mine: Any, theirs: Any, as_pulled: Iterable[str]) -> None:
        targets = _drop(mine, as_pulled)
        for index, each in enumerate(theirs):
            self._keep_duplicates(mine.copy(each), targets.get(each.name, {}))
            mine.move(len(mine) - 1, index)

    def _keep_duplicates(self, struct: Any, before: dict[str, Object]) -> None:
        """Of a duplicated component, a duplicate refers to the others of its own."""
        for name, obj in before.items():
            now = getattr(struct, name, None)
            if isinstance(now, Object) and now in self.names and obj in self._olds(now):
                setattr(struct, name, obj)

    def _copy_animation(self, old: Any, new: Any) -> None:
        _add_properties(old, new)
        theirs = new.animation_data
        mine = old.animation_data or (old.animation_data_create() if theirs else None)
        if mine is None:
            return
        if mine.action is None or mine.action in self.mine:
            mine.action = theirs.action if theirs else None
            if mine.action and hasattr(mine, "action_slot"):
                mine.action_slot = theirs.action_slot
        gone = {tuple(each) for each in record_of(old, self.key).get("drivers", [])}
        gone |= {(each.data_path, each.array_index) for each in theirs.drivers} if theirs else set()
        for each in list(mine.drivers):
            if (each.data_path, each.array_index) in gone:
                mine.drivers.remove(each)
        for each in theirs.drivers if theirs else ():
            mine.drivers.from_existing(src_driver=each)

    def _place(self, old: Any, new: Any) -> None:
        record = record_of(old, self.key)
        if new.instance_collection and (old.instance_collection is None or old.instance_collection in self.mine):
            old.instance_type, old.instance_collection = new.instance_type, new.instance_collection
        name = part_name(old.parent, self.key) if old.parent else ""
        if name == record.get("parent", ""):
            if not (new.parent and old.parent in self._olds(new.parent)):
                old.parent = new.parent
            if old.parent:
                old.parent_type, old.parent_bone = new.parent_type, new.parent_bone
                old.matrix_parent_inverse = new.matrix_parent_inverse
        numbers = record.get("matrix")
        if not numbers:
            return
        was = Matrix([numbers[row : row + 4] for row in range(0, 16, 4)])
        if _differ(new.matrix_basis, was):
            if _differ(old.matrix_basis, was):
                old.matrix_basis = old.matrix_basis @ was.inverted_safe() @ new.matrix_basis
            else:
                old.matrix_basis = new.matrix_basis

    def _add(self) -> None:
        """Put what is new into the collections that are there."""
        for new in self._new(Collection):
            for old in self._olds(new):
                for obj in new.objects:
                    if not self._olds(obj) and obj.name not in old.objects:
                        old.objects.link(obj)
                for child in new.children:
                    if not self._olds(child) and child.name not in old.children:
                        old.children.link(child)

    def _point_to_olds(self, pairs: list[tuple[Any, Any]]) -> None:
        """What came refers to the objects and collections that came with it."""
        for old, new in pairs:  # the first gets all
            new.user_remap(old)
        for new in self._new(Collection):
            if new != self.fresh and self._olds(new):
                new.user_remap(self._olds(new)[0])

    def _remap(self) -> None:
        """Materials, node groups, images, actions and so on: who used the old one uses the new one."""
        for named, olds in self.old.items():
            new = self.new.get(named)
            old: Any
            for old in olds:
                if new is None or isinstance(old, Object | Collection):
                    continue
                target = next((given for (was, _), given in self.data.items() if was == old), new)
                if len(old.ggg_cloud_parts) == 1:  # else it also is a part of another component
                    old.user_remap(target)

    def _note(self, origin: Origin) -> None:
        kept: dict[int, Part] = {}
        for new in self.new.values():
            part = self.taken[new.session_uid]
            for old in self._olds(new) if isinstance(new, Object | Collection) else ():
                put(old, self.key, part)
            put(new, self.key, part)
        for (_, theirs), given in self.data.items():
            if given != theirs:
                kept[given.session_uid] = self.taken[theirs.session_uid]
        for root in self.old.get(("Collection", ROOT), []):
            remember(root, origin, kept)

    def _remove(self) -> None:
        """What the new version does not have, and what nobody uses any more; the user's names are kept."""
        gone: set[ID] = {self.fresh}
        gone |= {each for each in (*self._new(Object), *self._new(Collection)) if self._olds(each)}
        names: dict[ID, str] = {}
        used = {each for each in self.mine if isinstance(each, Collection) and _is_used(each, self.key)}
        for named, olds in self.old.items():
            new = self.new.get(named)
            for old in olds:
                if isinstance(old, Object | Collection):
                    if new is None:
                        is_ours = old in self.inside if isinstance(old, Object) else old not in used
                        put(old, self.key, None)
                        gone |= {old} if is_ours else set()
                elif old.users == int(old.use_fake_user):
                    gone.add(old)
                    target = next((given for (was, _), given in self.data.items() if was == old), new)
                    if target is not None:
                        names.setdefault(target, old.name)
        bpy.data.batch_remove(gone)
        for datablock, name in names.items():
            datablock.name = name


def _named(datablock: ID, name: str) -> Named:
    return type(datablock).__name__, name


def _drop(stack: Any, names: Iterable[str]) -> dict[str, dict[str, Object]]:
    """Remove modifiers or constraints; returns to which objects each referred."""
    targets = {}
    for name in names:
        if name in stack:
            each = stack[name]
            values = {prop.identifier: getattr(each, prop.identifier) for prop in each.bl_rna.properties}
            targets[name] = {key: value for key, value in values.items() if isinstance(value, Object)}
            stack.remove(each)
    return targets


def _differ(one: Any, other: Any) -> bool:
    return any(abs(a - b) > 1e-5 * max(1, abs(a)) for x, y in zip(one, other, strict=True) for a, b in zip(x, y))  # noqa: B905


def _is_used(collection: Collection, key: str) -> bool:
    """Whether the user put something into it."""
    return any(part_name(each, key) is None for each in (*collection.objects, *collection.children))


def _add_properties(old: Any, new: Any) -> None:
    """Custom properties that are new; those that are there have the user's values."""
    mine = custom_properties(old)
    for name, value in custom_properties(new).items():
        if name not in mine:
            old[name] = value
            with contextlib.suppress(TypeError):  # groups have no ranges
                old.id_properties_ui(name).update_from(new.id_properties_ui(name))


def _keep_pose(old: Any, new: Any) -> None:
    """Shape keys come new; how far each is in, and the user's own action, stay."""
    mine, theirs = getattr(old, "shape_keys", None), getattr(new, "shape_keys", None)
    if not (mine and theirs):
        return
    for key in theirs.key_blocks:
        if key.name in mine.key_blocks:
            key.value = mine.key_blocks[key.name].value
    animation = mine.animation_data
    if animation and animation.action and not len(animation.action.ggg_cloud_parts):
        data = theirs.animation_data or theirs.animation_data_create()
        data.action = animation.action
        if hasattr(data, "action_slot"):
            data.action_slot = animation.action_slot
