"""Breaks the planner and the apply step on purpose, and sees that the tests notice: ``python tests/sync/mutants.py``.

Each mutant is a copy of the package with one change; the tests of sync that need no server run on it, up to the first
failure. Prints a line for each and what survived; the exit code is 1 where fewer than 95 % are caught.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
SYNC = "ggg_cloud_addon/cloud_storage/sync"
TESTS = ("test_plan.py", "test_sync.py", "test_others_bugs.py", "test_planner_model.py", "test_model.py")
"""The quickest first."""
SECONDS = 900
"""A mutant whose tests take longer hangs."""
PROMISED = 0.95

MUTANTS = (
    # The planner: who is newer, and who wins.
    ("plan", "local is None and remote is None:", "local is None or remote is None:"),
    ("plan", "if local.sha256 == base.sha256:\n            return Action(Kind.DELETE_LOCAL", "if True:\n            return Action(Kind.DELETE_LOCAL"),
    ("plan", "if remote.etag == base.etag:\n            return Action(Kind.DELETE_REMOTE", "if True:\n            return Action(Kind.DELETE_REMOTE"),
    ("plan", "if local.sha256 == base.sha256:\n            return Action", "if local.sha256 != base.sha256:\n            return Action"),
    ("plan", "if remote.etag == base.etag:\n            return Action", "if remote.etag != base.etag:\n            return Action"),
    ("plan", 'return Action(Kind.DELETE_LOCAL, path, "deleted there")', 'return _upload(path, local, "deleted there")'),
    ("plan", 'return Action(Kind.DELETE_REMOTE, path, "deleted here")', 'return _download(path, remote, "deleted here")'),
    ("plan", 'return _upload(path, local, "new here")', "return None"),
    ("plan", 'return _download(path, remote, "new there")', "return None"),
    ("plan", 'return _upload(path, local, "changed here, deleted there")', 'return Action(Kind.FORGET, path, "")'),
    ("plan", 'return _download(path, remote, "changed there, deleted here")', 'return Action(Kind.FORGET, path, "")'),
    ("scan", "here.sha256 != known.sha256 or there.etag != known.etag", "here.sha256 != known.sha256 and there.etag != known.etag"),
    ("scan", "here is None or there is None or here.sha256", "here is None or here.sha256"),
    ("plan", 'return _upload(path, local, "changed here")', 'return _download(path, remote, "changed here")'),
    ("plan", 'return _download(path, remote, "changed there")', 'return _upload(path, local, "changed there")'),
    ("plan", "if remote.etag == base.etag:\n            return _upload", "if local.sha256 != base.sha256:\n            return _upload"),
    ("plan", "if local.sha256 is not None and local.sha256 == remote.sha256:", "if local.sha256 == remote.sha256:"),
    ("plan", "if local.sha256 is not None and local.sha256 == remote.sha256:", "if local.sha256 is not None:"),
    ("plan", "if local.sha256 is not None and local.sha256 == remote.sha256:", "if False:"),
    ("plan", "config.choices.get(path, config.conflict)", "config.conflict"),
    ("plan", 'policy = "local" if written > remote.modified else "remote"', 'policy = "remote" if written > remote.modified else "local"'),
    ("plan", 'if policy == "local":', 'if policy == "remote":'),
    ("plan", 'if policy == "keep_both" and config.direction == "both":', 'if policy == "keep_both":'),
    ("plan", 'if policy == "keep_both" and config.direction == "both":', 'if config.direction == "both":'),
    # The planner: what the settings forbid, and the guards.
    ("plan", 'if config.direction == "upload" and action.kind in (Kind.DOWNLOAD, Kind.DELETE_LOCAL)', 'if config.direction == "upload" and action.kind in (Kind.DOWNLOAD,)'),
    ("plan", 'elif config.direction == "download" and action.kind in (Kind.UPLOAD, Kind.DELETE_REMOTE)', 'elif config.direction == "download" and action.kind in (Kind.UPLOAD,)'),
    ("plan", 'if config.direction == "upload" and', 'if config.direction == "download" and'),
    ("plan", "elif not config.delete_files and action.kind in DELETES:", "elif False:"),
    ("plan", "elif not overwrite and action.kind is Kind.KEEP_BOTH:", "elif False:"),
    ("plan", "elif not overwrite and is_here and is_there", "elif not overwrite and (is_here or is_there)"),
    ("plan", "elif not overwrite and is_here and is_there", "elif False and is_here and is_there"),
    ("plan", "_allowed(_checked(action)", "_allowed((action)"),
    ("plan", "max(MIN_DELETES, config.max_delete * len(base))", "min(MIN_DELETES, config.max_delete * len(base))"),
    ("plan", "len(deletes) > max(", "len(deletes) >= max("),
    ("plan", "return deletes if len(deletes) >", "return () if len(deletes) >"),
    ("plan", " and base[each.path].sha256 not in moved)", ")"),
    ("plan", "        if path not in deleted:\n", "        if True:\n"),
    ("plan", "families[fold(name)].add", "families[name].add"),
    ("plan", "if other != name:", "if False:"),
    ("plan", "if is_file != (name == action.path):", "if False:"),
    ("plan", "each.kind not in DELETES,\n", "each.kind in DELETES,\n"),
    # Carrying it out: conditions, second looks, what is kept.
    ("apply", "IfMatch(remote.etag) if remote else IfAbsent()", "None"),
    ("apply", "IfMatch(remote.etag) if remote else IfAbsent()", "IfMatch(remote.etag) if remote else None"),
    ("apply", "condition=condition, on_bytes", "condition=None, on_bytes"),
    ("apply", "self._provider.delete(self._prefix + path, condition=IfMatch(etag))", "self._provider.delete(self._prefix + path)"),
    ("apply", "        if remote is not None:\n            self._keep_remote(path, remote.etag)\n", ""),
    ("apply", "        self._keep_remote(path, etag)\n", ""),
    ("apply", "if not self._provider.capabilities.versions:", "if self._provider.capabilities.versions:"),
    ("apply", "if_match=self._remote[path].etag,", "if_match=None,"),
    ("apply", "            self._look_again(path)\n            if path in self._local:", "            if path in self._local:"),
    ("apply", "            self._look_again(path)\n            if path in self._local:\n                keep()\n                self._look_again(path, but_ctime=True)", "            if path in self._local:\n                keep()\n                pass"),
    ("apply", "                keep()\n", ""),
    ("apply", "self._look_again(path, but_ctime=True)", "pass"),
    ("apply", "if path in self._local:\n                keep()", "if False:\n                keep()"),
    ("apply", "        self._look_again(path)\n        os.replace(target, kept)", "        os.replace(target, kept)"),
    ("apply", "os.replace(target, kept)", "os.remove(target)"),
    ("apply", "Fingerprint.of(source.stat, looked_ns=source.looked_ns)", "Fingerprint.of(source.path.stat())"),
    ("apply", "BaseFile(arrived[0], info.sha256, info.etag)", "BaseFile(Fingerprint.of(target.lstat()), info.sha256, info.etag)"),
    ("apply", "Fingerprint.of(part.stat(), moved=True)", "replace(Fingerprint.of(part.stat(), moved=True), settled=True)"),
    ("apply", "return known | (yield from self._send(copies[0], IfAbsent(), progress))", "return known"),
    ("apply", "return known | (yield from self._send(copies[0], IfAbsent(), progress))", "return (yield from self._send(copies[0], IfAbsent(), progress))"),
    ("apply", "return {path: BaseFile(local.fingerprint, local.sha256, self._remote[path].etag)}", "return {path: None}"),
    ("apply", "def _forget(self, path: str, progress: Progress) -> Steps[Known]:\n        yield from ()\n        return {path: None}", "def _forget(self, path: str, progress: Progress) -> Steps[Known]:\n        yield from ()\n        return {}"),
    ("apply", "if target.is_symlink() or (\n", "if (\n"),
    ("apply", "if target.is_symlink() or (\n", "if target.is_symlink() and (\n"),
    ("apply", "if seen != planned:", "if seen is None:"),
    ("apply", "if copy not in self._remote:", "if True:"),
    ("apply", "keep_as(self._target(path), self._target(copy), self._tmp)", "os.replace(self._target(path), self._target(copy))"),
    ("apply", "            number += 1", "            number += 0"),
    ("apply", "room = min(MAX_NAME_BYTES,", "room = max(MAX_NAME_BYTES,"),
)  # fmt: skip


def caught(number: int) -> bool:
    """Whether the tests fail on this mutant."""
    module, before, after = MUTANTS[number]
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy = Path(name)
        for folder in ("ggg_cloud_addon", "tests"):
            shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        path = copy / SYNC / f"{module}.py"
        source = path.read_text(encoding="utf-8")
        if source.count(before) != 1:
            raise SystemExit(f"Mutant {number} fits {source.count(before)} places of {module}.py: {before!r}")
        path.write_text(source.replace(before, after), encoding="utf-8")
        tests = [f"tests/sync/{each}" for each in TESTS]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            f"--basetemp={copy}/tmp",
            *tests,
        ]
        environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            print(f"{number:3} caught  {module}: {after!r} never ends", flush=True)
            return True
        if done.returncode not in (0, 1):
            raise SystemExit(f"Mutant {number} could not be tested:\n{done.stdout}{done.stderr}")
        found = next((line for line in done.stdout.splitlines() if line.startswith("FAILED")), "")
        print(f"{number:3} {'caught ' if done.returncode else 'ALIVE  '} {module}: {after!r} {found[:100]}", flush=True)
        return done.returncode == 1


def main() -> None:
    """Try all, or those whose numbers are given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, default=range(len(MUTANTS)))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(caught, args.numbers))
    print(f"{sum(results)} of {len(results)} mutants caught")
    if sum(results) < PROMISED * len(results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
