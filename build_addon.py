"""Build GGG Cloud: one installable zip for each platform and each Python that Blender runs on.

The wheels that ``vendor/requirements.txt`` pins are fetched into ``vendor/`` once and used from there ever
after, without a network. What is not exactly as pinned stops the build, with a sentence that says what to do.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

try:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms, parse_tag
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
except ModuleNotFoundError:
    sys.exit("build_addon.py needs the packaging library: install it with `python -m pip install packaging`")

ROOT = Path(__file__).resolve().parent
PINS = "vendor/requirements.txt"

# The platform tags that fit: Blender 4.2 runs on glibc 2.28 and macOS 11.2, so no wheel may ask for more.
WHEEL_PLATFORMS = {
    "linux-x64": [*(f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)), "manylinux2014_x86_64"],
    "windows-x64": ["win_amd64"],
    "macos-arm64": list(mac_platforms((11, 0), "arm64")),
    "macos-x64": list(mac_platforms((11, 0), "x86_64")),
}

# What the pins' markers see there: sys_platform, platform_system, os_name, platform_machine.
MARKERS = {
    "linux-x64": ("linux", "Linux", "posix", "x86_64"),
    "windows-x64": ("win32", "Windows", "nt", "AMD64"),
    "macos-arm64": ("darwin", "Darwin", "posix", "arm64"),
    "macos-x64": ("darwin", "Darwin", "posix", "x86_64"),
}

# The Blender versions for each Python; `blender_version_max` is the first one that is refused. Blender has
# Python 3.13 from 5.1 on, as Linux distributions build it from 4.3 on; Blenders with the other Python refuse the
# zip by its wheels' tags. Not so the oldest, hence no zip for both and no 4.3.0: Blender 4.2.0 installs wheels
# for any Python, and 4.3.0 reads cp311-abi3 as 3.11 only, takes the zip for 3.13 and leaves cffi out.
BLENDER_VERSIONS = {
    "3.11": {"blender_version_min": "4.2.0", "blender_version_max": "5.1.0"},
    "3.13": {"blender_version_min": "4.3.2"},
}


class BuildError(Exception):
    """Why there is no zip, in one sentence that names the file or the package and the mend."""


@dataclass(frozen=True)
class Target:
    """A platform in Blender's own spelling, and the Python of the Blender that runs there."""

    platform: str
    python: str

    def __str__(self) -> str:
        """Return how messages call it."""
        return f"{self.platform} with Python {self.python}"

    @property
    def digits(self) -> str:
        """The Python version as wheels and zips spell it."""
        return self.python.replace(".", "")

    @cached_property
    def tags(self) -> frozenset[Tag]:
        """All tags of wheels that can be installed there."""
        version, abi = [int(part) for part in self.python.split(".")], f"cp{self.digits}"
        fits = WHEEL_PLATFORMS[self.platform]
        return frozenset([*cpython_tags(version, [abi], fits), *compatible_tags(version, abi, fits)])

    def needs(self, requirement: Requirement) -> bool:
        """Whether the marker holds there; pip would read it for the machine that builds."""
        names = ("sys_platform", "platform_system", "os_name", "platform_machine")
        there = dict(zip(names, MARKERS[self.platform], strict=True))
        there |= {"python_version": self.python, "python_full_version": f"{self.python}.0"}
        there |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
        return requirement.marker is None or requirement.marker.evaluate(there)


# Blender for Intel Macs ended with 5.0, before Python 3.13.
TARGETS = [Target(platform, python) for python in BLENDER_VERSIONS for platform in WHEEL_PLATFORMS]
TARGETS.remove(Target("macos-x64", "3.13"))


