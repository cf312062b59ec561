"""``python -m ggg_cloud_addon``: the same as the command ``ggg-cloud``."""

from .cli_entry import main

if __name__ == "__main__":
    main()
