"""The zips are complete and Blender takes them; a wheel that is not as pinned stops the build.

Each test of a failure runs the real script in a copy of the repository with only a few packages in it, and
breaks that. The repository's own vendor/ is the cache: only its first use needs a network.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[2]
TARGETS = [
    "linux-x64-py311",
    "windows-x64-py311",
    "macos-arm64-py311",
    "macos-x64-py311",
    "linux-x64-py313",
    "windows-x64-py313",
    "macos-arm64-py313",
]
# Which wheels Blender's own platform names stand for; deliberately not taken from build_addon.py.
NATIVE = {
    "linux-x64": r"manylinux(2014|_2_(1[7-9]|2[0-8]))_x86_64",
    "windows-x64": r"win_amd64",
    "macos-arm64": r"macosx_(10_\d+|11_0)_(arm64|universal2)",
    "macos-x64": r"macosx_(10_\d+|11_0)_(x86_64|universal2)",
}
MARKERS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
}


def run(root: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the build script of the repository at ``root`` as a person would."""
    command = [sys.executable, root / "build_addon.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)


@pytest.fixture(scope="session")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All seven zips, built once by the plain command, by the end of their names."""
    dist = tmp_path_factory.mktemp("dist")
    done = run(ROOT, "--output-dir", dist)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    version = tomllib.loads((ROOT / "blender_manifest.toml").read_text("utf-8"))["version"]
    found = {path.stem.removeprefix(f"ggg_cloud_addon-{version}-"): path for path in dist.iterdir()}
    assert sorted(found) == sorted(TARGETS)
    return found


@pytest.fixture
def project(zips: dict[str, Path], tmp_path: Path) -> Path:
    """A small repository to break: a real manifest and script, one pure, one native, one Windows package."""
    root = tmp_path / "project"
    (root / "vendor").mkdir(parents=True)
    (root / "ggg_cloud_addon").mkdir()
    for name in ("build_addon.py", "blender_manifest.toml", "LICENSE", "ggg_cloud_addon/__init__.py"):
        shutil.copy(ROOT / name, root / name)
    pins = re.split(r"\n(?=\S)", (ROOT / "vendor/requirements.txt").read_text("utf-8"))
    few = [pin for pin in pins if pin.startswith(("six==", "cffi==", "colorama=="))]
    (root / "vendor/requirements.txt").write_text("\n".join(few) + "\n", "utf-8")
    for pattern in ("six-*", "cffi-*", "colorama-*"):
        for wheel in (ROOT / "vendor").glob(pattern):
            shutil.copy(wheel, root / "vendor")
    return root


def wheel_of(root: Path, pattern: str) -> Path:
    (wheel,) = (root / "vendor").glob(pattern)
    return wheel


def pin_as_it_is(root: Path, wheel: Path, old_hash: str) -> None:
    """Let the pins allow the file as it is now."""
    pins = root / "vendor/requirements.txt"
    text = pins.read_text("utf-8")
    assert old_hash in text
    pins.write_text(text.replace(old_hash, sha256(wheel)), "utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refusal(root: Path, *arguments: str) -> str:
    """Build without a network, see that it fails without a trace of a zip, and return the one sentence."""
    failed = run(root, *arguments, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert failed.returncode == 1, failed.stdout
    assert [path for path in root.rglob("*.zip") if path.is_file()] == []
    assert list(root.rglob("*.part")) == []
    (line,) = failed.stderr.splitlines()
    assert line.startswith("build_addon.py: ")
    return line


def metadata(wheel: Path) -> tuple[list[Requirement], SpecifierSet]:
    """Return what a wheel says that it needs: packages, and Python."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        headers = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    needs = [Requirement(line) for line in headers.get_all("Requires-Dist", [])]
    return needs, SpecifierSet(headers.get("Requires-Python", ""))


# What is in the zips


def test_linux_zip_holds_the_package_manifest_licence_and_wheels_and_nothing_else(
    zips: dict[str, Path],
) -> None:
    package = ROOT / "ggg_cloud_addon"
    files = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    with zipfile.ZipFile(zips["linux-x64-py311"]) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        wheels = [name for name in names if re.fullmatch(r"wheels/[^/]+\.whl", name)]
        expected = {path.relative_to(package).as_posix() for path in files}
        assert "__init__.py" in expected
        assert set(names) == expected | {"blender_manifest.toml", "LICENSE", *wheels}
        assert len(names) == len(set(names))
        assert archive.read("LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert archive.read("__init__.py") == (package / "__init__.py").read_bytes()
        for name in wheels:
            assert archive.read(name) == (ROOT / "vendor" / Path(name).name).read_bytes()


@pytest.mark.parametrize("target", TARGETS)
def test_manifest_is_the_source_with_platform_wheels_and_version_range(zips: dict[str, Path], target: str) -> None:
    platform, python = target.rsplit("-", 1)
    versions = {
        "py311": {"blender_version_min": "4.2.0", "blender_version_max": "5.1.0"},
        "py313": {"blender_version_min": "4.3.2"},
    }
    source = tomllib.loads((ROOT / "blender_manifest.toml").read_text("utf-8"))
    with zipfile.ZipFile(zips[target]) as archive:
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode("utf-8"))
        packed = sorted(f"./{name}" for name in archive.namelist() if name.startswith("wheels/"))
    assert manifest.pop("wheels") == packed
    assert manifest == source | versions[python] | {"platforms": [platform]}


def bundled(path: Path) -> dict[str, str]:
    """Return the wheels in a zip by the names of their packages."""
    with zipfile.ZipFile(path) as archive:
        names = [Path(name).name for name in archive.namelist() if name.endswith(".whl")]
    wheels = {str(parse_wheel_filename(name)[0]): name for name in names}
    assert len(wheels) == len(names), "two wheels of one package"
    return wheels


@pytest.mark.parametrize("target", TARGETS)
def test_every_pinned_package_has_a_wheel_that_fits(zips: dict[str, Path], target: str) -> None:
    platform, python = target.rsplit("-py", 1)
    wheels = bundled(zips[target])
    pins = (ROOT / "vendor/requirements.txt").read_text("utf-8")
    expected = {canonicalize_name(name) for name in re.findall(r"^[\w.-]+(?===)", pins, re.MULTILINE)}
    assert set(wheels) == expected - (set() if platform == "windows-x64" else {"colorama"})
    for name in wheels.values():
        tags = parse_wheel_filename(name)[3]
        pythons = {(tag.interpreter, tag.abi) for tag in tags}
        assert pythons & {("py3", "none"), ("cp311", "abi3"), (f"cp{python}", f"cp{python}")}, name
        for tag in tags:
            assert tag.platform == "any" or re.fullmatch(NATIVE[platform], tag.platform), name


@pytest.mark.parametrize("target", TARGETS)
def test_all_that_the_wheels_and_the_project_need_is_bundled(zips: dict[str, Path], target: str) -> None:
    wheels = bundled(zips[target])
    markers = MARKERS[target.split("-")[0]] | {"python_version": f"3.{target[-2:]}", "extra": ""}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [Requirement(line) for line in [*project["dependencies"], *extras["aws"], *extras["azure"]]]
    for name in wheels.values():
        requirements, pythons = metadata(ROOT / "vendor" / name)
        assert pythons.contains(f"3.{target[-2:]}"), name
        needed += requirements
    for requirement in needed:
        if requirement.name == "zstandard":  # Blender's Python has it, for its own work with .blend files
            continue
        if requirement.marker is None or requirement.marker.evaluate(markers):
            wheel = wheels.get(canonicalize_name(requirement.name))
            assert wheel, f"{requirement} is not bundled"
            assert parse_wheel_filename(wheel)[1] in requirement.specifier, wheel


def test_pinned_hashes_are_those_of_the_bundled_wheels_and_no_more(zips: dict[str, Path]) -> None:
    pins = (ROOT / "vendor/requirements.txt").read_text("utf-8")
    used = {sha256(ROOT / "vendor" / name) for path in zips.values() for name in bundled(path).values()}
    assert set(re.findall(r"--hash=sha256:(\S+)", pins)) == used
    assert "://" not in pins


def blender_ext() -> Path:
    """Blender's own extension tool, which plain Python runs out of the bpy wheel."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        pytest.skip("Blender's own checks need bpy: install the project's `blender` extra")
    (tool,) = Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    return tool


def run_blender_ext(verb: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    tool = blender_ext()
    # `blender --command extension` passes this list; without it, tags go unchecked.
    tags = tool.parents[3] / "modules/_bpy_internal/extensions/tags.py"
    assert tags.is_file()
    command = [sys.executable, tool, verb, f"--valid-tags={tags}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", TARGETS)
def test_blender_validates_and_builds_it(zips: dict[str, Path], target: str, tmp_path: Path) -> None:
    validated = run_blender_ext("validate", zips[target])
    assert validated.returncode == 0, validated.stdout + validated.stderr

    source, output = tmp_path / "source", tmp_path / "output"
    output.mkdir()
    with zipfile.ZipFile(zips[target]) as archive:
        archive.extractall(source)
        names = archive.namelist()
    built = run_blender_ext("build", "--source-dir", source, "--output-dir", output)
    assert built.returncode == 0, built.stdout + built.stderr
    (result,) = output.iterdir()
    with zipfile.ZipFile(result) as archive:
        assert sorted(archive.namelist()) == sorted(names)


# How it is built


def test_same_source_gives_the_same_bytes_and_leaves_out_what_is_not_source(project: Path) -> None:
    package = project / "ggg_cloud_addon"
    (package / "engine").mkdir()
    (package / "engine" / "core.py").write_text("core = 1\n", "utf-8")
    assert run(project, "--output-dir", project / "one").returncode == 0
    for junk in (".DS_Store", "engine/__pycache__/core.cpython-311.pyc"):
        (package / junk).parent.mkdir(exist_ok=True)
        (package / junk).write_bytes(b"junk")
    for path in (package / "__init__.py", package / "engine" / "core.py", wheel_of(project, "six-*")):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o600)
    assert run(project, "--output-dir", project / "two").returncode == 0
    one = {path.name: path.read_bytes() for path in (project / "one").iterdir()}
    two = {path.name: path.read_bytes() for path in (project / "two").iterdir()}
    assert len(one) == len(TARGETS)
    assert one == two
    with zipfile.ZipFile(next((project / "one").iterdir())) as archive:
        assert "engine/core.py" in archive.namelist()
        assert archive.namelist() == sorted(archive.namelist())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_only_the_wanted_platform_and_python(project: Path) -> None:
    def built(*arguments: str) -> list[str]:
        shutil.rmtree(project / "dist", ignore_errors=True)
        assert run(project, *arguments).returncode == 0
        return sorted(path.stem.split("-", 2)[2] for path in (project / "dist").iterdir())

    assert built("--platform", "linux-x64") == ["linux-x64-py311", "linux-x64-py313"]
    assert built("--platform", "macos-x64") == ["macos-x64-py311"]
    assert built("--platform", "windows-x64", "--python", "3.13") == ["windows-x64-py313"]
    nothing = run(project, "--platform", "macos-x64", "--python", "3.13")
    assert nothing.returncode == 2
    assert "no Blender for macos-x64 with Python 3.13" in nothing.stderr


def test_missing_wheels_are_fetched_for_each_target_and_checked_by_hash(project: Path) -> None:
    wheels = {path.name: path.read_bytes() for path in (project / "vendor").glob("*.whl")}
    assert len(wheels) == 9, "six, colorama and a cffi for each target"
    for name in wheels:
        (project / "vendor" / name).unlink()
    done = run(project, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(ROOT / "vendor"))
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in (project / "vendor").glob("*.whl")} == wheels


# What it refuses


def test_wheel_missing_and_out_of_reach(project: Path) -> None:
    wheel_of(project, "six-*").unlink()
    said = refusal(project)
    assert "six==" in said
    assert "cffi" not in said
    assert "go online" in said


def test_wheel_altered_after_it_was_pinned(project: Path) -> None:
    wheel = wheel_of(project, "six-*")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("six_extra.py", "print('not what was pinned')\n")
    said = refusal(project)
    assert wheel.name in said
    assert "does not have the hash" in said
    assert "delete it" in said


def test_fetched_wheel_with_another_hash_is_not_taken(project: Path, tmp_path: Path) -> None:
    wheel = wheel_of(project, "six-*")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("six_extra.py", "print('not what was pinned')\n")
    served = tmp_path / "served"
    served.mkdir()
    wheel.rename(served / wheel.name)
    failed = run(project, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(served))
    assert failed.returncode == 1
    assert "six==" in failed.stderr
    assert list(project.rglob("*.zip")) == []
    assert list((project / "vendor").glob("six-*")) == []


@pytest.mark.parametrize("content", [b"", b"<html>no wheel but an error page</html>", None])
def test_pinned_file_that_is_no_zip_or_damaged(project: Path, content: bytes | None) -> None:
    wheel = wheel_of(project, "six-*")
    before = sha256(wheel)
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[: len(whole) // 2] if content is None else content)
    pin_as_it_is(project, wheel, before)
    said = refusal(project)
    assert wheel.name in said
    assert "damaged or no wheel" in said


def test_pinned_zip_that_is_no_wheel(project: Path) -> None:
    wheel = wheel_of(project, "six-*")
    before = sha256(wheel)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("six.py", "PY3 = True\n")
    pin_as_it_is(project, wheel, before)
    said = refusal(project)
    assert wheel.name in said
    assert "no .dist-info" in said


@pytest.mark.parametrize(
    ("pattern", "target"),
    [
        ("cffi-*-cp311-*-win_amd64.whl", "windows-x64 with Python 3.11"),
        ("cffi-*-cp313-*-manylinux*.whl", "linux-x64 with Python 3.13"),
        ("cffi-*-macosx_*_x86_64.whl", "macos-x64 with Python 3.11"),
    ],
)
def test_package_without_a_pinned_wheel_for_the_platform_or_python(project: Path, pattern: str, target: str) -> None:
    wheel = wheel_of(project, pattern)
    pins = project / "vendor/requirements.txt"
    lines = pins.read_text("utf-8").splitlines()
    gone = [number for number, line in enumerate(lines) if sha256(wheel) in line]
    for number in gone:
        # The line before continues on this one, and this one may be the last of its package.
        lines[number - 1] = lines[number - 1].removesuffix("\\") + ("\\" if lines[number].endswith("\\") else "")
        del lines[number]
    pins.write_text("\n".join(lines) + "\n", "utf-8")
    wheel.unlink()
    said = refusal(project)
    assert "cffi==" in said
    assert target in said
    assert "add the hash" in said


@pytest.mark.parametrize(
    ("pattern", "newer", "target"),
    [
        ("cffi-*-cp311-*-manylinux*.whl", "manylinux_2_29_x86_64", "linux-x64"),
        ("cffi-*-cp311-*-macosx_*_arm64.whl", "macosx_12_0_arm64", "macos-arm64"),
        ("cffi-*-cp311-*-macosx_*_x86_64.whl", "macosx_12_0_x86_64", "macos-x64"),
    ],
)
def test_wheel_that_asks_for_a_newer_system_than_blender_does(
    project: Path, pattern: str, newer: str, target: str
) -> None:
    wheel = wheel_of(project, pattern)
    wheel.rename(wheel.with_name(f"{wheel.stem.rsplit('-', 1)[0]}-{newer}.whl"))
    said = refusal(project)
    assert "cffi==" in said
    assert f"{target} with Python 3.11" in said


@pytest.mark.parametrize(
    ("made_for", "renamed_as", "target"),
    [
        ("cffi-*-cp311-*-win_amd64.whl", "cffi-*-cp311-*-manylinux*.whl", "linux-x64 with Python 3.11"),
        ("cffi-*-cp311-*-manylinux*.whl", "cffi-*-cp313-*-manylinux*.whl", "linux-x64 with Python 3.13"),
    ],
)
def test_wheel_of_another_platform_or_python_under_a_fitting_name(
    project: Path, made_for: str, renamed_as: str, target: str
) -> None:
    wheel = wheel_of(project, renamed_as)
    before = sha256(wheel)
    wheel.write_bytes(wheel_of(project, made_for).read_bytes())
    pin_as_it_is(project, wheel, before)
    said = refusal(project)
    assert wheel.name in said
    assert f"not for {target} but for cp311-cp311-" in said


@pytest.mark.parametrize("line", ["six>=1.16 --hash=sha256:00", "six==1.17.0", "six=1.17 --hash=sha256:00"])
def test_package_that_is_not_pinned(project: Path, line: str) -> None:
    with (project / "vendor/requirements.txt").open("a", encoding="utf-8") as pins:
        pins.write(f"{line}\n")
    said = refusal(project)
    assert f"does not pin `{line.split(' ')[0]}`" in said


@pytest.mark.parametrize("line", ['__version__ = "9.9.9"', "# no version"])
def test_package_and_manifest_of_two_versions(project: Path, line: str) -> None:
    init = project / "ggg_cloud_addon/__init__.py"
    text, replaced = re.subn(r'^__version__ = ".*"$', line, init.read_text("utf-8"), flags=re.MULTILINE)
    assert replaced == 1
    init.write_text(text, "utf-8")
    said = refusal(project)
    assert "blender_manifest.toml has version" in said
    assert "make them the same" in said


def test_manifest_that_leaves_no_place_for_the_wheels(project: Path) -> None:
    manifest = project / "blender_manifest.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("[permissions]\n", "[permissions] # why\n"), "utf-8")
    assert "[permissions]" in refusal(project)


def test_zip_that_cannot_be_written_leaves_nothing_behind(project: Path) -> None:
    (project / "dist").write_text("a file where the folder should be", "utf-8")
    assert "dist" in refusal(project)
    (project / "dist").unlink()
    version = tomllib.loads((project / "blender_manifest.toml").read_text("utf-8"))["version"]
    in_the_way = project / "dist" / f"ggg_cloud_addon-{version}-linux-x64-py311.zip"
    in_the_way.mkdir(parents=True)
    assert in_the_way.name in refusal(project)


def test_without_packaging_it_says_how_to_install_it(project: Path) -> None:
    # -I -S: an interpreter with its standard library and nothing else.
    command = [sys.executable, "-I", "-S", str(project / "build_addon.py")]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "pip install packaging" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
