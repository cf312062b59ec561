"""What the open file knows of the components in it: which they are, and which of its datablocks came with them.

It is saved in the .blend, goes along when something is renamed or duplicated, and holds no secret.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import bpy
import numpy as np
from bpy.props import CollectionProperty, PointerProperty, StringProperty
from bpy.types import ID, Collection, Library, Object, PropertyGroup

from . import LINKED_FOLDER
from .closure import NO_PARTS, objects_in
from .digest import digest
from .values import custom_properties, weighted_meshes

MAX_RECORD = 1 << 20
"""Characters. The file may be anybody's, and what is longer was not written here."""
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
MAX_TEXT = 1024
"""Characters of what is noted of an origin; an object's key has no more."""


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_stacks(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_texts, value.values()))


def _is_matrix(value: object) -> bool:
    return isinstance(value, list) and len(value) == 16 and all(isinstance(each, float) for each in value)


def _is_drivers(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, list) and list(map(type, each)) == [str, int] for each in value
    )


_OBJECT: Mapping[str, Callable[[object], bool]] = {
    "matrix": _is_matrix,
    "parent": _is_text,
    "data": _is_text,
    "instance": _is_text,
    "modifiers": _is_texts,
    "constraints": _is_texts,
    "bones": _is_stacks,
    "drivers": _is_drivers,
    "slots": _is_texts,
    "properties": _is_texts,
}
"""What :func:`_record` tells of an object."""


def _is_ours(record: Mapping[str, object], form: Mapping[str, Callable[[object], bool]]) -> bool:
    return record.keys() == form.keys() and all(is_right(record[key]) for key, is_right in form.items())


def _is_plain(*texts: str) -> bool:
    """Whether all can be what was noted here: in one line, and no longer than a key."""
    return all(len(text) <= MAX_TEXT and not _CONTROL.search(text) for text in texts)


Named = tuple[str, str]
"""A type, and a name in the component's file."""
Own = Callable[[ID], str | None]
"""What a datablock is called in the component's file; ``None`` if it is not from there."""


@dataclass(frozen=True)
class Origin:
    """A version of a component, in a storage."""

    storage: str
    """Of which storage; tells it from others, and holds no secret."""
    component_id: str
    etag: str
    version_id: str = ""
    sha256: str = ""


class Part(NamedTuple):
    """A datablock as a version of a component has it."""

    name: str
    """In the component's file."""
    digest: str
    record: str
    """JSON of what an update has to tell from the user's own changes, see :func:`_record`."""


class GGGCloudPart(PropertyGroup):
    """A Part, on the datablock. ``name`` is the key of the GGGCloudOrigin that it belongs to."""

    part: StringProperty()  # type: ignore[valid-type]
    digest: StringProperty()  # type: ignore[valid-type]
    record: StringProperty()  # type: ignore[valid-type]


class GGGCloudOrigin(PropertyGroup):
    """An Origin, on the collection that the component was pulled into, or on the library that it was linked to."""

    key: StringProperty()  # type: ignore[valid-type]
    storage: StringProperty()  # type: ignore[valid-type]
    component_id: StringProperty()  # type: ignore[valid-type]
    version_id: StringProperty()  # type: ignore[valid-type]
    etag: StringProperty()  # type: ignore[valid-type]
    sha256: StringProperty()  # type: ignore[valid-type]


class GGGCloudPushed(PropertyGroup):
    """What was pushed from a scene last under a component's ID, which is ``name``."""

    storage: StringProperty()  # type: ignore[valid-type]
    etag: StringProperty()  # type: ignore[valid-type]


def origin_of(holder: Any) -> Origin | None:
    """Of which component a collection or a library is."""
    stored = holder.ggg_cloud
    known = (stored.storage, stored.component_id, stored.etag, stored.version_id, stored.sha256)
    return Origin(*known) if stored.component_id and _is_plain(*known) else None


