"""What the command tells of a .blend file, without Blender."""

from importlib.metadata import version
from pathlib import Path

import pytest
from shell import Shell

from ggg_cloud_addon.cli_metadata import shown_metadata

BLENDER = ".".join(version("bpy").split(".")[:2])


@pytest.fixture
def blend(shell: Shell, blends: Path) -> Path:
    """One that needs a library, which is not beside it."""
    (shell.work / "library.blend").write_bytes((blends / "library.blend").read_bytes())
    return shell.work / "library.blend"


def test_a_push_tells_what_is_missing_and_is_done(shell: Shell, blend: Path) -> None:
    answer = shell.run("push", blend, "--comment", "Two arms")
    assert (answer.code, answer.out) == (0, f"Pushed library.blend ({blend.stat().st_size:,} bytes).\n")
    (line,) = answer.err.splitlines()
    assert line.startswith('"deep.blend", which "library.blend" needs, is missing; ')


def test_a_push_tells_what_stays_behind(shell: Shell, blends: Path) -> None:
    (line,) = shell.run("push", blends / "deep.blend").err.splitlines()
    assert '"deep.blend" needs 1 file beside it that does not go with it ("deep.png")' in line


@pytest.mark.parametrize("several", [False, True])
def test_json_has_the_same_sentences(shell: Shell, blend: Path, blends: Path, several: bool) -> None:
    files = [blend, blends / "alone.blend"] if several else [blend]
    document = shell.run("push", *files, "--json").check_done().document
    first = document[0] if several else document
    assert "is missing" in first["missing"][0]
    if several:
        assert document[1]["missing"] == []
        assert document[1]["metadata"]["blender"] == BLENDER


def test_what_is_stored_with_it_is_shown_in_words(shell: Shell, blend: Path) -> None:
    shell.run("push", blend, "--comment", "Two arms, new", env={"LOGNAME": "Zoë"})
    shown = dict(line.split(maxsplit=1) for line in shell.run("info", "library.blend").check_done().out.splitlines())
    assert shown["comment"] == "Two arms, new"
    assert shown["pushed"] == "by     Zoë"
    assert shown["saved"] == f"by      Blender {BLENDER}"
    document = shell.run("info", "library.blend", "--json").check_done().document
    assert document["metadata"] == {"author": "Zoë", "blender": BLENDER, "comment": "Two arms, new"}


def test_every_file_has_its_author(shell: Shell) -> None:
    shell.write("a.fbx", b"a")
    shell.write("b.stl", b"b")
    shell.run("push", "a.fbx", "b.stl", "--comment", "new", env={"LOGNAME": "Zoë"}).check_done()
    for name in ("a.fbx", "b.stl"):
        document = shell.run("info", name, "--json").check_done().document
        assert document["metadata"] == {"author": "Zoë", "comment": "new"}


def test_a_damaged_file_is_pushed_and_told(shell: Shell) -> None:
    shell.write("arm.blend", b"BLENDER-v402, and then the disk was full")
    answer = shell.run("push", "arm.blend")
    assert (answer.code, len(answer.err.splitlines())) == (0, 1)
    assert '"arm.blend" is damaged' in answer.err
    assert shell.run("pull", "arm.blend", "back.blend").check_done()


def test_a_sync_tells_it_too(shell: Shell, blend: Path) -> None:
    for arguments in (("--dry-run",), ()):
        answer = shell.run("sync", ".", *arguments).check_done()
        assert 'Note: "deep.blend", which "library.blend" needs, is missing' in answer.out
    blend.write_bytes(blend.read_bytes() + b"saved again")
    (note,) = shell.run("sync", ".", "--json").check_done().document["notes"]
    assert "is missing" in note


