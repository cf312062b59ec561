"""``ggg-cloud push``: files, or content of a scene, become components."""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import headless
from .blender.scene.export_options import ExportOptions, parsed_settings
from .cli_known import Guard, Push, info_of, one_by_one
from .cli_parser import UsageError
from .cli_shown import Answer, bar, complain, say, show_batch
from .cloud_storage import BatchResult, CloudStorageManager, ComponentInfo
from .cloud_storage.blends import describe, needs, push_beside
from .cloud_storage.metadata import COMMENT
from .cloud_storage.providers.base import Condition

SAME = "{} is already stored with this content, so nothing was sent."


def push(args: argparse.Namespace, manager: CloudStorageManager) -> Answer:
    """Push what the arguments say."""
    if args.scene or args.collection is not None or args.selection:
        return _push_from_scene(args, manager)
    if args.export_preset or args.export_option:
        raise UsageError("--export-preset and --export-option go with --scene, --collection or --selection.")
    if not args.files:
        raise UsageError("Name a file to push, or say --scene, --collection or --selection.")
    if len(args.files) > 1:
        return _push_several(args, manager)
    path = Path(args.files[0])
    component_id = path.name if args.id is None else args.id
    manager.key_of(component_id)  # a bad ID is said first
    guard = Guard(manager, args)
    if args.beside:
        for each in push_beside(guard, path, component_id, lambda: None):
            say(args, f"Pushed {each}.")
    missing = _told_missing(args, path, path.parent if args.beside else None)
    return _push_one(args, manager, guard, Push(path, component_id, path), *_about(args, path), missing)


def _push_several(args: argparse.Namespace, manager: CloudStorageManager) -> Answer:
    for option, given in (("--id", args.id), ("--if-match", args.if_match), ("--beside", args.beside or None)):
        if given is not None:
            raise UsageError(f"{option} goes with one file; push several one by one.")
    pushes = [Push(Path(each), Path(each).name, Path(each)) for each in args.files]
    paths = {each.component_id: each.path for each in pushes}
    for name, count in Counter(each.component_id for each in pushes).items():
        if count > 1:
            raise UsageError(f'More than one file would become "{name}"; push them one by one with --id.')
    told = {each.component_id: _told_missing(args, each.path) for each in pushes}

    def upload(ids: Sequence[str], conditions: Mapping[str, Condition]) -> list[BatchResult]:
        items = [(paths[each], each) for each in ids]
        return manager.upload_components(items, conditions=conditions, describe=lambda path: _about(args, path))

    results, same = Guard(manager, args).push(pushes, upload)
    answer, failed = show_batch(args, results, lambda each: SAME.format(each) if each in same else f"Pushed {each}.")
    more = [{"already_stored": each["component_id"] in same, "missing": told[each["component_id"]]} for each in answer]
    return [each | about for each, about in zip(answer, more, strict=True)], failed


def _push_from_scene(args: argparse.Namespace, manager: CloudStorageManager) -> Answer:
    if len(args.files) > 1:
        raise UsageError("Name one .blend file whose content is pushed.")
    component_id = args.id
    if component_id is None:
        component_id = (args.collection or Path(*args.files or ["scene"]).stem) + ".blend"
    manager.key_of(component_id)  # a bad ID is said before the export
    scene = Path(args.files[0]) if args.files else headless.open_scene_path()
    if args.files:
        headless.open_scene(Path(args.files[0]))
    elif scene is None:
        raise UsageError("No scene is open; name the .blend file whose content is pushed.")
    files = "BESIDE" if args.beside else "LEAVE" if args.no_pack else "PACK"
    options = ExportOptions(
        files=files,
        allow_missing=args.allow_missing,
        asset=not args.no_asset,
        tags=args.tags or "",
        comment=args.comment or "",
        preset=args.export_preset or "",
        settings=parsed_settings(args.export_option or ()),
    )
    parts = headless.parts(component_id, collection=args.collection, selection=args.selection, preset=options.preset)
    if parts[0][0] == component_id:
        return _push_part(args, manager, scene, options, *parts[0])
    if args.if_match is not None:
        raise UsageError("--if-match goes with one component, and this preset makes several.")
    for part_id, _ in parts:
        manager.key_of(part_id)
    return [_push_part(args, manager, scene, options, *each)[0] for each in parts], False


def _push_part(
    args: argparse.Namespace,
    manager: CloudStorageManager,
    scene: Path | None,
    options: ExportOptions,
    component_id: str,
    content: Any,
) -> Answer:
    guard = Guard(manager, args)
    with headless.exported(component_id, content, options=options) as made:
        for problem in made.missing:
            complain(f"Without it: {problem}.")
        if made.told and not args.json:
            complain(made.told)
        if args.beside:
            push_beside(guard, made.path, component_id, lambda: None)
        missing = [f"{problem}." for problem in made.missing]
        answer, code = _push_one(
            args, manager, guard, Push(made.path, component_id, scene), made.metadata, None, missing
        )
        answer |= {"left_out": list(made.left_out)}
        # What is stored is stored: a picture may take its time, or fail.
        if not answer["already_stored"] and (picture := made.picture()):
            manager.put_preview(component_id, picture)
        return answer, code


def _push_one(
    args: argparse.Namespace,
    manager: CloudStorageManager,
    guard: Guard,
    given: Push,
    metadata: Mapping[str, str],
    preview: bytes | None,
    missing: list[str],
) -> Answer:
    def uploaded(condition: Condition) -> ComponentInfo:
        with bar(args, given.component_id) as progress:
            return manager.upload_component(
                given.path,
                given.component_id,
                metadata=metadata,
                condition=condition,
                preview=preview,
                progress=progress,
            )

    (result,), same = guard.push([given], one_by_one(uploaded))
    info = info_of(result)
    if same:
        say(args, SAME.format(info.component_id))
    else:
        say(args, f"Pushed {info.component_id} ({info.size:,} bytes).")
    return asdict(info) | {"already_stored": bool(same), "missing": missing}, False


def _about(args: argparse.Namespace, path: Path) -> tuple[dict[str, str], bytes | None]:
    """Metadata and preview to store with a file."""
    metadata, preview = describe(path)
    return metadata | ({COMMENT: args.comment} if args.comment else {}), preview


def _told_missing(args: argparse.Namespace, path: Path, folder: Path | None = None) -> list[str]:
    """What a file needs and leaves behind, or ``folder`` if that goes too; a person hears it before it is sent."""
    missing = needs(path, folder)
    if not args.json:
        for sentence in missing:
            complain(sentence)
    return missing
