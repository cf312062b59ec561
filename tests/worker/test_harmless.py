"""What lies in a store under anybody's hand reaches Blender's window small, of the right type and in one line."""

import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hostile_store import fill
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import GREY, HOSTILE, PICTURE, bomb, chunk, head, lying, png, rows

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager
from ggg_cloud_addon.cloud_storage.metadata import version_of
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.worker.client import JobError, WorkerClient
from ggg_cloud_addon.worker.harmless import (
    MAX_KEY,
    MAX_VALUE,
    UNSHOWN,
    is_shown,
    shown_metadata,
    shown_text,
    small_png,
)

GOOD = {
    "ours": (PICTURE, PICTURE),
    "grey of 16 bits": (png(head(1, 1, 16, 0), rows([bytes(3)])), None),
    "largest": (png(head(256, 256), rows([bytes(1025)] * 256)), None),
    "palette": (
        png(head(4, 1, 2, 3), chunk(b"PLTE", bytes(range(6))), chunk(b"tRNS", b"\x7f"), rows([b"\0\x1b"])),
        png(head(4, 1, 2, 3), chunk(b"PLTE", bytes(range(6)) + bytes(6)), chunk(b"tRNS", b"\x7f"), rows([b"\0\x1b"])),
    ),
    "with words and what is behind": (
        png(head(4, 1, 8, 0), chunk(b"tEXt", b"secret"), chunk(b"iCCP", bytes(999)), rows([GREY])) + b"more",
        png(head(4, 1, 8, 0), rows([GREY])),
    ),
    "in pieces": (
        png(head(4, 1, 8, 0), *(chunk(b"IDAT", bytes([each])) for each in zlib.compress(GREY))),
        png(head(4, 1, 8, 0), rows([GREY])),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_small_png_is_left_out(name: str) -> None:
    assert small_png(HOSTILE[name]) is None


@pytest.mark.parametrize("name", GOOD)
def test_a_small_png_keeps_its_pixels_and_nothing_else(name: str) -> None:
    given, written = GOOD[name]
    assert small_png(given) == (written or given)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(PICTURE) - 1), st.binary(max_size=8), st.integers(0, 8))
def test_no_damage_raises(at: int, other: bytes, gone: int) -> None:
    written = small_png(PICTURE[:at] + other + PICTURE[at + gone :])
    assert written is None or small_png(written) == written


LIMITED = """
import pathlib, resource, sys
from ggg_cloud_addon.worker.harmless import small_png
contents = [pathlib.Path(each).read_bytes() for each in sys.argv[1:]]
used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20),) * 2)
print([small_png(each) for each in contents])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures by /proc")
def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb())
    (tmp_path / "lying.png").write_bytes(lying(1 << 30))
    (tmp_path / "pieces.png").write_bytes(png(head(4, 1), *[chunk(b"IDAT", b"x")] * 70_000))
    for each in tmp_path.iterdir():
        assert each.stat().st_size < 1 << 20 or each.name == "lying.png"
    done = subprocess.run([sys.executable, "-c", LIMITED, *sorted(tmp_path.iterdir())], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[None, None, None]", "")


TEXTS: list[tuple[Any, str]] = [
    ("Für Mira", "Für Mira"),
    ("क्\u200cष 👩\u200d🚀", "क्\u200cष 👩\u200d🚀"),
    ("a\r\n\x1b[2Jb\0", "a [2Jb "),
    ("exe.\u202egnp", "exe. gnp"),
    ("\ud800 lone", "  lone"),
    ("x" * 99_999, "x" * MAX_VALUE),
    (7, ""),
    (None, ""),
    ([["deep"]], ""),
]


@pytest.mark.parametrize(("given", "shown"), TEXTS)
def test_texts_are_one_line_of_bounded_length(given: Any, shown: str) -> None:
    assert shown_text(given) == shown


def test_metadata_are_few_and_texts() -> None:
    assert shown_metadata({"a\n": "b\n", "c": 1, "d": {"e": "f"}, 7: "x"}) == {"a ": "b ", "": "x"}
    assert len(shown_metadata({str(number): "x" for number in range(99_999)})) <= 64
    for wrong in (None, [], "text", 3):
        assert shown_metadata(wrong) == {}


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("robot/arm.blend", True), ("a\nb.blend", False), ("Größe 👩\u200d🚀.fbx", True), ("\u202eb", False)],
)
def test_ids_that_break_a_line_are_not_listed(name: str, is_one: bool) -> None:
    assert is_shown(name) is is_one


@pytest.mark.parametrize("version", ["9" * 9999 + ".0", "²." + "³", "5.", "", "5.0" + "1" * 9999])
def test_no_version_raises(version: str) -> None:
    assert version_of({"blender": version}) is None


class TestInTheWorker:
    """One hostile object costs itself and nothing else."""

    @pytest.fixture
    def hostile(self, config: dict[str, Any], tmp_path: Path) -> FolderProvider:
        manager = CloudStorageManager(CloudStorageConfig(**config))
        (tmp_path / "arm.blend").write_bytes(b"the arm")
        for name in (*HOSTILE, "good"):
            manager.upload_component(tmp_path / "arm.blend", f"{name}.blend", preview=HOSTILE.get(name, PICTURE))
        provider = manager.provider
        assert isinstance(provider, FolderProvider)
        return provider

    def test_only_good_pictures_reach_the_cache(
        self, worker: WorkerClient, config: dict[str, Any], hostile: FolderProvider, tmp_path: Path
    ) -> None:
        items = [[f"{name}.blend", "etag"] for name in (*HOSTILE, "good")]
        cache = tmp_path / "cache"
        found = worker.submit("about", config, items=items, folder=str(cache)).wait()
        assert [name for name, (picture, _) in found.items() if picture] == ["good.blend"]
        assert [path.read_bytes() for path in cache.glob("*.png")] == [PICTURE]
        for name, _ in items[:3]:
            assert worker.submit("details", config, component_id=name, folder=str(cache)).wait()["preview"] is None

    def test_hostile_records_cost_themselves(
        self, worker: WorkerClient, config: dict[str, Any], tmp_path: Path
    ) -> None:
        names = fill(Path(config["root"]))
        listed = worker.submit("list", config).wait()["rows"]
        assert [name for name, *_ in listed] == sorted([*names, "good.blend"])
        items = [[name, "token"] for name in (*names, "good.blend")]
        found = worker.submit("about", config, items=items, folder=str(tmp_path / "cache")).wait()
        assert found["good.blend"][0] is not None
        for name in names:
            metadata = found[name][1]
            assert all(len(key) <= MAX_KEY and len(value) <= MAX_VALUE for key, value in metadata.items()), name
            assert not any(UNSHOWN.search(each) for pair in metadata.items() for each in pair), name
            try:
                details = worker.submit("details", config, component_id=name, folder=str(tmp_path / "cache")).wait()
            except JobError as error:
                assert str(error).startswith("A record of the store is damaged; move ")  # noqa: PT017
            else:
                assert len(json.dumps(details)) < 150_000, name
                assert all(isinstance(details["info"][key], str | None) for key in ("etag", "version_id", "sha256"))

    def test_no_sentence_is_long_or_breaks_a_line(self, worker: WorkerClient, config: dict[str, Any]) -> None:
        with pytest.raises(JobError) as raised:
            worker.submit("upload", config, path="none/" + "x\n" * 9999, component_id="a.blend").wait()
        assert 1000 < len(str(raised.value)) <= MAX_VALUE
        assert not UNSHOWN.search(str(raised.value))
