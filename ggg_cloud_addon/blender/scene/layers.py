"""How a view layer shows the objects and collections in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bpy.types import Collection, Object, ViewLayer

from .closure import objects_in

_OF_A_PART = ("exclude", "hide_viewport", "holdout", "indirect_only")
_OF_THE_COMPONENT = ("holdout", "indirect_only")
"""That an artist has put it out of his sight is his own affair: who pulls it wants to see it."""


@dataclass
class Hidden:
    """How a view layer shows what is in it, where that is not as usual."""

    objects: set[Object] = field(default_factory=set)
    """Closed is the eye of these."""
    collections: dict[Collection, dict[str, bool]] = field(default_factory=dict)

    def add(self, layer: ViewLayer) -> None:
        """Take over what a view layer has."""
        self.objects |= {obj for obj in layer.objects if obj.hide_get(view_layer=layer)}
        for each in _walk(layer.layer_collection):
            flags = {name: True for name in _OF_A_PART if getattr(each, name)}
            if flags:
                self.collections[each.collection] = flags

    def put(self, layer: ViewLayer, component: Collection) -> None:
        """Have a view layer show a component so, which is in it by now."""
        places = [each for each in _walk(layer.layer_collection) if each.collection == component]
        for place in places:
            for each in _walk(place):
                names = _OF_THE_COMPONENT if each == place else _OF_A_PART
                for name in names:
                    if name in self.collections.get(each.collection, {}):
                        setattr(each, name, True)
        for obj in self.objects & set(objects_in(component)) & set(layer.objects):
            obj.hide_set(True, view_layer=layer)


def _walk(layer_collection: Any) -> Iterator[Any]:
    yield layer_collection
    for child in layer_collection.children:
        yield from _walk(child)
