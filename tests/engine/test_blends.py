"""What a .blend file tells without Blender. Blender itself writes the files."""

import gzip
import os
import shutil
import struct
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ggg_cloud_addon.cloud_storage import CloudStorageManager
from ggg_cloud_addon.cloud_storage.blends import (
    BlendError,
    describe,
    lacking,
    needs,
    pull_beside,
    push_beside,
    trace,
)

BLENDER = "5.0"
PIXELS = bytes(range(2 * 3 * 4))
"""Two wide, three high, the lowest row first."""
DAMAGED = [b"", b"BLENDER", b"BLENDER-v4x2", b"\x28\xb5\x2f\xfd....", b"\x1f\x8b", b"x" * 99]
TEXTURES = "Tëxtures [1]"


def compressed(content: bytes) -> bytes:
    """As Blender does it: in several frames."""
    compress = zstandard.ZstdCompressor().compress
    return compress(content[:2000]) + compress(content[2000:])


def with_picture(blend: bytes, width: int = 2, height: int = 3, pixels: bytes = PIXELS) -> bytes:
    """The same .blend file with the block in which Blender saves what the window showed."""
    content = struct.pack("<ii", width, height) + pixels
    block = struct.pack("<4siQqq", b"TEST", 0, 0, len(content), 1) + content
    at = blend.index(b"GLOB")
    return blend[:at] + block + blend[at:]


FORMS = {"plain": lambda content: content, "zstd": compressed, "gzip": gzip.compress}


class TestDescribe:
    @pytest.mark.parametrize(
        ("begin", "version"),
        [
            (b"BLENDER-v402", "4.2"),
            (b"BLENDER_V279", "2.79"),
            (b"BLENDER-v305", "3.5"),
            (b"BLENDER17-01v0500", "5.0"),
            (b"BLENDER17-01v0512", "5.12"),
        ],
    )
    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
    def test_the_version_is_in_the_header(
        self, tmp_path: Path, begin: bytes, version: str, form: Callable[[bytes], bytes]
    ) -> None:
        end = struct.pack("<4siQqq", b"ENDB", 0, 0, 0, 0)
        (tmp_path / "arm.blend").write_bytes(form(begin + end))
        metadata, preview = describe(tmp_path / "arm.blend")
        assert (metadata["blender"], preview) == (version, None)

    @pytest.mark.parametrize("name", ["plain.blend", "small.blend"])
    def test_blenders_own_files(self, blends: Path, name: str) -> None:
        metadata, preview = describe(blends / name)
        assert metadata["blender"] == BLENDER
        assert preview is None  # a Blender without a window saves none

    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
    def test_the_picture_inside_is_the_preview(
        self, blends: Path, tmp_path: Path, form: Callable[[bytes], bytes]
    ) -> None:
        (tmp_path / "arm.blend").write_bytes(form(with_picture((blends / "plain.blend").read_bytes())))
        metadata, preview = describe(tmp_path / "arm.blend")
        assert metadata["blender"] == BLENDER
        assert preview is not None
        assert rows(preview) == [PIXELS[16:24], PIXELS[8:16], PIXELS[:8]]

    def test_no_more_is_read_than_the_picture(self, blends: Path, tmp_path: Path) -> None:
        whole = with_picture((blends / "plain.blend").read_bytes())
        (tmp_path / "arm.blend").write_bytes(whole[: whole.index(b"TEST") + 200])
        assert describe(tmp_path / "arm.blend")[1] is not None

    @pytest.mark.parametrize(("width", "height"), [(0, 3), (-2, -3), (257, 1), (2, 1 << 20), (2, 4)])
    def test_a_picture_that_cannot_be_is_none(self, blends: Path, tmp_path: Path, width: int, height: int) -> None:
        (tmp_path / "arm.blend").write_bytes(with_picture((blends / "plain.blend").read_bytes(), width, height))
        assert describe(tmp_path / "arm.blend")[1] is None

    @pytest.mark.parametrize(
        "content", [b"", b"BLENDER", b"BLENDER-v4x2", b"\x28\xb5\x2f\xfd....", b"\x1f\x8b", b"x" * 99]
    )
    def test_of_a_damaged_file_nothing_is_known(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "arm.blend").write_bytes(content)
        metadata, preview = describe(tmp_path / "arm.blend")
        assert "blender" not in metadata
        assert preview is None

    def test_who_pushes_is_told_of_every_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOGNAME", "Zoë")
        assert describe(tmp_path / "arm.fbx") == ({"author": "Zoë"}, None)


