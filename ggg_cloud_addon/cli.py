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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from . import cloud_storage, headless
from .blender.scene import LINKED_FOLDER, SceneError
from .blender.scene.export_options import ExportOptions
from .cli_metadata import shown_metadata
from .cli_parser import UsageError, make_parser
from .cli_sync import NEEDS_A_PERSON, as_document, as_table, exit_code, run_sync
from .cloud_storage import (
    BatchResult,
    CloudStorageConfig,
    CloudStorageManager,
    ComponentInfo,
    StorageError,
    StorageSynchronizer,
    SyncConfig,
)
from .cloud_storage.blends import describe, needs, pull_beside, push_beside
from .cloud_storage.check import check_storage
from .cloud_storage.errors import ConfigError, InvalidIdError, MassDeleteError, StoreUnavailableError
from .cloud_storage.log import default_log_folder, start_log
from .cloud_storage.metadata import COMMENT
from .cloud_storage.transfers import Progress

log = logging.getLogger(f"{cloud_storage.__name__}.cli")  # below the one that start_log writes down

Answer = tuple[Any, int]
"""What ``--json`` prints, and the exit code."""

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
    code = 1
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
    args = argparse.Namespace(json="--json" in arguments, offline=offline)
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
    except BrokenPipeError:
        raise
    except OSError as error:  # the engine and the scene say theirs: temporary files, or a full disk for stdout
        log.error("Failed: %s", error, exc_info=error)
        return _fail(args, f"This machine refuses: {error}.", 1)
    except KeyboardInterrupt:
        return _fail(args, "Stopped; nothing half-done was left behind.", 1)
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
        lambda text: _say(args, text),
    )
    _table(args, [tuple(row.values()) for row in rows], tuple(rows[0]))
    _say(args, "Everything came back as it was." if same else "Something came back changed.")
    return rows, not same


