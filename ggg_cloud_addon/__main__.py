"""``python -m ggg_cloud_addon``: the same as the command ``ggg-cloud``."""

import sys

from .cli import main

sys.exit(main())
