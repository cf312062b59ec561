"""Where the Blender beside the open one starts: run by path, as only the open one knows the package's name."""

import importlib.util
import sys
from pathlib import Path

NAME = "ggg_cloud_beside"


def main() -> None:
    """Load the package that knows scenes, and do what the request asks."""
    home = Path(__file__).resolve().parents[1]
    spec = importlib.util.spec_from_file_location(NAME, home / "__init__.py", submodule_search_locations=[str(home)])
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)
    importlib.import_module(f"{NAME}.beside.work").main()


if __name__ == "__main__":
    main()
