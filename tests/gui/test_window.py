"""An artist's walk through the sidebar, with a real mouse in a real window."""

from pathlib import Path

from conftest_types import OpenWindow
