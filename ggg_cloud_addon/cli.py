"""The command ``ggg-cloud``: a thin shell over the engine.

Exit codes: 0 done, 1 something failed, 2 wrong use, 3 a person has to decide.
"""

import argparse
import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from . import __version__, headless
from .blender.scene import SceneError
from .cloud_storage import BatchResult, CloudStorageConfig, CloudStorageManager, ComponentInfo, StorageError
from .cloud_storage.errors import ConfigError, InvalidIdError
from .cloud_storage.log import default_log_folder, start_log
from .cloud_storage.transfers import Progress

log = logging.getLogger(__name__)


class UsageError(Exception):
    """The arguments do not fit together; one sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; ``arguments`` are those of the process if left out."""
    parser = _parser()
    try:
        args = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse has said why; in Blender nothing may exit
        return int(stop.code or 0)
    try:
        start_log(default_log_folder())
        answer, failed = args.run(args)
    except (StorageError, SceneError, UsageError) as error:
        log.debug("%s failed", args.verb, exc_info=error)
        return _fail(args, str(error), 2 if isinstance(error, ConfigError | InvalidIdError | UsageError) else 1)
    except KeyboardInterrupt:
        return _fail(args, "Stopped; nothing half-done was left behind.", 1)
    if args.json:
        print(json.dumps(answer, indent=2, default=_as_json))
    return 1 if failed else 0