@dataclass(frozen=True)
class Pin:
    """One line of the pins: a package in one version, and the hashes of its wheels that are allowed."""

    requirement: Requirement
    hashes: list[str]

    def __str__(self) -> str:
        """Return ``name==version``."""
        return f"{self.requirement.name}{self.requirement.specifier}"

    def find(self, vendor: Path, target: Target) -> Path | None:
        """Return the wheel for the target, if there is one; refuse one that only bears its name."""
        named = [wheel for wheel in sorted(vendor.glob("*.whl")) if self._names(wheel, target)]
        for wheel in named:
            if hashlib.sha256(wheel.read_bytes()).hexdigest() in self.hashes:
                return wheel
        if named:
            raise BuildError(f"{named[0]} does not have the hash in {PINS}: delete it and build again")
        return None

    def _names(self, wheel: Path, target: Target) -> bool:
        try:
            name, version, _, tags = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename:
            return False
        wanted = self.requirement
        return name == wanted.name and version in wanted.specifier and not tags.isdisjoint(target.tags)


def read_pins(path: Path) -> list[Pin]:
    """Read a requirements file in which each package has its exact version and its hashes."""
    text = re.sub(r"^\s*#.*$", "", path.read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    pins = []
    for line in filter(None, map(str.strip, text.splitlines())):
        wanted, *hashes = re.split(r"\s+--hash=sha256:", line)
        try:
            requirement = Requirement(wanted)
            exact = [specifier.operator for specifier in requirement.specifier] == ["=="]
        except InvalidRequirement:
            exact = False
        if not exact or not hashes:
            raise BuildError(f"{PINS} does not pin `{wanted}`: write name==version and --hash=sha256: for it")
        pins.append(Pin(requirement, hashes))
    return pins


def collect_wheels(target: Target, pins: list[Pin], vendor: Path) -> list[Path]:
    """Return a checked wheel in ``vendor`` for every pin that holds for the target; fetch what is missing."""
    wanted = [pin for pin in pins if target.needs(pin.requirement)]
    if missing := [pin for pin in wanted if pin.find(vendor, target) is None]:
        fetch_wheels(target, missing, vendor)
    wheels = sorted(wheel for pin in wanted if (wheel := pin.find(vendor, target)))
    for wheel in wheels:
        check_inside(wheel, target)
    return wheels


def fetch_wheels(target: Target, pins: list[Pin], vendor: Path) -> None:
    """Let pip download the target's wheels, by their hashes and nothing else."""
    names = ", ".join(map(str, pins))
    print(f"Fetching for {target}: {names}", flush=True)
    options = "--quiet --no-input --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes"
    command = [sys.executable, "-m", "pip", "download", *options.split(), "--implementation=cp"]
    command += [f"--python-version={target.python}", f"--abi=cp{target.digits}", f"--dest={vendor}"]
    command += [f"--platform={platform}" for platform in WHEEL_PLATFORMS[target.platform]]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "requirements.txt")
        file.write_text("\n".join(" --hash=sha256:".join([str(pin), *pin.hashes]) for pin in pins))
        pip = subprocess.run([*command, f"--requirement={file}"], capture_output=True, text=True)
    if any(pin.find(vendor, target) is None for pin in pins):
        said = " ".join(pip.stderr[max(pip.stderr.find("ERROR:"), 0) :].split())
        raise BuildError(
            f"{names}: no pinned wheel for {target} is in {vendor} and pip could not fetch it: "
            f"go online, or add the hash of one that fits to {PINS} (pip said: {said})"
        )


