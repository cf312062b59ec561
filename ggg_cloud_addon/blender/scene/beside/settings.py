"""The settings of Blender's own exporters, by the names that they have there."""

import difflib
import math
from collections.abc import Mapping
from typing import Any

import bpy

from .formats import ConvertError

OURS = frozenset(
    {
        # Where it is written, and how many files.
        "filepath", "directory", "filter_glob", "check_existing", "batch_mode", "use_batch_own_dir", "use_batch",
        "OBJ.export_animation", "export_format", "export_texture_dir", "export_keep_originals", "embed_textures",
        "overwrite_textures", "relative_paths", "export_textures", "export_textures_mode", "will_save_settings",
        # What is written.
        "use_selection", "use_visible", "use_renderable", "use_active_collection", "use_active_scene", "collection",
        "use_active_collection_with_nested", "at_collection_center", "export_selected_objects",
        "selected_objects_only", "visible_objects_only",
        # Starts a program of this computer.
        "export_use_gltfpack",
    }
)  # fmt: skip
"""Settings by which an exporter would write elsewhere or something else than what is pushed."""
PATH_MODES = ("COPY", "STRIP")
"""The others name files on this computer."""
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def known_settings(operator: Any, what: str) -> dict[str, Any]:
    """Those that an exporter has; raises ConvertError when this Blender does not have the exporter."""
    try:
        properties = operator.get_rna_type().properties
    except KeyError as error:
        raise ConvertError(f"{what} cannot be written: this Blender was built without it.") from error
    return {each.identifier: each for each in properties if each.identifier != "rna_type"}


def checked(operator: Any, what: str, preset: Mapping[str, object], given: Mapping[str, object]) -> dict[str, Any]:
    """What an exporter is asked for: the settings of a preset, and those that were given, which win.

    A preset of Blender holds all that its dialog shows; what is decided here is left out of it. Raises ConvertError
    for a setting that the exporter does not have, a value that it does not take, or a given one that is decided here.
    """
    known = known_settings(operator, what)

    def is_ours(name: str, value: object) -> bool:
        if name == "path_mode":
            return value not in PATH_MODES
        return bool({name, f"{what}.{name}"} & OURS) or (name in known and known[name].is_skip_save)

    for name, value in given.items():
        if is_ours(name, value):
            raise ConvertError(
                f'The option "{name}" cannot be set to "{value}": a push decides itself what is written, and where.'
            )
    free = {name: value for name, value in preset.items() if not is_ours(name, value)}
    return {name: _read(known, what, name, value) for name, value in {**free, **given}.items()}


def _read(known: Mapping[str, Any], what: str, name: str, given: object) -> Any:
    if name not in known:
        close = difflib.get_close_matches(name, known, 3, 0.5)
        hint = f"; there is {_listed(close)}" if close else ""
        raise ConvertError(f'The {what} exporter of Blender {bpy.app.version_string} has no option "{name}"{hint}.')
    value = _value(known[name], given)
    if value is None:
        raise ConvertError(f'The option "{name}" of {what} cannot be "{given}": it takes {_takes(known[name])}.')
    return value


def _value(setting: Any, given: object) -> Any:
    """What is given as words on a command line too; `None` if it does not fit."""
    match setting.type:
        case "BOOLEAN":
            return given if isinstance(given, bool) else _WORDS.get(str(given).lower())
        case "INT" | "FLOAT":
            try:
                number = int(str(given)) if setting.type == "INT" else float(str(given))
            except ValueError:
                return None
            return number if math.isfinite(number) and setting.hard_min <= number <= setting.hard_max else None
        case "ENUM" if setting.is_enum_flag:
            words = given.split(",") if isinstance(given, str) else given
            flags = {str(each).strip() for each in words} if isinstance(words, list | tuple | set) else {""}
            return flags if flags <= _choices(setting) else None
        case "ENUM":
            return given if given in _choices(setting) else None
    return given if isinstance(given, str) else None


def _choices(setting: Any) -> set[str]:
    return {each.identifier for each in setting.enum_items}


def _takes(setting: Any) -> str:
    if setting.type == "BOOLEAN":
        return "true or false"
    if setting.type in ("INT", "FLOAT"):
        kind = "a whole number" if setting.type == "INT" else "a number"
        return f"{kind} from {setting.hard_min:g} to {setting.hard_max:g}"
    if setting.type == "ENUM":
        some = "some of " if setting.is_enum_flag else ""
        return some + " or ".join(each.identifier for each in setting.enum_items)
    return "text"


def _listed(names: list[str]) -> str:
    return " or ".join(f'"{each}"' for each in names)