def rows(png: bytes) -> list[bytes]:
    """The pixels of an RGBA picture without filters, from the top."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, found = 8, {}
    while at < len(png):
        size, kind = struct.unpack_from(">I4s", png, at)
        content = png[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size) == (zlib.crc32(kind + content),)
        found[kind] = content
        at += 12 + size
    width, height, *rest = struct.unpack(">IIBBBBB", found[b"IHDR"])
    assert rest == [8, 6, 0, 0, 0]
    lines = zlib.decompress(found[b"IDAT"])
    return [lines[row * (1 + 4 * width) + 1 : (row + 1) * (1 + 4 * width)] for row in range(height)]


class TestTrace:
    @pytest.mark.parametrize("name", ["plain.blend", "small.blend"])
    def test_each_file_is_found_once_through_all_libraries(self, blends: Path, name: str) -> None:
        found = trace(blends / name)
        textures = blends / TEXTURES
        assert {(each.path, each.used_by.name, each.is_missing) for each in found.dependencies} == {
            (textures / "wood.png", name, False),
            (textures / "tiles.1001.png", name, False),
            (textures / "tiles.1002.png", name, False),
            (textures / "frame.0001.png", name, False),
            (textures / "frame.0002.png", name, False),
            (textures / "frame.0003.png", name, False),
            (textures / "empty.png", name, False),
            (textures / "missing.png", name, True),
            (Path("D:/Textures/brick.png"), name, True),
            (blends / "library.blend", name, False),
            (blends / "deep.blend", name, False),
            (textures / "deep.png", "deep.blend", False),
        }
        assert len({each.path for each in found.dependencies}) == len(found.dependencies)
        assert (found.circle, found.unreadable) == ((), ())

    def test_geometry_nodes_hide_nothing(self, blends: Path) -> None:
        """Shade Auto Smooth is enough: where nothing is baked, Blender writes a pointer that leads nowhere."""
        found = trace(blends / "smooth.blend")
        assert {each.path.name for each in found.dependencies} == {"wood.png", "shapes.mdd"}
        assert found.unreadable == ()

    def test_a_fault_in_one_block_costs_what_that_needs(self, blends: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from blender_asset_tracer.trace import blocks2assets

        def fail(block: Any) -> None:
            raise TypeError("A kind of block that BAT does not know yet")

        monkeypatch.setitem(blocks2assets._funcs_for_code, b"OB", fail)
        found = trace(blends / "smooth.blend")
        assert [each.path.name for each in found.dependencies] == ["wood.png"]
        (said,) = needs(blends / "smooth.blend", blends)
        assert 'cannot be told what "OBwood.png" in "smooth.blend" needs' in said

    def test_what_nodes_and_caches_name_is_found(self, blends: Path) -> None:
        found = trace(blends / "nodes.blend")
        assert found.unreadable == ()
        wanted = {f"{TEXTURES}/{name}" for name in ("wood.png", "node.osl", "node.ies", "node.stl")}
        wanted |= {f"{TEXTURES}/clip.000{number}.png" for number in (1, 2)}
        wanted |= {"bakes/12/meta/1.json", "bakes/12/blobs/1.blob", "blendcache_nodes/536F6674_000001_00.bphys"}
        assert {each.path.relative_to(blends).as_posix() for each in found.dependencies} == wanted

    def test_caches_come_with_a_pull_and_are_no_fault_where_there_are_none(
        self, blends: Path, tmp_path: Path, manager: CloudStorageManager
    ) -> None:
        pushed = push_beside(manager, blends / "nodes.blend", "robot/nodes.blend", lambda: None)
        path = tmp_path / "there" / "nodes.blend"
        path.parent.mkdir()
        shutil.copy(blends / "nodes.blend", path)
        assert lacking(manager, "robot/nodes.blend", path) == len(pushed) - 2, "a clip and a bake are one each"
        pulled = pull_beside(manager, "robot/nodes.blend", path, lambda: None)
        assert {f"robot/{each.relative_to(path.parent).as_posix()}" for each in pulled} == set(pushed)
        assert lacking(manager, "robot/nodes.blend", path) == 0
        shutil.rmtree(path.parent / "bakes")
        shutil.rmtree(path.parent / "blendcache_nodes")
        assert needs(path, path.parent) == []
        assert lacking(manager, "elsewhere/nodes.blend", path) == 0

    def test_what_lies_in_the_files_own_folder_is_no_cache(self, blends: Path, tmp_path: Path) -> None:
        content = (blends / "nodes.blend").read_bytes()
        assert content.count(b"//bakes\0") == 1
        (tmp_path / "nodes.blend").write_bytes(content.replace(b"//bakes\0", b"//\0akes\0"))
        (tmp_path / "others" / "work").mkdir(parents=True)
        (tmp_path / "others" / "work" / "arm.png").write_bytes(b"x")
        assert "arm.png" not in [each.path.name for each in trace(tmp_path / "nodes.blend").dependencies]

    def test_a_circle_of_links_ends(self, blends: Path) -> None:
        found = trace(blends / "a.blend")
        assert {each.path.name for each in found.dependencies} == {"wood.png", "b.blend"}
        assert [each.name for each in found.circle] == ["a.blend", "b.blend"]

    def test_a_relative_path_will_do(self, blends: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(blends)
        assert trace(Path("deep.blend")).dependencies[0].path == blends / TEXTURES / "deep.png"

    @pytest.mark.parametrize("content", [*DAMAGED, b"BLENDER-v402"])
    def test_a_damaged_file_is_an_error(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "arm.blend").write_bytes(content)
        with pytest.raises(BlendError, match=r'"arm\.blend" is damaged or no \.blend file; .*\.$'):
            trace(tmp_path / "arm.blend")

    def test_no_damage_makes_it_hang_or_fail_in_another_way(self, blends: Path, tmp_path: Path) -> None:
        whole = (blends / "plain.blend").read_bytes()
        names = whole.index(b"SDNANAME")
        array = whole.index(b"[3]", names)
        block = whole.index(b"GLOB")
        backwards = struct.pack("<4siQqq", b"DATA", 0, 0, -32, 0)
        for damage in (
            whole[: len(whole) // 2],
            whole[:array] + b"]3[" + whole[array + 3 :],
            whole[: names + 8] + b"\xff\xff\xff\x7f" + whole[names + 12 :],
            whole[:block] + backwards + whole[block:],
        ):
            (tmp_path / "arm.blend").write_bytes(damage)
            with pytest.raises(BlendError):
                trace(tmp_path / "arm.blend")

    def test_lists_that_lead_back_end(self, blends: Path, tmp_path: Path) -> None:
        """Each modifier is followed by the next: here the second by the first, for ever."""
        from blender_asset_tracer.blendfile import BlendFile

        shutil.copy(blends / "smooth.blend", tmp_path)
        with BlendFile(tmp_path / "smooth.blend", "rb+") as file:
            (obj,) = [each for each in file.find_blocks_from_code(b"OB") if each.get_pointer((b"modifiers", b"first"))]
            first = obj.get_pointer((b"modifiers", b"first"))
            second = first.get_pointer((b"modifier", b"next"))
            _, offset = second.dna_type.field_from_path(8, (b"modifier", b"next"))
            place = second.file_offset + offset
        with (tmp_path / "smooth.blend").open("rb+") as stream:
            stream.seek(place)
            stream.write(struct.pack("<Q", first.addr_old))
        found = trace(tmp_path / "smooth.blend")
        assert [each.path.name for each in found.dependencies] == ["wood.png"]
        assert 'cannot be told what "OBwood.png"' in str(found.unreadable[0])

    def test_old_files_of_the_other_byte_order_are_read(self, tmp_path: Path) -> None:
        write_big_endian(tmp_path / "old.blend", "//wood.png")
        (tmp_path / "wood.png").write_bytes(b"wood")
        found = trace(tmp_path / "old.blend")
        assert [each.path for each in found.dependencies] == [tmp_path / "wood.png"]
        (said,) = needs(tmp_path / "old.blend", tmp_path)
        assert "which Blender 5 cannot open; save it again in Blender 4.2 to 4.5" in said


def write_big_endian(path: Path, texture: str) -> None:
    """A .blend file as Blender 2.41 wrote it on PowerPC, with one image."""
    names = ["name[24]", "id", "name[240]", "source"]
    types = {"char": 1, "short": 2, "ID": 24, "Image": 24 + 240 + 2 + 2}
    structs = [(2, [(0, 0)]), (3, [(2, 1), (0, 2), (1, 3), (1, 3)])]

    def texts(values: Iterable[str]) -> bytes:
        joined = b"".join(each.encode() + b"\0" for each in values)
        return joined + bytes(-len(joined) % 4)

    dna = b"SDNANAME" + struct.pack(">I", len(names)) + texts(names)
    dna += b"TYPE" + struct.pack(">I", len(types)) + texts(types)
    dna += b"TLEN" + struct.pack(f">{len(types)}H", *types.values())
    dna += b"STRC" + struct.pack(">I", len(structs))
    for kind, fields in structs:
        dna += struct.pack(">HH", kind, len(fields)) + b"".join(struct.pack(">HH", *each) for each in fields)
    image = struct.pack(">24s240shh", b"IMwood", texture.encode(), 1, 1)
    blocks = [(b"GLOB", bytes(24), 0, 1), (b"\0\0IM", image, 1, 1), (b"DNA1", dna, 0, 1), (b"ENDB", b"", 0, 0)]
    content = b"".join(
        struct.pack(">4siIii", code, len(data), 16 * number, kind, count) + data
        for number, (code, data, kind, count) in enumerate(blocks, 1)
    )
    path.write_bytes(b"BLENDER_V241" + content)


class TestNeeds:
    def test_what_is_missing_is_told_in_sentences(self, blends: Path) -> None:
        said = needs(blends / "plain.blend", blends)
        assert len(said) == 3
        by_name = {Path(sentence.split('"')[1]).name: sentence for sentence in said}
        assert f'"{TEXTURES}/missing.png", which "plain.blend" needs, is missing; ' in by_name["missing.png"]
        assert "is empty (0 bytes)" in by_name["empty.png"]
        assert "lies on D:, which is not there" in by_name["brick.png"]

    def test_what_lies_outside_of_the_synced_folder_does_not_go_with_it(self, blends: Path, tmp_path: Path) -> None:
        folder = tmp_path / "synced"
        folder.mkdir()
        (folder / "deep.blend").write_bytes((blends / "deep.blend").read_bytes())
        (tmp_path / TEXTURES).symlink_to(blends / TEXTURES)
        assert "is missing" in needs(folder / "deep.blend", folder)[0]
        (folder / TEXTURES).mkdir()
        (folder / TEXTURES / "deep.png").write_bytes(b"x")
        assert needs(folder / "deep.blend", folder) == []
        (said,) = needs(folder / "deep.blend", folder / "elsewhere")
        assert "lies outside of the folder" in said

    def test_a_file_that_goes_alone_leaves_its_textures_behind(self, blends: Path) -> None:
        (said,) = needs(blends / "library.blend")
        assert '"library.blend" needs 2 files beside it that do not go with it ("deep.blend", "deep.png")' in said
        assert needs(blends / "alone.blend") == []

    def test_a_circle_and_a_damaged_library(self, blends: Path, tmp_path: Path) -> None:
        assert '"a.blend" links to "b.blend" links to "a.blend": a circle' in needs(blends / "a.blend", blends)[0]
        (tmp_path / "library.blend").write_bytes((blends / "library.blend").read_bytes())
        (tmp_path / "deep.blend").write_bytes(b"BLENDER, and then the disk was full")
        (said,) = needs(tmp_path / "library.blend", tmp_path)
        assert said.startswith('"deep.blend" is damaged')

    @pytest.mark.parametrize("content", [b"", b"BLENDER-v402 and then the disk was full"])
    def test_a_damaged_file_is_one_sentence(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "arm.blend").write_bytes(content)
        (said,) = needs(tmp_path / "arm.blend")
        assert said.startswith('"arm.blend" is damaged')

    @pytest.mark.parametrize("name", ["arm.blend", "arm.fbx", "not there.blend", "folder.blend"])
    def test_of_what_is_none_nothing_is_said(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "arm.blend").write_bytes(b"an arm")
        (tmp_path / "arm.fbx").write_bytes(b"BLENDER-v402")
        (tmp_path / "folder.blend").mkdir()
        assert needs(tmp_path / name) == []

    def test_without_zstandard_a_sentence_says_so(self, blends: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "zstandard", None)
        (said,) = needs(blends / "small.blend")
        assert 'needs the package "zstandard"' in said
        assert "blender" not in describe(blends / "small.blend")[0]
        assert trace(blends / "alone.blend").dependencies == ()

    @pytest.mark.parametrize("module", ["blender_asset_tracer", "blender_asset_tracer.trace"])
    def test_without_the_right_tracer_a_sentence_says_so(
        self, module: str, blends: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, module, None)
        (said,) = needs(blends / "plain.blend")
        assert said.startswith('What "plain.blend" needs is not known without "blender-asset-tracer" of version 1; ')


def test_nothing_is_printed(blends: Path, run_child: Callable[..., Any]) -> None:
    """BAT logs what it does not find, and Python prints what nobody else takes."""
    code = (
        "import sys, pathlib; from ggg_cloud_addon.cloud_storage.blends import needs; needs(pathlib.Path(sys.argv[1]))"
    )
    child = run_child(code, blends / "plain.blend", env=os.environ)
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")