def check_inside(wheel: Path, target: Target) -> None:
    """Refuse a file that is no wheel, or not for the target: with only its name right, Blender would fail."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/WHEEL", name))
            text = archive.read(info).decode()
    except (zipfile.BadZipFile, StopIteration) as error:
        why = str(error) or "It has no .dist-info"
        raise BuildError(f"{wheel} is damaged or no wheel ({why}): pin a sound one in {PINS}") from error
    tags = {tag for names in re.findall(r"^Tag: *(\S+)", text, re.MULTILINE) for tag in parse_tag(names)}
    if tags.isdisjoint(target.tags):
        made_for = ", ".join(sorted(map(str, tags)))
        raise BuildError(f"{wheel} is not for {target} but for {made_for}: pin the right one in {PINS}")


def manifest_for(target: Target, source: str, wheels: list[Path]) -> str:
    """Return the manifest with what differs in each zip: platform, wheels and range of Blender versions."""
    names = [f"./wheels/{wheel.name}" for wheel in wheels]
    versions = BLENDER_VERSIONS[target.python]
    listed = "".join(f'    "{name}",\n' for name in names)
    generated = f'platforms = ["{target.platform}"]\nwheels = [\n{listed}]\n'
    text = source.replace("\n[permissions]\n", f"\n{generated}\n[permissions]\n")
    lines = "\n".join(f'{key} = "{version}"' for key, version in versions.items())
    text = re.sub(r"^blender_version_min = .*$", lines, text, flags=re.MULTILINE)
    wanted = tomllib.loads(source) | versions | {"platforms": [target.platform], "wheels": names}
    if tomllib.loads(text) != wanted:
        raise BuildError("blender_manifest.toml needs a blender_version_min line and, below, [permissions]")
    return text


def read_version(root: Path) -> str:
    """Return the version that the manifest and the package agree on."""
    version = str(tomllib.loads((root / "blender_manifest.toml").read_text("utf-8"))["version"])
    package = (root / "ggg_cloud_addon" / "__init__.py").read_text("utf-8")
    found = re.findall(r'^__version__ = "(.*)"$', package, re.MULTILINE)
    if found != [version]:
        raise BuildError(
            f"blender_manifest.toml has version {version}, but ggg_cloud_addon/__init__.py "
            f"has {' and '.join(found) or 'no __version__ line'}: make them the same"
        )
    return version


def write_zip(path: Path, root: Path, target: Target, wheels: list[Path]) -> None:
    """Write the extension; the same input gives the same bytes, and a failure leaves no file behind."""
    package = root / "ggg_cloud_addon"
    manifest = manifest_for(target, (root / "blender_manifest.toml").read_text("utf-8"), wheels)
    content = {"blender_manifest.toml": manifest.encode(), "LICENSE": (root / "LICENSE").read_bytes()}
    content |= {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels}
    for file in package.rglob("*"):
        name = file.relative_to(package)
        # Not what Python, the Finder or an editor left there.
        if file.is_file() and not any(part.startswith((".", "__pycache__")) for part in name.parts):
            content[name.as_posix()] = file.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    try:
        # Stored: the wheels are compressed already, and not every zlib deflates to the same bytes.
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for entry, data in sorted(content.items()):
                info = zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0))
                info.create_system, info.external_attr = 3, 0o644 << 16  # on Windows too
                archive.writestr(info, data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def build(targets: list[Target], root: Path, output_dir: Path) -> list[Path]:
    """Build a zip for each target from the repository at ``root``; write none before all wheels are right."""
    version, pins = read_version(root), read_pins(root / PINS)
    wheels = {target: collect_wheels(target, pins, root / "vendor") for target in targets}
    zips = []
    for target in targets:
        zips.append(output_dir / f"ggg_cloud_addon-{version}-{target.platform}-py{target.digits}.zip")
        write_zip(zips[-1], root, target, wheels[target])
    return zips


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Build the installable zips: all, unless told which.")
    parser.add_argument("--platform", choices=WHEEL_PLATFORMS, help="only this platform")
    parser.add_argument("--python", choices=BLENDER_VERSIONS, help="only this Python")
    parser.add_argument("--output-dir", type=Path, default=ROOT / "dist", help="default: %(default)s")
    args = parser.parse_args()
    targets = [t for t in TARGETS if args.platform in (None, t.platform) and args.python in (None, t.python)]
    if not targets:
        parser.error(f"there is no Blender for {args.platform} with Python {args.python}")
    try:
        for path in build(targets, ROOT, args.output_dir):
            print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    except (BuildError, OSError) as error:
        print(f"build_addon.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