def test_metadata_in_words() -> None:
    stored = {
        "vertices": "8214", "objects": "1", "blender": "5.0.1", "bounds": "1.2 0.5 3.1", "units": "METRIC 0.01",
        "zebra": "striped", "materials": "many",
    }  # fmt: skip
    assert shown_metadata(stored) == [
        ("saved by", "Blender 5.0.1"),
        ("objects", "1"),
        ("vertices", "8,214"),
        ("materials", "many"),
        ("extent", "1.2 x 0.5 x 3.1 m"),
        ("units", "metric, 0.01 m each"),
        ("zebra", "striped"),
    ]
    assert shown_metadata({"units": "NONE 1"}) == [("units", "none")]


def test_what_it_needs_goes_and_comes_beside_it(shell: Shell, blends: Path) -> None:
    pushed = shell.run("push", blends / "small.blend", "--id", "robot/small.blend", "--beside")
    assert "stay" not in pushed.err
    assert '"Tëxtures [1]/missing.png", which "small.blend" needs, is missing' in pushed.err
    target = shell.work / "elsewhere"
    pulled = shell.run("pull", "robot/small.blend", target / "small.blend").check_done()
    names = {"wood.png", "tiles.1001.png", "tiles.1002.png", "deep.png", "empty.png"}
    names |= {f"frame.000{number}.png" for number in (1, 2, 3)} | {"library.blend", "deep.blend", "small.blend"}
    assert {each.name for each in target.rglob("*") if each.is_file()} == names
    for each in target.rglob("*.png"):
        assert each.read_bytes() == (blends / each.relative_to(target)).read_bytes()
    assert "wood.png, which it needs" in pulled.out
    again = shell.run("push", target / "small.blend", "--id", "robot/small.blend", "--beside")
    assert again.out.count("Pushed") == 1, "only what the storage lacks is sent"


def test_nothing_is_pulled_that_lies_elsewhere(shell: Shell, blends: Path) -> None:
    shell.run("push", blends / "inner" / "outside.blend", "--id", "outside.blend", "--beside")
    assert shell.run("list").check_done().out.count(".png") == 0


@pytest.fixture
def gltf(shell: Shell) -> Path:
    """With a buffer and a picture of its own."""
    shell.write("model/arm.bin", b"bytes")
    shell.write("model/maps/wood 1.png", b"picture")
    text = '{"buffers":[{"uri":"arm.bin"}],"images":[{"uri":"maps/wood%201.png"}]}'
    return shell.write("model/arm.gltf", text.encode())


def test_a_gltf_tells_what_stays_behind_and_takes_it_along_if_asked(shell: Shell, gltf: Path) -> None:
    answer = shell.run("push", gltf, "--id", "robot/arm.gltf")
    (line,) = answer.err.splitlines()
    assert line.startswith('"arm.gltf" needs 2 files beside it that do not go with it ("arm.bin", "wood 1.png"); ')
    assert shell.run("push", gltf, "--id", "robot/arm.gltf", "--json").document["missing"] == [line]
    pushed = shell.run("push", gltf, "--id", "robot/arm.gltf", "--beside")
    assert (pushed.code, pushed.err) == (0, "")
    assert pushed.out.splitlines()[:2] == ["Pushed robot/arm.bin.", "Pushed robot/maps/wood 1.png."]
    pulled = shell.run("pull", "robot/arm.gltf", "back/arm.gltf", "--json").check_done()
    assert pulled.document["beside"] == [str(shell.work / "back" / each) for each in ("arm.bin", "maps/wood 1.png")]
    for name in ("arm.gltf", "arm.bin", "maps/wood 1.png"):
        assert (shell.work / "back" / name).read_bytes() == (gltf.parent / name).read_bytes()


def test_a_sync_tells_it_of_a_gltf_too(shell: Shell, gltf: Path) -> None:
    (note,) = shell.run("sync", "model", "--json").check_done().document["notes"]
    assert note.startswith(
        '"arm.gltf" needs 1 file beside it that does not go with it ("wood 1.png"); let "*.png" take'
    )
