"""Blenders with a window for the tests.

``GGG_CLOUD_BLENDER`` names the Blender, an artist's own or the one that ``.ci/blender-window`` prepares. Pictures are
kept in the folder ``GGG_CLOUD_SCREENSHOTS``.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import window
from neighbour import install_neighbour
from window import Window

LAID_OUT = {
    "config/bookmarks.txt": "[Bookmarks]\n",
    "scripts/startup/mine.py": "def register(): ...\n",
    "datafiles/studiolights/world/mine.exr": "",
}
"""What users keep in Blender's folders."""
OpenWindow = Callable[..., Window]
HOW = "set GGG_CLOUD_BLENDER to a Blender 4.2 or newer; .ci/blender-window prepares one"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it so that nobody takes it for tested."""
    if "GGG_CLOUD_BLENDER" not in os.environ:
        terminalreporter.section("NOT TESTED: a Blender with a window", sep="!", red=True, bold=True)
        terminalreporter.line(f"tests/gui was skipped; {HOW}.")


@pytest.fixture(scope="session")
def blender() -> Path:
    """The Blender under test. One that is named has to be there; none is no failure on a developer's machine."""
    if "GGG_CLOUD_BLENDER" not in os.environ:
        pytest.skip(HOW)
    path = shutil.which(os.environ["GGG_CLOUD_BLENDER"])
    missing = [tool for tool in window.NEEDED_TOOLS if not shutil.which(tool)]
    assert path, f"There is no {os.environ['GGG_CLOUD_BLENDER']}; {HOW}."
    assert not missing, f"{' and '.join(missing)} must be installed: Xvfb, xdotool, ImageMagick."
    return Path(path)


@pytest.fixture(scope="session")
def display(blender: Path) -> Iterator[str]:
    """A screen that nobody sees."""
    with window.display() as name:
        yield name


@pytest.fixture(scope="session")
def installed(blender: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user folder of Blender with the built zip installed and enabled; for tests to copy."""
    folder = tmp_path_factory.mktemp("installed")
    extension = window.build_extension(window.python_of(blender), folder)
    window.install(blender, folder / "resources", extension)
    return folder / "resources"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures of the window are kept."""
    folder = Path(os.environ.get("GGG_CLOUD_SCREENSHOTS", tmp_path / "pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def resources(installed: Path, tmp_path: Path) -> Path:
    """A user folder of Blender of the test's own."""
    return Path(shutil.copytree(installed, tmp_path / "resources", symlinks=True))


@pytest.fixture
def folders(blender: Path, resources: Path, tmp_path: Path) -> Path:
    """A user folder of the test's own, with what the user and another extension keep there too."""
    install_neighbour(blender, resources, tmp_path)
    for name, content in LAID_OUT.items():
        path = resources / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return resources


@pytest.fixture
def open_window(
    blender: Path, display: str, resources: Path, pictures: Path, request: pytest.FixtureRequest
) -> Iterator[OpenWindow]:
    """Start Blender with the add-on and open its sidebar tab. If the test fails, a picture is taken."""
    opened: list[Window] = []

    def open_(**variables: str) -> Window:
        opened.append(Window(blender, resources, display, pictures, **variables))
        opened[-1].show_sidebar()
        return opened[-1]

    failed = request.session.testsfailed
    yield open_
    for each in opened:
        if request.session.testsfailed > failed and each.process.poll() is None:
            each.picture(f"failed-{request.node.name}")
        each.close()
