"""What .gltf and .obj files need: their own files go and come with them, and a hostile one costs nothing."""

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ggg_cloud_addon.cloud_storage import CloudStorageManager
from ggg_cloud_addon.cloud_storage.blends import BlendError, lacking, needs, pull_beside, push_beside, trace
from ggg_cloud_addon.cloud_storage.blends.exchange import MAX_FILES, WINDOW

GLTF = {
    "asset": {"version": "2.0"},
    "buffers": [{"uri": "arm.bin", "byteLength": 3}, {"uri": "data:application/octet-stream;base64,AAAA"}],
    "images": [{"uri": "maps/W%C3%B6od%20%5B1%5D.png"}, {"uri": "maps/W%C3%B6od%20%5B1%5D.png"}, {"bufferView": 0}],
}


def write(path: Path, content: bytes | str | dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def gltf(tmp_path: Path) -> Path:
    """With a buffer and a picture of its own."""
    write(tmp_path / "here/arm.bin", b"abc")
    write(tmp_path / "here/maps/Wöod [1].png", b"picture")
    return write(tmp_path / "here/arm.gltf", GLTF)


@pytest.fixture
def obj(tmp_path: Path) -> Path:
    """With a material file that names two textures."""
    write(tmp_path / "here/arm parts.mtl", "newmtl a\nmap_Kd -s 1 1 1 maps/a b.png\r\n\tbump -bm 0.5 -clamp on b.png\n")
    write(tmp_path / "here/maps/a b.png", b"a")
    write(tmp_path / "here/b.png", b"b")
    return write(tmp_path / "here/arm.obj", "# mtllib not.mtl\nmtllib arm parts.mtl\nv 0 0 0\nusemtl a\n")


def names(path: Path) -> list[str]:
    return [each.path.relative_to(path.parent).as_posix() for each in trace(path).dependencies]


def test_a_gltf_names_its_buffers_and_pictures_once(gltf: Path) -> None:
    assert names(gltf) == ["arm.bin", "maps/Wöod [1].png"]
    assert needs(gltf, gltf.parent) == []


def test_an_obj_needs_what_its_material_files_name(obj: Path) -> None:
    assert names(obj) == ["arm parts.mtl", "maps/a b.png", "b.png"]


def test_only_the_json_of_a_binary_gltf_counts(gltf: Path) -> None:
    text = json.dumps(GLTF).encode()
    head = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + 100, len(text), 0x4E4F534A)
    path = write(gltf.with_suffix(".glb"), head + text + b'"uri":"in the buffer.png"')
    assert names(path) == ["arm.bin", "maps/Wöod [1].png"]


