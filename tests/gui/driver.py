"""Runs inside the Blender under test and does what the test says: ``blender --python driver.py -- PORT``.

One JSON request a line comes over a connection to the test, one answer goes back; all work is done in a timer, on
Blender's main thread, between its own events. Nothing here touches the add-on: it looks, and it moves the mouse.
"""

import json
import select
import socket
import sys
import time
import traceback
from collections.abc import Generator
from typing import Any

import bpy

HEIGHT = 1100
"""Of the display."""
TICK = 0.005
SETTLE_TICKS = 3
"""After the mouse was moved: until Blender has handled it."""

Answers = Generator[None, None, Any]
NAMES: dict[str, Any] = {"bpy": bpy}
"""What the test's expressions see, and what its statements leave behind."""
MET: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
"""Where each button of a region was when the mouse last met it, from the region's lower left corner."""


def evaluate(expression: str) -> Answers:
    """The value of an expression."""
    return eval(expression, NAMES)
    yield


def execute(statements: str) -> Answers:
    """Nothing; the names that are set stay for what comes."""
    exec(statements, NAMES)
    return None
    yield


def wait(expression: str, seconds: float) -> Answers:
    """The first true value of an expression."""
    deadline = time.monotonic() + seconds
    while not (value := eval(expression, NAMES)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{expression} is {value!r} after {seconds} s")
        yield
    return value


def regions(area_type: str, region_type: str) -> list[tuple[bpy.types.Window, bpy.types.Area, bpy.types.Region]]:
    """Those of these types in all windows."""
    return [
        (window, area, region)
        for window in bpy.context.window_manager.windows
        for area in window.screen.areas
        for region in area.regions
        if (area.type, region.type) == (area_type, region_type)
    ]


def find(what: str, area_type: str, region_type: str) -> Answers:
    """Where a button is, on the whole display and counted from its upper left corner.

    Python cannot ask where a button was drawn. But Blender tells of the button under the mouse which property it
    shows, and copies which call it makes. So the mouse is led over the region, row by row, until the right one
    answers. ``what`` is the beginning of that call, or a dot and the property's name. What was met on the way is
    looked at first the next time.
    """
    window, area, region = regions(area_type, region_type)[-1]
    unit = bpy.context.preferences.system.ui_scale * 20  # of a button
    rows = range(round(region.height - unit / 2), 0, round(-unit * 0.7))
    columns = [round(region.width * share) for share in (0.7, 0.25, 0.85, 0.5, 0.9, 0.6, 0.8, 0.4, 0.1)]
    columns += range(round(region.width), 0, round(-unit * 0.7))
    met = MET.setdefault((area_type, region_type), {})
    known = [place for told, place in reversed(met.items()) if told.startswith(what)]

    def is_at(x: float, y: float) -> Generator[None, None, bool]:
        told = yield from hover(window, area, region, region.x + round(x), region.y + round(y))
        for each in told:
            met.pop(each, None)  # the newest is the last
            met[each] = round(x), round(y)
        return any(each.startswith(what) for each in told)

    for x, y in [*known, *((x, y) for x in columns for y in rows)]:
        if (yield from is_at(x, y)):
            # Away from its edges, where a pixel decides.
            for dx, dy in ((0, 0.4), (0, -0.4), (0.4, 0), (-0.4, 0)):
                if not (yield from is_at(x + dx * unit, y + dy * unit)):
                    x, y = x - dx * unit / 2, y - dy * unit / 2
            if (yield from is_at(x, y)):
                bottom = HEIGHT - 1 - window.y - region.y
                return window.x + region.x + round(x), bottom - round(y)
    raise LookupError(f"There is no {what} in {area_type} {region_type}, only " + ", ".join(met))


def middle(area_type: str) -> Answers:
    """Where the middle of an area is on the display."""
    window, _, region = regions(area_type, "WINDOW")[-1]
    return window.x + region.x + region.width // 2, HEIGHT - 1 - window.y - region.y - region.height // 2
    yield


def corner(area_type: str) -> Answers:
    """Where the upper left corner of an area is on the display, below its headers."""
    window, _, region = regions(area_type, "WINDOW")[-1]
    return window.x + region.x, HEIGHT - window.y - region.y - region.height
    yield


def settle() -> Answers:
    """Nothing, after Blender has handled what the mouse and the keys did."""
    for _ in range(SETTLE_TICKS * 5):
        yield


def redraw() -> Answers:
    """Nothing, after all windows were drawn."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()
    yield from settle()


def hover(window: Any, area: Any, region: Any, x: int, y: int) -> Generator[None, None, list[str]]:
    """What the button at a place says of itself."""
    window.cursor_warp(x, y)
    for _ in range(SETTLE_TICKS):
        yield
    told = []
    with bpy.context.temp_override(window=window, area=area, region=region):
        if bpy.context.property:
            told.append("." + bpy.context.property[1].rpartition(".")[2])
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.context.window_manager.clipboard = ""
            bpy.ops.ui.copy_python_command_button()
            told.append(bpy.context.window_manager.clipboard)
    return told


VERBS = {
    "evaluate": evaluate,
    "execute": execute,
    "wait": wait,
    "find": find,
    "middle": middle,
    "corner": corner,
    "redraw": redraw,
    "settle": settle,
}


class Driver:
    """The connection to the test."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._lines = self._socket.makefile("rwb", buffering=0)
        self._answers: Answers | None = None

    def tick(self) -> float | None:
        """Go on with the request, or take the next; Blender calls it again after what is returned."""
        try:
            if self._answers is None:
                if not select.select([self._socket], [], [], 0)[0]:
                    return TICK
                line = self._lines.readline()
                if not line:
                    return None
                verb, *arguments = json.loads(line)
                self._answers = VERBS[verb](*arguments)
            next(self._answers)
        except StopIteration as end:
            self._answer({"value": end.value})
        except Exception:  # noqa: BLE001 - the test is told all of it
            self._answer({"error": traceback.format_exc()})
        return TICK

    def _answer(self, answer: dict[str, Any]) -> None:
        self._answers = None
        self._lines.write(json.dumps(answer, default=str).encode() + b"\n")


bpy.context.preferences.view.show_splash = False
bpy.context.preferences.system.use_region_overlap = False  # else each lit button draws the scene anew, in software
bpy.app.timers.register(Driver(int(sys.argv[-1])).tick, persistent=True)
