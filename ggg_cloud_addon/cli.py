"""The command ``ggg-cloud``: a thin shell over the engine.

Exit codes: 0 done, 1 something failed, 2 wrong use, 3 a person has to decide.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from . import cloud_storage, headless
from .blender.scene import LINKED_FOLDER, SceneError
from .cli_entry import STOPPED, asks_for_json
from .cli_known import Guard
from .cli_metadata import shown_metadata
from .cli_parser import UsageError, make_parser
from .cli_push import push
from .cli_shown import Answer, StdoutError, bar, complain, is_watched, say, show_batch, show_table, shown_time
from .cli_sync import NEEDS_A_PERSON, as_document, as_table, check_folder, exit_code, run_sync
from .cloud_storage import (
    CloudStorageConfig,
    CloudStorageManager,
    ComponentInfo,
    StorageError,
    StorageSynchronizer,
    SyncConfig,
)
from .cloud_storage.blends import lacking, pull_beside
from .cloud_storage.check import check_storage
from .cloud_storage.errors import ConfigError, InvalidIdError, MassDeleteError, StoreUnavailableError
from .cloud_storage.log import default_log_folder, start_log

log = logging.getLogger(f"{cloud_storage.__name__}.cli")  # below the one that start_log writes down

MARKS = {True: "ok", None: "--", False: "!!"}


def main(arguments: Sequence[str] | None = None, *, offline: str | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: those of the process if left out.
        offline: why no cloud may be used, in a sentence; ``None`` if they may.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal has no letters for
    code = 0
    try:
        code = _run(arguments, offline)
        print(end="", flush=True)
    except OSError as error:  # of stdout: "head" has seen enough, or the disk is full
        if code == 0 and not isinstance(error, BrokenPipeError):
            print(f"The answer cannot be written: {error}.", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor will Python at its exit
        return 1
    return code


def _run(arguments: Sequence[str], offline: str | None) -> int:
    args = argparse.Namespace(json=asks_for_json(list(arguments)), offline=offline)
    try:
        make_parser().parse_args(arguments, args)
        _start_log()
        answer, code = VERBS[args.verb](args)
    except SystemExit as stop:  # --help and --version; in Blender nothing may exit
        return int(stop.code or 0)
    except MassDeleteError as error:
        log.error("Refused: %s", error)
        return _fail(args, str(error), NEEDS_A_PERSON, refused_deletes=error.paths)
    except (StorageError, SceneError, UsageError) as error:
        log.error("Failed: %s", error, exc_info=error)
        return _fail(args, str(error), 2 if isinstance(error, ConfigError | InvalidIdError | UsageError) else 1)
    except (BrokenPipeError, StdoutError):
        raise
    except OSError as error:  # the engine and the scene say theirs: temporary files
        log.error("Failed: %s", error, exc_info=error)
        return _fail(args, f"This machine refuses: {error}.", 1)
    except KeyboardInterrupt:
        return _fail(args, STOPPED, 1)
    if args.json:
        print(json.dumps(answer, indent=2, default=_as_json))
    return int(code)


def _start_log() -> None:
    logging.raiseExceptions = False  # a disk that is full is told once, by the work and not by the log
    try:
        start_log(default_log_folder())
    except StorageError as error:
        print(f"There will be no log: {error}", file=sys.stderr)


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
    config = CloudStorageConfig(**base | {k: v for k, v in given.items() if v is not None})
    if args.offline and config.provider != "mock":
        raise StoreUnavailableError(args.offline)
    return CloudStorageManager(config)


def _demo(args: argparse.Namespace) -> Answer:
    from .demo import run_demo  # late: no other verb needs it

    if args.provider not in (None, "mock") or args.bucket or args.prefix or args.config:
        raise UsageError("The demo runs on the plain folder; of the storage options only --root goes with it.")
    rows, same = run_demo(
        Path(args.input) if args.input else None,
        Path(args.root) if args.root else None,
        lambda text: say(args, text),
    )
    show_table(args, [tuple(row.values()) for row in rows], tuple(rows[0]))
    say(args, "Everything came back as it was." if same else "Something came back changed.")
    return rows, not same


def _push(args: argparse.Namespace) -> Answer:
    return push(args, _manager(args))


def _pull(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    if args.override and not args.link:
        raise UsageError("--override goes with --link.")
    if args.into:
        if args.target:
            raise UsageError("Give either a PATH to write, or --into a scene.")
        if Path(args.into).suffix != ".blend":
            raise UsageError(f'"{args.into}" is no .blend file, and --into saves one.')
        return _pull_into_scene(args, manager)
    if args.link:
        raise UsageError("--link goes with --into.")
    if args.reuse:
        raise UsageError("--reuse goes with --into.")
    target = Path(args.target or ".")
    if target.is_dir() or (args.target or "").endswith(("/", os.sep)):
        target /= args.id.rpartition("/")[2]
    guard = Guard(manager, args)
    info = _download(args, manager, target)
    guard.remember_pull(info, target, is_current=args.version_id is None)
    say(args, f"Pulled {args.id} to {target} ({info.size:,} bytes).")
    beside = pull_beside(guard, args.id, target, lambda: None)
    for each in beside:
        say(args, f"Pulled {each}, which it needs.")
    return {**asdict(info), "path": str(target), "beside": [str(each) for each in beside]}, False


def _pull_into_scene(args: argparse.Namespace, manager: CloudStorageManager) -> Answer:
    into = Path(args.into).resolve()
    name = Path(args.id).name
    manager.key_of(args.id)  # a bad ID is said before it becomes a path
    guard = Guard(manager, args)
    linked = into.parent / LINKED_FOLDER / args.id
    with tempfile.TemporaryDirectory(prefix="ggg_cloud_") as folder:
        path = linked if args.link else Path(folder, name)
        with headless.put_back_on_error(path), contextlib.ExitStack() as stack:
            info = _download(args, manager, path)
            file = path
            if not args.link and path.suffix.lower() == ".blend" and lacking(manager, args.id, path):
                # Its paths are meant from where it lies, and what it needs stays there. As a linked one has its name:
                file = linked.with_suffix(f".{uuid.uuid4().hex[:8]}.blend")
                file.parent.mkdir(parents=True, exist_ok=True)
                stack.callback(file.unlink, missing_ok=True)
                shutil.copyfile(path, file)
            pull_beside(guard, args.id, file, lambda: None)
            objects = headless.load_into(into, file, args.id, link=args.link, override=args.override, reuse=args.reuse)
    guard.remember_pull(info, into, path, is_current=args.version_id is None)
    say(args, f"Pulled {args.id} into {into} ({objects} object{'s' if objects != 1 else ''}).")
    return {**asdict(info), "path": str(into), "objects": objects}, False


def _download(args: argparse.Namespace, manager: CloudStorageManager, target: Path) -> ComponentInfo:
    with bar(args, args.id) as progress:
        return manager.download_component(
            args.id, target, version_id=args.version_id, overwrite=args.overwrite, progress=progress
        )


def _list(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    components = manager.list_components()
    Guard(manager, args).remember_shown(components)
    rows = [(each.component_id, f"{each.size:,}", shown_time(each.modified)) for each in components]
    if rows:
        show_table(args, rows, ("Component", "Bytes", "Modified"))
    else:
        say(args, f"No components in {manager.provider.location}.")
    return [asdict(each) for each in components], False


def _info(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    info = manager.get_info(args.id)
    Guard(manager, args).remember_pull(info, is_current=True)
    answer = asdict(info)
    rows = [(key, value) for key, value in answer.items() if key != "metadata" and value is not None]
    show_table(args, rows + shown_metadata(answer["metadata"]))
    return answer, False


def _delete(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    for component_id in args.ids:
        manager.key_of(component_id)  # a slip in the command deletes nothing
    if args.if_match is not None and len(args.ids) > 1:
        raise UsageError("--if-match goes with one component; delete several one by one.")
    return show_batch(args, Guard(manager, args).delete(args.ids), "Deleted {}.".format)


def _versions(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    versions = manager.list_versions(args.id)
    with contextlib.suppress(StorageError):  # a deleted one has versions all the same
        info = manager.get_info(args.id)
        if any(each.is_current and each.version_id == info.version_id for each in versions):
            Guard(manager, args).remember_shown([info])
    rows = [
        (each.version_id, f"{each.size:,}", shown_time(each.modified), "current" if each.is_current else "")
        for each in versions
    ]
    show_table(args, rows, ("Version", "Bytes", "Modified", ""))
    return [asdict(each) for each in versions], False


def _restore(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    info = Guard(manager, args).restore(args.id, args.version_id)
    say(args, f"Restored {args.id} to its version {args.version_id}.")
    return asdict(info), False


def _sync(args: argparse.Namespace) -> Answer:
    if not Path(args.folder).exists():  # a slip in its name would fetch everything into a new one
        raise UsageError(f'The folder "{args.folder}" does not exist; check the path.')
    given = {
        "direction": args.direction,
        "delete_files": args.delete,
        "overwrite": not args.no_overwrite,
        "file_patterns": args.include,
        "exclude_patterns": args.exclude,
        "conflict": args.conflict,
        "max_delete": args.max_delete,
        "dry_run": args.dry_run,
    }
    config = SyncConfig(local_dir=args.folder, **{k: v for k, v in given.items() if v is not None})
    manager = _manager(args)
    synchronizer = StorageSynchronizer(manager, config)
    watched = is_watched(args)
    result = run_sync(synchronizer, lambda text: say(args, text), watched=watched)
    Guard(manager, args).remember_synced(Path(args.folder), [each.path for each in result.done])
    for sentence in result.missing_promises if watched else ():  # the lines have told it already
        say(args, sentence)
    if args.dry_run and (table := as_table(result.plan)):
        say(args, table)
    say(args, result.get_summary_string())
    return as_document(result) if args.json else None, exit_code(result)


def _share(args: argparse.Namespace) -> Answer:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=args.hours)
    link = _manager(args).share_link(args.id, args.hours * 3600, version_id=args.version_id)
    say(args, link)
    return {"component_id": args.id, "link": link, "ends": ends}, False


def _check(args: argparse.Namespace) -> Answer:
    if args.folder is not None:
        return check_folder(args, _manager(args))
    findings = check_storage(_manager(args), create=args.create, keep_versions=args.keep_versions)
    for each in findings:
        say(args, f"{MARKS[each.ok]}  {each.about:<10}  {each.sentence}")
    return [asdict(each) for each in findings], any(each.ok is False for each in findings)


def _fail(args: argparse.Namespace, sentence: str, code: int, **more: Any) -> int:
    if args.json:
        print(json.dumps({"error": sentence} | more))
    complain(sentence)
    return code


def _as_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


VERBS: Mapping[str, Callable[[argparse.Namespace], Answer]] = {
    "demo": _demo,
    "push": _push,
    "pull": _pull,
    "list": _list,
    "info": _info,
    "delete": _delete,
    "versions": _versions,
    "restore": _restore,
    "sync": _sync,
    "share": _share,
    "check": _check,
}