def pulled(storage: str, component_id: str | None = None) -> list[Any]:
    """What holds the components of this storage, or that one component: the collection that it was pulled into, or
    the library if it was linked. What nothing uses any more is left out."""
    found: list[Any] = []
    for holder in (*bpy.data.libraries, *bpy.data.collections):
        origin = None if holder.library or holder.override_library or not holder.users else origin_of(holder)
        if not origin or origin.storage != storage or component_id not in (None, origin.component_id):
            continue
        if isinstance(holder, Library):
            is_there = _lies_as(holder, origin) and _is_used_here(holder)
        else:
            is_there = library_of(holder) not in found
        if is_there:
            found.append(holder)
    return found


def library_of(holder: Any) -> Library | None:
    """The library that a component was linked to; `None` if it was appended.

    Up to 0.5.1, and where a file holds more than one thing at its top, a local collection holds what is linked.
    """
    if isinstance(holder, Library):
        return holder
    origin = origin_of(holder)
    if origin is None:
        return None
    for each in (*holder.objects, *holder.children):
        source = each.override_library.reference if each.override_library else each
        # What an appended component links to itself lies elsewhere.
        if source and source.library and _lies_as(source.library, origin):
            library: Library = source.library
            return library
    return None


def is_linked(holder: Any) -> bool:
    """Whether the component was linked, so that its parts lie in a library."""
    return library_of(holder) is not None


def _lies_as(library: Library, origin: Origin) -> bool:
    """Whether the library's file is the one that a link made, and not one that the user chose later."""
    path = bpy.path.abspath(library.filepath).replace("\\", "/")
    return path.endswith(f"/{LINKED_FOLDER}/{origin.component_id}")


def _is_used_here(library: Library) -> bool:
    data: Any = bpy.data  # the stubs know no answer of `user_map`
    return any(not user.library for users in data.user_map(subset=library.users_id).values() for user in users)


def known_etag(storage: str, component_id: str, collection: Any = None) -> str:
    """Which version of a component this file knows: of the collection, pushed before, or pulled; or ``""``."""
    origin = origin_of(collection) if collection else None
    if origin and (origin.storage, origin.component_id) == (storage, component_id):
        return origin.etag
    for scene in bpy.data.scenes:
        pushed = scene.ggg_cloud_pushed.get(component_id)  # type: ignore[attr-defined]
        if pushed and pushed.storage == storage and _is_plain(pushed.etag):
            return str(pushed.etag)
    return next((origin_of(each).etag for each in pulled(storage, component_id)), "")


def remember_push(scene: Any, origin: Origin) -> None:
    """Note in the scene which version was pushed from it."""
    pushed = scene.ggg_cloud_pushed.get(origin.component_id) or scene.ggg_cloud_pushed.add()
    pushed.name, pushed.storage, pushed.etag = origin.component_id, origin.storage, origin.etag


def part_name(datablock: Any, key: str) -> str | None:
    """What a datablock is called in the component's file; ``None`` if it did not come with it."""
    part = datablock.ggg_cloud_parts.get(key) if key else None
    return str(part.part) if part else None


def record_of(datablock: Any, key: str) -> dict[str, Any]:
    """What is known of a part as it was pulled, see :func:`_record`."""
    part = datablock.ggg_cloud_parts.get(key)
    if not part or not part.record or len(part.record) > MAX_RECORD:
        return {}
    try:
        record = json.loads(part.record)
    except (ValueError, RecursionError):
        return {}
    is_ours = isinstance(record, dict) and (_is_ours(record, _OBJECT) or _is_ours(record, {"slots": _is_texts}))
    return record if is_ours else {}


def marked(key: str) -> dict[Named, list[ID]]:
    """What came with a component and is still used, by type and name in its file; all duplicates too."""
    found: dict[Named, list[ID]] = {}
    for datablock in _everything():
        name = part_name(datablock, key) if datablock.users and not datablock.library else None
        if name is not None:
            found.setdefault((datablock.id_type, name), []).append(datablock)
    return found


