"""What the command ``ggg-cloud`` takes: its verbs and their options."""

import argparse
from typing import NoReturn

from . import __version__
from .blender.scene.export_options import PRESETS
from .cloud_storage.sync.config import CONFLICT_POLICIES, DIRECTIONS

_PRESET_HELP = f"options of an exporter for a program: {', '.join(PRESETS)}; or one saved in Blender's own dialog"
YEAR = 366 * 24
"""Hours."""


class UsageError(Exception):
    """The arguments do not fit together; one sentence."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f'{self.prog}: {message}; see "{self.prog} --help".')


def make_parser() -> argparse.ArgumentParser:
    """The parser; the name of the verb is in ``verb`` of what it gives."""
    parser = _Parser(
        prog="ggg-cloud", description="Keep Blender model components in storage of your own.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    common = _Parser(add_help=False)
    for each in (parser, common):  # before the verb and after it; without a default, as the one would undo the other's
        help_text = "print one JSON document, and nothing else"
        each.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=help_text)
    storage = common.add_argument_group("storage (without any: a folder of your own)")
    storage.add_argument("--provider", help="aws, azure or mock, the plain folder")
    storage.add_argument("--root", type=_path, metavar="FOLDER", help="the plain-folder store's folder")
    storage.add_argument("--bucket", metavar="NAME", help="bucket, container, or folder in the root")
    storage.add_argument("--prefix", help="keep all components below this path")
    storage.add_argument("--endpoint-url", metavar="URL", help="an S3-compatible server or an emulator")
    storage.add_argument("--credentials-file", type=_path, metavar="FILE", help="JSON with the keys")
    storage.add_argument(
        "--config", type=_path, metavar="FILE", help="JSON with these settings; the options win over it"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, parents=[common], help=text, description=text, allow_abbrev=False)

    demo = verb("demo", "Push a scene, list it, pull it back, and compare what came (needs Blender).")
    demo.add_argument(
        "--input", type=_path, metavar="FILE.blend", help="use this scene instead of one made for the demo"
    )

    push = verb("push", "Store files, or content of a scene, as components.")
    push.add_argument("files", nargs="*", type=_path, metavar="FILE", help="files; with content of a scene: its .blend")
    push.add_argument("--id", metavar="ID", help="the component's ID; else the file's name")
    content = push.add_mutually_exclusive_group()
    content.add_argument("--scene", action="store_true", help="push the whole scene (needs Blender)")
    content.add_argument("--collection", metavar="NAME", help="push a collection of the scene (needs Blender)")
    content.add_argument("--selection", action="store_true", help="push the selected objects (needs Blender)")

    _guard_options(push, "push over").add_argument(
        "--if-absent", action="store_true", help="only if it is not stored yet"
    )
    push.add_argument("--comment", metavar="TEXT", help="kept with the component, see: info")
    needed = push.add_mutually_exclusive_group()
    needed.add_argument("--beside", action="store_true", help="what it needs becomes components beside it")
    needed.add_argument("--no-pack", action="store_true", help="leave textures and libraries of a scene where they are")
    push.add_argument("--no-asset", action="store_true", help="do not mark a .blend of a scene for the asset browser")
    push.add_argument("--tags", metavar="TAGS", help="of the asset, with commas between them")
    push.add_argument("--allow-missing", action="store_true", help="push a scene without the files that are missing")

    push.add_argument("--export-preset", metavar="NAME", help=_PRESET_HELP)
    push.add_argument(
        "--export-option",
        action="append",
        type=_setting,
        metavar="NAME=VALUE",
        help="of Blender's exporter for the format, by its Python name, such as use_triangles=true; again for more",
    )

    pull = verb("pull", "Fetch a component into a file, or into a scene.")
    pull.add_argument("id", metavar="ID")
    pull.add_argument(
        "target", nargs="?", type=_path, metavar="PATH", help="file or folder; else a file of the same name here"
    )
    pull.add_argument("--version-id", metavar="VERSION", help="an older version, see: versions")
    pull.add_argument("--overwrite", action="store_true", help="replace a file that has other content")
    pull.add_argument(
        "--into", type=_path, metavar="FILE.blend", help="append or import it there, and save (needs Blender)"
    )
    pull.add_argument("--link", action="store_true", help="with --into: link to it instead, as an instance")
    pull.add_argument(
        "--override", action="store_true", help="with --link: as library overrides, which can be posed and changed"
    )
    pull.add_argument("--reuse", action="store_true", help="with --into: materials and the like do not come twice")

    verb("list", "List the components.")
    info = verb("info", "Tell everything about one component.")
    info.add_argument("id", metavar="ID")
    delete = verb("delete", "Delete components; their content stays among the versions where there are any.")
    delete.add_argument("ids", nargs="+", metavar="ID")
    _guard_options(delete, "delete")
    versions = verb("versions", "List the versions of a component, newest first.")
    versions.add_argument("id", metavar="ID")
    restore = verb("restore", "Make an older version the current one.")
    restore.add_argument("id", metavar="ID")
    restore.add_argument("version_id", metavar="VERSION")
    _guard_options(restore, "restore over")
    sync = verb("sync", "Make a folder and the storage the same, both ways, and lose nothing.")
    sync.add_argument("folder", type=_path, metavar="FOLDER")
    sync.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    sync.add_argument("--direction", choices=DIRECTIONS, help="else both")
    sync.add_argument("--delete", action="store_true", help="what was deleted on one side is deleted on the other")
    sync.add_argument("--max-delete", type=float, metavar="SHARE", help="so much may one run delete; else 0.25")
    sync.add_argument("--no-overwrite", action="store_true", help="replace nothing, only add")
    sync.add_argument("--conflict", choices=CONFLICT_POLICIES, help="when both sides changed a file; else keep_both")
    sync.add_argument(
        "--include", action="append", metavar="PATTERN", help='such as "*.blend"; again for more; else all models'
    )
    sync.add_argument("--exclude", action="append", metavar="PATTERN", help='such as "wip/*"; again for more')
    share = verb("share", "Print a link by which anybody can fetch a component for some time; a cloud has such.")
    share.add_argument("id", metavar="ID")
    share.add_argument("--hours", type=_hours, default=24, metavar="N", help="how long it lasts; else 24")
    share.add_argument("--version-id", metavar="VERSION", help="an older version, see: versions")
    check = verb("check", "Try out what the storage can do, or compare a synced folder with it by content.")
    check.add_argument(
        "folder", nargs="?", type=_path, metavar="FOLDER", help="read every file and object, and say what differs"
    )
    check.add_argument("--create", action="store_true", help="make the bucket or container first, private")
    check.add_argument("--keep-versions", action="store_true", help="first switch on that old versions are kept")
    return parser


def _guard_options(verb: argparse.ArgumentParser, act: str) -> argparse._MutuallyExclusiveGroup:
    """The options of a verb that replaces or removes what is stored."""
    options = verb.add_mutually_exclusive_group()
    options.add_argument("--force", action="store_true", help=f"{act} what somebody else has stored, too")
    options.add_argument("--if-match", metavar="ETAG", help=f"only {act} the version with this ETag, see: info")
    return options


def _path(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty; is a variable of your script not set?")
    return text


def _setting(text: str) -> str:
    if not text.partition("=")[0].isidentifier() or "=" not in text:
        raise argparse.ArgumentTypeError(f'"{text}" is not of the form NAME=VALUE')
    return text


def _hours(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) <= YEAR):
        raise argparse.ArgumentTypeError(f'"{text}" is no number of hours from 1 to {YEAR:,}')
    return int(text)