def _push(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    if args.scene or args.collection is not None or args.selection:
        return _push_from_scene(args, manager)
    if not args.files:
        raise UsageError("Name a file to push, or say --scene, --collection or --selection.")
    if args.id is not None and len(args.files) > 1:
        raise UsageError("--id goes with one file; push several under their own names.")
    if len(args.files) == 1:
        path = Path(args.files[0])
        component_id = path.name if args.id is None else args.id
        manager.key_of(component_id)  # a bad ID is said first
        if args.beside:
            for each in push_beside(manager, path, component_id, lambda: None):
                _say(args, f"Pushed {each}.")
        missing = _told_missing(args, path, path.parent if args.beside else None)
        return _pushed(args, _upload(args, manager, path, component_id, *_about(args, path)), missing)
    if args.beside:
        raise UsageError("--beside goes with one file; push several one by one.")
    names = [Path(path).name for path in args.files]
    for name, count in Counter(names).items():
        if count > 1:
            raise UsageError(f'More than one file would become "{name}"; push them one by one with --id.')
    told = {name: _told_missing(args, Path(path)) for path, name in zip(args.files, names, strict=True)}
    results = manager.upload_components(zip(args.files, names, strict=True), describe=lambda path: _about(args, path))
    answer, failed = _batch(args, results, "Pushed")
    return [each | {"missing": told[each["component_id"]]} for each in answer], failed


def _push_from_scene(args: argparse.Namespace, manager: CloudStorageManager) -> Answer:
    if len(args.files) > 1:
        raise UsageError("Name one .blend file whose content is pushed.")
    component_id = args.id
    if component_id is None:
        component_id = (args.collection or Path(*args.files or ["scene"]).stem) + ".blend"
    manager.key_of(component_id)  # a bad ID is said before the export
    if args.files:
        headless.open_scene(Path(args.files[0]))
    elif not headless.has_open_scene():
        raise UsageError("No scene is open; name the .blend file whose content is pushed.")
    files = "BESIDE" if args.beside else "LEAVE" if args.no_pack else "PACK"
    options = ExportOptions(files=files, allow_missing=args.allow_missing)
    with headless.exported(
        component_id, collection=args.collection, selection=args.selection, options=options, comment=args.comment or ""
    ) as made:
        for problem in made.missing:
            print(f"Without it: {problem}.", file=sys.stderr)
        if args.beside:
            push_beside(manager, made.path, component_id, lambda: None)
        info = _upload(args, manager, made.path, component_id, made.metadata, made.preview)
        return _pushed(args, info, [f"{problem}." for problem in made.missing])


def _upload(
    args: argparse.Namespace,
    manager: CloudStorageManager,
    path: Path,
    component_id: str,
    metadata: Mapping[str, str],
    preview: bytes | None,
) -> ComponentInfo:
    with _bar(args, component_id) as progress:
        return manager.upload_component(path, component_id, metadata=metadata, preview=preview, progress=progress)


def _about(args: argparse.Namespace, path: Path) -> tuple[dict[str, str], bytes | None]:
    """Metadata and preview to store with a file."""
    metadata, preview = describe(path)
    return metadata | ({COMMENT: args.comment} if args.comment else {}), preview


def _told_missing(args: argparse.Namespace, path: Path, folder: Path | None = None) -> list[str]:
    """What a file needs and leaves behind, or ``folder`` if that goes too; a person hears it before it is sent."""
    missing = needs(path, folder)
    if not args.json:
        for sentence in missing:
            print(sentence, file=sys.stderr)
    return missing


def _pushed(args: argparse.Namespace, info: ComponentInfo, missing: list[str]) -> Answer:
    _say(args, f"Pushed {info.component_id} ({info.size:,} bytes).")
    return asdict(info) | {"missing": missing}, False


def _pull(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    if args.into:
        if args.target:
            raise UsageError("Give either a PATH to write, or --into a scene.")
        if Path(args.into).suffix != ".blend":
            raise UsageError(f'"{args.into}" is no .blend file, and --into saves one.')
        return _pull_into_scene(args, manager)
    if args.link:
        raise UsageError("--link goes with --into.")
    target = Path(args.target or ".")
    if target.is_dir() or (args.target or "").endswith(("/", os.sep)):
        target /= args.id.rpartition("/")[2]
    info = _download(args, manager, target, overwrite=args.overwrite)
    _say(args, f"Pulled {args.id} to {target} ({info.size:,} bytes).")
    beside = pull_beside(manager, args.id, target, lambda: None)
    for each in beside:
        _say(args, f"Pulled {each}, which it needs.")
    return {**asdict(info), "path": str(target), "beside": [str(each) for each in beside]}, False


def _pull_into_scene(args: argparse.Namespace, manager: CloudStorageManager) -> Answer:
    into = Path(args.into).resolve()
    name = Path(args.id).name
    manager.key_of(args.id)  # a bad ID is said before it becomes a path
    with tempfile.TemporaryDirectory(prefix="ggg_cloud_") as folder:
        path = into.parent / LINKED_FOLDER / args.id if args.link else Path(folder, name)
        with headless.put_back_on_error(path):
            info = _download(args, manager, path, overwrite=args.overwrite)
            objects = headless.load_into(into, path, args.id, link=args.link)
    _say(args, f"Pulled {args.id} into {into} ({objects} object{'s' if objects != 1 else ''}).")
    return {**asdict(info), "path": str(into), "objects": objects}, False


def _download(
    args: argparse.Namespace, manager: CloudStorageManager, target: Path, *, overwrite: bool
) -> ComponentInfo:
    with _bar(args, args.id) as progress:
        return manager.download_component(
            args.id, target, version_id=args.version_id, overwrite=overwrite, progress=progress
        )


def _list(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    components = manager.list_components()
    rows = [(each.component_id, f"{each.size:,}", _shown_time(each.modified)) for each in components]
    if rows:
        _table(args, rows, ("Component", "Bytes", "Modified"))
    else:
        _say(args, f"No components in {manager.provider.location}.")
    return [asdict(each) for each in components], False


def _info(args: argparse.Namespace) -> Answer:
    answer = asdict(_manager(args).get_info(args.id))
    rows = [(key, value) for key, value in answer.items() if key != "metadata" and value is not None]
    _table(args, rows + shown_metadata(answer["metadata"]))
    return answer, False


def _delete(args: argparse.Namespace) -> Answer:
    manager = _manager(args)
    for component_id in args.ids:
        manager.key_of(component_id)  # a slip in the command deletes nothing
    results = manager.delete_components(args.ids)
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


def _sync(args: argparse.Namespace) -> Answer:
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
    synchronizer = StorageSynchronizer(_manager(args), config)
    is_watched = _is_watched(args)
    result = run_sync(synchronizer, lambda text: _say(args, text), watched=is_watched)
    for sentence in result.missing_promises if is_watched else ():  # the lines have told it already
        _say(args, sentence)
    if args.dry_run and (table := as_table(result.plan)):
        _say(args, table)
    _say(args, result.get_summary_string())
    return as_document(result) if args.json else None, exit_code(result)


def _share(args: argparse.Namespace) -> Answer:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=args.hours)
    link = _manager(args).share_link(args.id, args.hours * 3600, version_id=args.version_id)
    _say(args, link)
    return {"component_id": args.id, "link": link, "ends": ends}, False


def _check(args: argparse.Namespace) -> Answer:
    findings = check_storage(_manager(args), create=args.create, keep_versions=args.keep_versions)
    for each in findings:
        _say(args, f"{MARKS[each.ok]}  {each.about:<10}  {each.sentence}")
    return [asdict(each) for each in findings], any(each.ok is False for each in findings)


def _batch(args: argparse.Namespace, results: list[BatchResult], done: str) -> Answer:
    for each in results:
        if each.error is None:
            _say(args, f"{done} {each.component_id}.")
        else:
            print(each.error, file=sys.stderr)
    answer = [
        {"component_id": each.component_id}
        | (vars(each.info) if each.info else {})
        | {"error": str(each.error) if each.error else None}
        for each in results
    ]
    return answer, not all(each.ok for each in results)


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.json:
        print(text)


def _table(args: argparse.Namespace, rows: Sequence[Sequence[Any]], headers: Sequence[str] = ()) -> None:
    align = ["right" if name == "Bytes" else "left" for name in headers] or None
    style = "simple" if headers else "plain"
    from tabulate import tabulate  # late: it takes a tenth of a command's start

    _say(args, tabulate(rows, headers, style, disable_numparse=True, colalign=align))


def _shown_time(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


@contextlib.contextmanager
def _bar(args: argparse.Namespace, name: str) -> Iterator[Progress | None]:
    """A progress bar on stderr while a person watches."""
    if not _is_watched(args):
        yield None
        return
    from tqdm import tqdm  # late, as tabulate above

    columns, rows = shutil.get_terminal_size()  # where a terminal does not know, tqdm itself would show nothing
    with tqdm(desc=name, unit="B", unit_scale=True, leave=False, ncols=columns, nrows=rows) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _is_watched(args: argparse.Namespace) -> bool:
    """Whether a person looks at the terminal."""
    return sys.stderr.isatty() and not args.json


def _fail(args: argparse.Namespace, sentence: str, code: int, **more: Any) -> int:
    if args.json:
        print(json.dumps({"error": sentence} | more))
    print(sentence, file=sys.stderr)
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