def parts(key: str) -> dict[Named, list[ID]]:
    """What came with a component and is still used, by type and name in its file; duplicates too.

    A datablock that was duplicated and then changed is the user's own by now, unless nothing else is left; but all
    duplicates of an object count.
    """
    found, weighted = marked(key), weighted_meshes()
    for each, datablocks in found.items():
        if len(datablocks) > 1 and not isinstance(datablocks[0], Object):
            found[each] = [one for one in datablocks if not _is_changed(one, key, weighted)] or datablocks[:1]
    return found


def changed(collection: Any) -> list[ID]:
    """What is not as it was pulled; the collections in it too, if something was added or taken out."""
    if is_linked(collection):
        return []
    key, inside = collection.ggg_cloud.key, set(objects_in(collection))
    found = [one for datablocks in parts(key).values() for one in datablocks]
    found = [one for one in found if not isinstance(one, Object) or one in inside]
    weighted = weighted_meshes()
    return [one for one in found if _is_changed(one, key, weighted) or _is_used_otherwise(one, key)]


def take(names: Mapping[ID, str]) -> dict[int, Part]:
    """What the datablocks that are called so in a component's file are now, by their ``session_uid``."""

    def name_of(datablock: ID) -> str:
        return names.get(datablock) or _foreign(datablock)

    taken, weighted = {}, weighted_meshes()
    for datablock, name in names.items():
        extra = (_slots(datablock, names.get), _members(datablock, name_of))
        record = _record(datablock, names.get)
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        taken[datablock.session_uid] = Part(
            name, digest(datablock, name_of, extra, record, weighted=datablock in weighted), text
        )
    return taken


def remember(holder: Any, origin: Origin, taken: Mapping[int, Part]) -> None:
    """Note that a collection or a library is this version of the component, and what belongs to it."""
    stored = holder.ggg_cloud
    stored.key = stored.key or uuid.uuid4().hex[:16]
    set_origin(holder, origin)
    for datablock in _everything():
        part = taken.get(datablock.session_uid)
        if part and not datablock.library:
            put(datablock, stored.key, part)


def set_origin(collection: Any, origin: Origin) -> None:
    """Note which version a collection is, and nothing of what belongs to it."""
    for name, value in asdict(origin).items():
        setattr(collection.ggg_cloud, name, value)


def put(datablock: Any, key: str, part: Part | None) -> None:
    """Note on a datablock which part of a component it is; ``None``: of none any more."""
    known = datablock.ggg_cloud_parts
    stored = known.get(key)
    if part is None:
        if stored:
            known.remove(known.find(key))
        return
    if stored is None:
        stored = known.add()
        stored.name = key
    stored.part, stored.digest, stored.record = part


def part_of(datablock: Any, key: str) -> Part | None:
    """Which part of a component a datablock is."""
    stored = datablock.ggg_cloud_parts.get(key)
    return Part(stored.part, stored.digest, stored.record) if stored else None


def forget(datablocks: Iterable[Any]) -> None:
    """Drop all that came in with them: it is of the file in which they were pushed."""
    for datablock in datablocks:
        if not datablock.library:
            datablock.ggg_cloud_parts.clear()
            if isinstance(datablock, Collection):
                datablock.property_unset("ggg_cloud")


def _everything() -> Iterator[Any]:
    data: Any = bpy.data  # the 4.2 stubs demand the arguments of `user_map`, all optional
    for datablock in data.user_map():
        if not isinstance(datablock, NO_PARTS):
            yield datablock


def _foreign(datablock: ID) -> str:
    return f"{type(datablock).__name__}?"


def _is_changed(datablock: Any, key: str, weighted: AbstractSet[Any]) -> bool:
    def own(each: ID) -> str | None:
        return part_name(each, key)

    def name_of(each: ID) -> str:
        return own(each) or _foreign(each)

    record = record_of(datablock, key)
    if isinstance(datablock, Object) and not record:
        return True
    extra = (_slots(datablock, own, record.get("slots")), _members(datablock, name_of))
    now = digest(datablock, name_of, extra, record, weighted=datablock in weighted)
    was = str(datablock.ggg_cloud_parts[key].digest)
    # Another Blender tells of other properties, an older GGG Cloud of others of them: nothing can be said then.
    return now != was and now.rpartition(":")[0] == was.rpartition(":")[0]


