"""A Blender with a window, driven from outside: real processes, real clicks."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("driver.py")
ADDON = "bl_ext.user_default.ggg_cloud_addon"
WIDTH, HEIGHT = 1600, 1100
START_SECONDS = 120
STOP_SECONDS = 20
ANSWER_SECONDS = 300
NEEDED_TOOLS = ("Xvfb", "xdotool", "import")


def python_of(blender: Path) -> str:
    """Which Python a Blender runs, as ``3.13``."""
    said = _run([blender, "--background", "--factory-startup", "--python-expr", "import sys; print(sys.version)"])
    found = re.search(r"^(3\.\d+)\.", said, re.MULTILINE)
    assert found, said
    return found[1]


def install(blender: Path, resources: Path, extension: Path) -> None:
    """Install and enable an extension into a user folder, as ``blender --command`` does it."""
    command = [blender, "--command", "extension", "install-file", "-r", "user_default", "--enable", extension]
    _run(command, env=os.environ | {"BLENDER_USER_RESOURCES": str(resources)})


def build_extension(python: str, output: Path) -> Path:
    """The zip for this machine and this Python."""
    options = ["--platform", "linux-x64", "--python", python, "--output-dir", output]
    _run([sys.executable, ROOT / "build_addon.py", *options])
    (path,) = output.glob("*.zip")
    return path


def _run(command: list[Any], **options: Any) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextlib.contextmanager
def display() -> Iterator[str]:
    """A screen that nobody sees; the answer is its name."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader) as lines:
            yield f":{int(lines.readline())}"
    finally:
        server.terminate()
        server.wait()


class Window:
    """One Blender under test."""

    def __init__(self, blender: Path, resources: Path, display: str, pictures: Path, **variables: str) -> None:
        self._pictures = pictures
        self._environment = os.environ | {
            "DISPLAY": display,
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "BLENDER_USER_RESOURCES": str(resources),
            **variables,
        }
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(START_SECONDS)
            options = ["--online-mode", "-noaudio", "--window-geometry", "0", "0", str(WIDTH), str(HEIGHT)]
            command = [blender, *options, "--python", DRIVER, "--", str(server.getsockname()[1])]
            self.log = (resources / "blender.log").open("w+")
            self.process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT
            )
            self._connection, _ = server.accept()
        self._connection.settimeout(ANSWER_SECONDS)
        self._lines = self._connection.makefile("rwb", buffering=0)

    def ask(self, *request: Any) -> Any:
        """Let the driver do something.

        Raises:
            AssertionError: it failed in Blender; the text is the traceback there.
        """
        self._lines.write(json.dumps(request).encode() + b"\n")
        line = self._lines.readline()
        assert line, f"Blender ended:\n{Path(self.log.name).read_text()}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, on Blender's main thread."""
        return self.ask("evaluate", expression)

    def execute(self, statements: str) -> None:
        """Run statements there."""
        self.ask("execute", statements)

    def wait(self, expression: str, seconds: float = 30) -> Any:
        """Wait for an expression to become true, and return its value."""
        return self.ask("wait", expression, seconds)

    def show_sidebar(self) -> None:
        """Open the sidebar on the add-on's tab, wide and with all its panels in view."""
        self.execute(
            "area = next(a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == 'VIEW_3D')\n"
            "area.spaces.active.show_region_ui = True\n"
            "sidebar = next(r for r in area.regions if r.type == 'UI')\n"
            "def show_tab():\n"
            "    try:\n"
            "        sidebar.active_panel_category = 'GGG Cloud'\n"
            "    except TypeError:  # not drawn yet, so that it knows no tabs\n"
            "        return False\n"
            "    return sidebar.active_panel_category == 'GGG Cloud'\n"
        )
        self.wait("show_tab()")

    def find(self, what: str, area: str = "VIEW_3D", region: str = "UI") -> tuple[int, int]:
        """Where on the screen a button is, by the beginning of the call or of the property that it stands for."""
        x, y = self.ask("find", what, area, region)
        return x, y

    def click(self, what: str, area: str = "VIEW_3D", region: str = "UI", below: int = 0) -> None:
        """Click a button with the mouse; ``below`` pixels under it, for the lines of a list."""
        x, y = self.find(what, area, region)
        self._xdotool("mousemove", str(x), str(y + below))
        self._xdotool("click", "1")

    def fill(self, what: str, text: str, area: str = "VIEW_3D", region: str = "UI") -> None:
        """Paste into a text field."""
        self.click(what, area, region)
        self.execute(f"bpy.context.window_manager.clipboard = {text!r}")
        for keys in ("ctrl+a", "ctrl+v", "Return"):
            self._xdotool("key", keys)

    def press(self, *keys: str, over: str = "VIEW_3D") -> None:
        """Press keys, by their X11 names, with the mouse in the middle of an area of this type."""
        x, y = self.ask("middle", over)
        self._xdotool("mousemove", str(x), str(y))
        self._xdotool("key", *keys)

    def drag(self, source: tuple[str, int, int], target: tuple[str, int, int]) -> None:
        """Drag with the mouse: both are an area's type, and pixels right of and below its upper left corner."""
        (x, y), (to_x, to_y) = (
            (left + right, top + below)
            for area, right, below in (source, target)
            for left, top in [self.ask("corner", area)]
        )
        self._xdotool("mousemove", str(x), str(y))
        self._xdotool("mousedown", "1")
        for share in (0.01, 0.02, 0.04, 0.5, 0.98, 1):  # a drag begins above what is dragged
            self._xdotool("mousemove", str(round(x + (to_x - x) * share)), str(round(y + (to_y - y) * share)))
        self._xdotool("mouseup", "1")

    def open_preferences(self) -> None:
        """Open the add-on's page from the sidebar, in a window as large as the screen."""
        self.click("bpy.ops.preferences.addon_show")
        self.wait("len(bpy.context.window_manager.windows) == 2")
        self._xdotool("search", "--sync", "--name", "Preferences", "windowmove", "0", "0", "windowsize", "1000", "1100")
        self.wait("bpy.context.window_manager.windows[1].height > 1000")

    def close_preferences(self) -> None:
        """Close that window."""
        self.execute(
            "with bpy.context.temp_override(window=bpy.context.window_manager.windows[1]): bpy.ops.wm.window_close()"
        )
        self.wait("len(bpy.context.window_manager.windows) == 1")

    def key(self, *keys: str) -> None:
        """Press keys where the mouse is, as in a menu that has just opened."""
        self._xdotool("key", *keys)

    def _xdotool(self, *arguments: str) -> None:
        subprocess.run(["xdotool", *arguments], env=self._environment, check=True, stdout=subprocess.DEVNULL)
        self.ask("settle")

    def picture(self, name: str) -> Path:
        """Take a picture of the screen."""
        path = self._pictures / f"{name}.png"
        self.ask("redraw")
        subprocess.run(["import", "-window", "root", path], env=self._environment, check=True)
        return path

    def quit(self) -> int:
        """End Blender as its menu does; the answer is its exit code."""
        self.execute("bpy.app.timers.register(bpy.ops.wm.quit_blender, first_interval=0.01)")
        return self.process.wait(STOP_SECONDS)

    def close(self) -> None:
        """Make sure that it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self._lines.close()
        self._connection.close()
        self.log.close()
