"""The user's Blender folders, which all extensions share: what is in them, to be compared before and after."""

from pathlib import Path

Found = dict[str, tuple[int, ...]]


def found_in(folder: Path) -> Found:
    """Every file with all that changes when it is written, even with the same bytes; every folder by its name.

    Python's own caches are left out: Blender keeps one beside each module that it imports.
    """
    return {
        str(path.relative_to(folder)): _traces(path)
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts and not path.is_socket()
    }


def _traces(path: Path) -> tuple[int, ...]:
    seen = path.lstat()
    return () if path.is_dir() else (seen.st_ino, seen.st_mode, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def changed(before: Found, after: Found) -> set[str]:
    """What is new, gone or was written."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
