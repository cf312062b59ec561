"""Where the worker process starts: run by path, as only Blender knows the name that the package has there.

The first line on stdin is a JSON object: ``sys_path`` (Blender's, with the folder of the bundled wheels) and
``log_folder`` (or null for the user's own).
"""

import importlib.util
import json
import sys
import traceback
from pathlib import Path

NAME = "ggg_cloud_addon"


def main() -> None:
    """Load the package that this file lies in, and serve."""
    settings = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = settings["sys_path"]
    home = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location(NAME, home / "__init__.py", submodule_search_locations=[str(home)])
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)
    try:
        server = importlib.import_module(f"{NAME}.worker.server")
    except Exception:  # noqa: BLE001  # what packages raise that do not fit together
        sys.exit(importlib.import_module(f"{NAME}.worker.bundled").advice() or traceback.format_exc())
    server.serve(settings["log_folder"])


if __name__ == "__main__":
    main()