@pytest.mark.parametrize("kind", ["gltf", "obj"])
def test_it_says_what_does_not_go_with_it(kind: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(kind)
    (said,) = needs(path)
    assert f'"arm.{kind}" needs {2 if kind == "gltf" else 3} files beside it that do not go with it' in said
    assert "--beside" in said
    (path.parent / "b.png").unlink(missing_ok=True)
    (path.parent / "arm.bin").unlink(missing_ok=True)
    name = "arm.bin" if kind == "gltf" else "b.png"
    assert any(f'"{name}", which' in each and "is missing; put it back" in each for each in needs(path))


@pytest.mark.parametrize("kind", ["gltf", "obj"])
def test_what_it_needs_goes_and_comes_beside_it(
    kind: str, request: pytest.FixtureRequest, manager: CloudStorageManager, tmp_path: Path
) -> None:
    path: Path = request.getfixturevalue(kind)
    needed = names(path)
    component_id = f"robot/arm.{kind}"
    assert push_beside(manager, path, component_id, lambda: None) == [f"robot/{each}" for each in needed]
    manager.upload_component(path, component_id)
    assert push_beside(manager, path, component_id, lambda: None) == [], "it is there already"
    target = tmp_path / "there" / path.name
    manager.download_component(component_id, target)
    assert lacking(manager, component_id, target) > 0
    pulled = pull_beside(manager, component_id, target, lambda: None)
    assert [each.relative_to(target.parent).as_posix() for each in pulled] == needed
    assert lacking(manager, component_id, target) == 0
    for each in needed:
        assert (target.parent / each).read_bytes() == (path.parent / each).read_bytes()


OUTSIDE = ["../secret.png", "maps/../../secret.png", "%2e%2e/secret.png", "/etc/secret.png", "..", ".", "a/"]


def test_nothing_goes_or_comes_outside_of_its_folder(manager: CloudStorageManager, tmp_path: Path) -> None:
    write(tmp_path / "secret.png", b"mine")
    manager.upload_component(tmp_path / "secret.png", "secret.png")
    uris = [*OUTSIDE, str(tmp_path / "secret.png"), "https://example.org/a.png", "file:///etc/passwd", "x\x00.png"]
    path = write(tmp_path / "here/arm.gltf", {"images": [{"uri": each} for each in uris]})
    assert push_beside(manager, path, "robot/arm.gltf", lambda: None) == []
    assert not any("https" in each or "passwd" in each for each in needs(path)), "nobody looks there for a file"
    (tmp_path / "secret.png").unlink()
    assert pull_beside(manager, "robot/arm.gltf", path, lambda: None) == []
    assert [*path.parent.iterdir()] == [path]
    assert not (tmp_path / "secret.png").exists()


def test_nothing_hidden_is_fetched(manager: CloudStorageManager, tmp_path: Path) -> None:
    uris = [".profile", ".config/autostart/a.desktop", "maps/.wood.png"]
    for each in uris:
        manager.upload_component(write(tmp_path / "other", each), each)
    path = write(tmp_path / "here/arm.gltf", {"images": [{"uri": each} for each in uris]})
    assert pull_beside(manager, "arm.gltf", path, lambda: None) == []
    assert [*path.parent.iterdir()] == [path]


def hostile_gltfs() -> dict[str, Callable[[], bytes]]:
    many = ",".join(f'{{"uri":"{number}.png"}}' for number in range(100_000))
    return {
        "many files": lambda: f'{{"images":[{many}]}}'.encode(),
        "deep": lambda: b'{"images":' * 500_000 + b'{"uri":"a.png"}',
        "a long name": lambda: b'{"images":[{"uri":"' + b"a" * 9_000_000 + b'"}]}',
        "spaces": lambda: b'"uri"' + b" " * 9_000_000,
        "escapes": lambda: b'"uri":"' + b'\\"uri\\":\\"' * 900_000,
        "begins": lambda: b'"uri":"' * 1_000_000,
    }


@pytest.mark.parametrize("kind", list(hostile_gltfs()))
def test_a_hostile_gltf_costs_neither_time_nor_requests(
    kind: str, manager: CloudStorageManager, tmp_path: Path
) -> None:
    path = write(tmp_path / "arm.gltf", hostile_gltfs()[kind]())
    begin = time.process_time()
    assert pull_beside(manager, "arm.gltf", path, lambda: None) == []
    said = needs(path)
    assert time.process_time() - begin < 10
    if kind == "many files":
        (sentence,) = said
        assert sentence.startswith(f'"arm.gltf" names more than {MAX_FILES:,} files')


def test_many_material_files_are_as_bounded(tmp_path: Path) -> None:
    for number in range(2):
        write(
            tmp_path / f"{number}.mtl", "".join(f"map_Kd {number}-{each}.png\n" for each in range(MAX_FILES * 3 // 4))
        )
    path = write(tmp_path / "arm.obj", "mtllib 0.mtl\nmtllib 1.mtl\n")
    with pytest.raises(BlendError, match="names more than"):
        trace(path)


@pytest.mark.parametrize("before", [WINDOW - 30, WINDOW - 4, 2 * WINDOW - 10, 30 * WINDOW])
def test_a_name_is_found_wherever_it_stands(before: int, tmp_path: Path) -> None:
    data = '{"uri":"data:a;base64,' + "A" * (before - 40) + '"}'
    path = write(tmp_path / "arm.gltf", f'{{"buffers":[{data},{{"uri" : "arm \\u00e4.bin"}}]}}')
    assert names(path) == ["arm ä.bin"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"images": [{"uri": 3}]}', '{"images": [{"uri": "\\ud800.png"}]}'])
def test_of_a_broken_one_nothing_is_wrong_but_it(content: str, tmp_path: Path) -> None:
    path = write(tmp_path / "arm.gltf", content)
    assert all("is missing" in each for each in needs(path))
    assert needs(tmp_path / "none.gltf") == []