def _is_used_otherwise(obj: Any, key: str) -> bool:
    """Whether an object has other modifiers, another parent and so on; where it stands counts if that has one."""
    if not isinstance(obj, Object):
        return False
    was, now = record_of(obj, key), _record(obj, lambda each: part_name(each, key))
    if not was:
        return True
    matrices = was.pop("matrix"), now.pop("matrix")
    moved = bool(was["parent"]) and not np.allclose(*matrices, rtol=1e-5, atol=1e-5)
    del was["slots"], now["slots"]
    return moved or was != now


def _slots(datablock: Any, own: Own, known: list[str] | None = None) -> list[str]:
    """The materials of an object's data; where the user put another one, it is as it was: an update keeps that."""
    found = []
    for index, material in enumerate(getattr(datablock, "materials", ())):
        name = own(material) if material else ""
        if not name:
            name = known[index] if known and index < len(known) else ""
        found.append(name)
    return found


def _members(datablock: Any, name_of: Any) -> list[str]:
    if not isinstance(datablock, Collection):
        return []
    return sorted(name_of(each) for each in (*datablock.objects, *datablock.children))


def _record(datablock: Any, own: Own) -> dict[str, Any]:
    if isinstance(datablock, Object):
        animation, matrix = datablock.animation_data, np.array(datablock.matrix_basis)
        return {
            "matrix": matrix.ravel().tolist(),
            "parent": (own(datablock.parent) or "") if datablock.parent else "",
            "data": (own(datablock.data) or "") if datablock.data else "",
            "instance": (own(datablock.instance_collection) or "") if datablock.instance_collection else "",
            "modifiers": [each.name for each in datablock.modifiers],
            "constraints": [each.name for each in datablock.constraints],
            "bones": {
                bone.name: [each.name for each in bone.constraints]
                for bone in (datablock.pose.bones if datablock.pose else ())
                if bone.constraints
            },
            "drivers": [[each.data_path, each.array_index] for each in animation.drivers] if animation else [],
            "slots": [
                (own(slot.material) or "") if slot.link == "OBJECT" and slot.material else ""
                for slot in datablock.material_slots
            ],
            "properties": sorted(custom_properties(datablock)),
        }
    if hasattr(datablock, "materials"):
        return {"slots": _slots(datablock, own)}
    return {}


_CLASSES = (GGGCloudPart, GGGCloudOrigin, GGGCloudPushed)


def register() -> None:
    """Add the properties."""
    for each in _CLASSES:
        bpy.utils.register_class(each)
    bpy.types.ID.ggg_cloud_parts = CollectionProperty(type=GGGCloudPart)  # type: ignore[attr-defined,func-returns-value]
    bpy.types.Collection.ggg_cloud = PointerProperty(type=GGGCloudOrigin)  # type: ignore[attr-defined,func-returns-value]
    bpy.types.Library.ggg_cloud = PointerProperty(type=GGGCloudOrigin)  # type: ignore[attr-defined,func-returns-value]
    bpy.types.Scene.ggg_cloud_pushed = CollectionProperty(type=GGGCloudPushed)  # type: ignore[attr-defined,func-returns-value]


def unregister() -> None:
    """Remove them; what a file has of them stays in it."""
    del bpy.types.Scene.ggg_cloud_pushed  # type: ignore[attr-defined]
    del bpy.types.Library.ggg_cloud  # type: ignore[attr-defined]
    del bpy.types.Collection.ggg_cloud  # type: ignore[attr-defined]
    del bpy.types.ID.ggg_cloud_parts  # type: ignore[attr-defined]
    for each in reversed(_CLASSES):
        bpy.utils.unregister_class(each)