Answer = tuple[Any, bool]
"""What ``--json`` prints, and whether something failed."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ggg-cloud", description="Keep Blender model components in storage of your own."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    storage = common.add_argument_group("storage (without any: a folder of your own)")
    storage.add_argument("--provider", help="aws, azure or mock, the plain folder")
    storage.add_argument("--root", metavar="FOLDER", help="the plain-folder store's folder")
    storage.add_argument("--bucket", metavar="NAME", help="bucket, container, or folder in the root")
    storage.add_argument("--prefix", help="keep all components below this path")
    storage.add_argument("--endpoint-url", metavar="URL", help="an S3-compatible server or an emulator")
    storage.add_argument("--credentials-file", metavar="FILE", help="JSON with the keys")
    storage.add_argument("--config", metavar="FILE", help="JSON with these settings; the options win over it")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace], Answer], text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, parents=[common], help=text, description=text)
        made.set_defaults(run=run)
        return made

    demo = verb("demo", _demo, "Push a scene, list it, pull it back, and compare what came (needs Blender).")
    demo.add_argument("--input", metavar="FILE.blend", help="use this scene instead of one made for the demo")

    push = verb("push", _push, "Store files, or content of a scene, as components.")
    push.add_argument("files", nargs="*", metavar="FILE", help="files; with content of a scene: its .blend")
    push.add_argument("--id", metavar="ID", help="the component's ID; else the file's name")
    content = push.add_mutually_exclusive_group()
    content.add_argument("--scene", action="store_true", help="push the whole scene (needs Blender)")
    content.add_argument("--collection", metavar="NAME", help="push a collection of the scene (needs Blender)")
    content.add_argument("--selection", action="store_true", help="push the selected objects (needs Blender)")

    pull = verb("pull", _pull, "Fetch a component into a file, or into a scene.")
    pull.add_argument("id", metavar="ID")
    pull.add_argument("target", nargs="?", metavar="PATH", help="file or folder; else a file of the same name here")
    pull.add_argument("--version-id", metavar="VERSION", help="an older version, see: versions")
    pull.add_argument("--overwrite", action="store_true", help="replace a file that has other content")
    pull.add_argument("--into", metavar="FILE.blend", help="append or import it there, and save (needs Blender)")
    pull.add_argument("--link", action="store_true", help="with --into: link to it instead")

    verb("list", _list, "List the components.")
    info = verb("info", _info, "Tell everything about one component.")
    info.add_argument("id", metavar="ID")
    delete = verb("delete", _delete, "Delete components; their content stays among the versions where there are any.")
    delete.add_argument("ids", nargs="+", metavar="ID")
    versions = verb("versions", _versions, "List the versions of a component, newest first.")
    versions.add_argument("id", metavar="ID")
    restore = verb("restore", _restore, "Make an older version the current one.")
    restore.add_argument("id", metavar="ID")
    restore.add_argument("version_id", metavar="VERSION")
    return parser


def _manager(args: argparse.Namespace) -> CloudStorageManager:
    given = {
        "provider": args.provider,
        "root": args.root,
        "bucket_name": args.bucket,
        "prefix": args.prefix,
        "endpoint_url": args.endpoint_url,
        "credentials_file": args.credentials_file,
    }
    base = asdict(CloudStorageConfig.from_file(args.config)) if args.config else {}
    return CloudStorageManager(CloudStorageConfig(**base | {k: v for k, v in given.items() if v is not None}))


def _demo(args: argparse.Namespace) -> Answer:
    from .demo import run_demo  # late: no other verb needs it

    rows, same = run_demo(Path(args.input) if args.input else None, lambda text: _say(args, text))
    _table(args, [tuple(row.values()) for row in rows], tuple(rows[0]))
    _say(args, "Everything came back as it was." if same else "Something came back changed.")
    return rows, not same


def _push(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    if args.scene or args.collection or args.selection:
        return _push_from_scene(args, manager)
    if not args.files:
        raise UsageError("Name a file to push, or say --scene, --collection or --selection.")
    if args.id and len(args.files) > 1:
        raise UsageError("--id goes with one file; push several under their own names.")
    if len(args.files) == 1:
        path = Path(args.files[0])
        return _pushed(args, _upload(args, manager, path, args.id or path.name))
    results = manager.upload_components([(path, Path(path).name) for path in args.files])
    return _batch(args, results, "Pushed")


def _push_from_scene(args: argparse.Namespace, manager: CloudStorageManager) -> Answer:
    if len(args.files) > 1:
        raise UsageError("Name one .blend file whose content is pushed.")
    component_id = args.id or (args.collection or Path(*args.files or ["scene"]).stem) + ".blend"
    manager.key_of(component_id)  # a bad ID is said before the export
    if args.files:
        headless.open_scene(Path(args.files[0]))
    with headless.exported(component_id, collection=args.collection, selection=args.selection) as path:
        return _pushed(args, _upload(args, manager, path, component_id))


def _upload(args: argparse.Namespace, manager: CloudStorageManager, path: Path, component_id: str) -> ComponentInfo:
    with _bar(args, component_id) as progress:
        return manager.upload_component(path, component_id, progress=progress)


def _pushed(args: argparse.Namespace, info: ComponentInfo) -> Answer:
    _say(args, f"Pushed {info.component_id} ({info.size:,} bytes).")
    return asdict(info), False


def _pull(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    if args.into:
        if args.target:
            raise UsageError("Give either a PATH to write, or --into a scene.")
        return _pull_into_scene(args, manager)
    if args.link:
        raise UsageError("--link goes with --into.")
    target = Path(args.target or ".")
    if target.is_dir():
        target /= args.id.rpartition("/")[2]
    info = _download(args, manager, target, overwrite=args.overwrite)
    _say(args, f"Pulled {args.id} to {target} ({info.size:,} bytes).")
    return {**asdict(info), "path": str(target)}, False


def _pull_into_scene(args: argparse.Namespace, manager: CloudStorageManager) -> Answer:
    into = Path(args.into).absolute()
    with tempfile.TemporaryDirectory(prefix="ggg_cloud_") as folder:
        beside = into.parent / headless.LINKED_FOLDER / args.id
        path = beside if args.link else Path(folder, "component" + Path(args.id).suffix)
        info = _download(args, manager, path, overwrite=False)
        if into.exists():
            headless.open_scene(into)
        else:
            headless.empty_scene()
        objects = headless.load(path, args.id, link=args.link)
        headless.save_scene(into)
    _say(args, f"Pulled {args.id} into {into} ({objects} objects).")
    return {**asdict(info), "path": str(into), "objects": objects}, False


def _download(
    args: argparse.Namespace, manager: CloudStorageManager, target: Path, *, overwrite: bool
) -> ComponentInfo:
    with _bar(args, args.id) as progress:
        return manager.download_component(
            args.id, target, version_id=args.version_id, overwrite=overwrite, progress=progress
        )


def _list(args: argparse.Namespace) -> Answer:
    components = _manager(args).list_components()
    rows = [(each.component_id, f"{each.size:,}", _shown_time(each.modified)) for each in components]
    _table(args, rows, ("Component", "Bytes", "Modified"))
    return [asdict(each) for each in components], False


def _info(args: argparse.Namespace) -> Answer:
    answer = asdict(_manager(args).get_info(args.id))
    _table(args, [(key, value) for key, value in answer.items() if value], ())
    return answer, False


def _delete(args: argparse.Namespace) -> Answer:
    results = _manager(args).delete_components(args.ids)
    return _batch(args, results, "Deleted")


def _versions(args: argparse.Namespace) -> Answer:
    versions = _manager(args).list_versions(args.id)
    rows = [
        (each.version_id, f"{each.size:,}", _shown_time(each.modified), "current" if each.is_current else "")
        for each in versions
    ]
    _table(args, rows, ("Version", "Bytes", "Modified", ""))
    return [asdict(each) for each in versions], False


def _restore(args: argparse.Namespace) -> Answer:
    info = _manager(args).restore_version(args.id, args.version_id)
    _say(args, f"Restored {args.id} to its version {args.version_id}.")
    return asdict(info), False


def _batch(args: argparse.Namespace, results: list[BatchResult], done: str) -> Answer:
    for each in results:
        if each.error is None:
            _say(args, f"{done} {each.component_id}.")
        else:
            print(each.error, file=sys.stderr)
    answer = [{"component_id": each.component_id, "error": str(each.error or "") or None} for each in results]
    return answer, not all(each.ok for each in results)


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.json:
        print(text)


def _table(args: argparse.Namespace, rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> None:
    _say(args, tabulate(rows, headers, disable_numparse=True, colalign=("left", "right")[: len(rows and rows[0])]))


def _shown_time(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


@contextlib.contextmanager
def _bar(args: argparse.Namespace, name: str) -> Iterator[Progress]:
    """A progress bar on stderr while a person watches."""
    watched = sys.stderr.isatty() and not args.json
    with tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=not watched) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _fail(args: argparse.Namespace, sentence: str, code: int) -> int:
    if args.json:
        print(json.dumps({"error": sentence}))
    print(sentence, file=sys.stderr)
    return code


def _as_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
