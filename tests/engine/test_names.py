"""Component IDs: what is accepted is a safe file on every system, the rest is refused before anything is sent."""

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pathvalidate import validate_filename

from ggg_cloud_addon.cloud_storage import CloudStorageManager
from ggg_cloud_addon.cloud_storage.errors import InvalidIdError
from ggg_cloud_addon.cloud_storage.names import PLAIN, check_component_id, fold

BAD = [
    "", ".", "..", "/", "../x", "a/../b", "a/..", "./a", "a/.", "a//b", "a/", "/etc/passwd", "//server/share",
    "\\\\server\\share", "a\\b", "..\\x", "C:", "C:/x", "c:x", "a\0b", "a\nb", "a\x1fb", "a\x7f", 'a"b', "a<b", "a>b",
    "a|b", "a?b", "a*b", "a:b", "CON", "con.blend", "PRN", "aux.blend", "x/NUL/y", "nul.tar.gz", "COM1", "com9.blend",
    "LPT1.fbx", "COM¹.blend", "CON .blend", "CONIN$", "conout$.blend", "a.", "a./b", "a ", "a /b", "a..", "...",
    ".ggg_cloud", ".GGG_Cloud/x", "a/.ggg_store/b", ".ggg_store",
    ".ggg_previews", "a/.GGG_Previews/b", ".arm.0123.ggg_part", ".arm.ggg_part.lock",
    "\ud800", "arm\udcff.blend", "x" * 256, "é" * 128, "a/" * 512 + "a",
]  # fmt: skip
GOOD = [
    "arm.blend", "arm", "robot/left/arm.blend", "Größe ü.blend", "腕.blend", "🤖/💪.blend", ".hidden", "-rf", "~",
    "a b",
    "console.blend", "auxiliary", "nullify.blend", "com.blend", "com10", "a.b.c", "..a", "a..b", "x" * 255, "é" * 127,
    "%2e%2e", "$HOME", "it's (1) [2] {3}", "a/b" * 200, "ggg_cloud", "prefix.con",
]  # fmt: skip


@pytest.mark.parametrize("component_id", BAD, ids=ascii)
def test_a_bad_id_is_refused_before_anything_happens(
    manager: CloudStorageManager, tmp_path: Path, component_id: str
) -> None:
    source = tmp_path / "source.blend"
    source.write_bytes(b"x")
    for act in (
        lambda: manager.upload_component(source, component_id),
        lambda: manager.download_component(component_id, tmp_path / "pulled"),
        lambda: manager.delete_component(component_id),
        lambda: manager.get_info(component_id),
        lambda: manager.list_versions(component_id),
        lambda: manager.restore_version(component_id, "1"),
    ):
        with pytest.raises(InvalidIdError) as caught:
            act()
        said = str(caught.value)
        assert said.endswith(".")
        assert "\0" not in said
        said.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["source.blend"]


@given(st.from_regex(PLAIN, fullmatch=True))
def test_what_is_not_looked_at_closely_would_be_taken(part: str) -> None:
    validate_filename(part, platform="universal")


@pytest.mark.parametrize("component_id", GOOD, ids=ascii)
def test_a_good_id_is_taken_unchanged(component_id: str) -> None:
    assert check_component_id(component_id) == component_id


PIECES = ["é", "e\u0301", "\u202e", "🤖", "\ud800", "con", "NUL", "COM1", ".."]
letters = st.sampled_from([*'aZ. /\\:*?"<>|~$\0\n\x7f', *PIECES])


@given(st.one_of(st.text(), st.lists(letters, max_size=12).map("".join)))
@example("a/b")
@example("con .x")
def test_what_is_accepted_stays_inside_and_is_a_file_everywhere(component_id: str) -> None:
    try:
        check_component_id(component_id)
    except InvalidIdError:
        return
    root = Path("root").absolute()
    joined = Path(os.path.normpath(root / component_id))
    assert joined.relative_to(root).as_posix() == component_id
    windows = PureWindowsPath("C:/root") / component_id
    assert windows.parts[2:] == PurePosixPath(component_id).parts
    assert not windows.is_reserved()
    for part in component_id.split("/"):
        assert part not in ("", ".", "..")
        assert not set(part) & {*'\\:*?"<>|', *map(chr, range(32))}
        assert part[-1] not in ". "
        assert len(part.encode()) <= 255


@given(st.text())
def test_folding_twice_is_folding_once(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Arm", "aRM"), ("é", "e\u0301"), ("É", "e\u0301"), ("Å", "\u212b"), ("ﬁ", "FI"), ("Ω", "\u2126")],
)
def test_twins_have_one_folded_form(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("é", "e"), ("a b", "ab"), ("a/b", "ab"), ("½", "1/2")])
def test_others_have_not(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_prefix_and_id_together_fit_into_a_key(tmp_path: Path) -> None:
    from ggg_cloud_addon.cloud_storage import CloudStorageConfig

    manager = CloudStorageManager(CloudStorageConfig(root=tmp_path, prefix="p" * 200))
    with pytest.raises(InvalidIdError):
        manager.key_of("/".join(["a" * 199] * 5))
