"""The command as a real process, with a home of its own."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ggg_cloud_addon.cloud_storage import CloudStorageConfig, CloudStorageManager

COMMAND = (sys.executable, "-m", "ggg_cloud_addon")


RUN_EACH = """
import json, os, sys, tempfile
import encodings.ascii, locale  # loaded late, when nobody may have no rights to the interpreter's folder
from ggg_cloud_addon import cli

if "as nobody" in sys.argv and os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
answers = []
for line in json.loads(sys.argv[1]):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        ours = os.dup(1), os.dup(2)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        code = cli.main(line)
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(ours[0], 1)
        os.dup2(ours[1], 2)
        for stream in (out, err):
            stream.seek(0)
        answers.append({"code": code, "out": out.read().decode(), "err": err.read().decode()})
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    def check_done(self) -> "Answer":
        assert (self.code, self.err) == (0, "")
        return self

    def check_refused(self, code: int, *names: str) -> None:
        """One sentence on stderr, which names the thing, and nothing on stdout."""
        assert (self.code, self.out) == (code, ""), self.err
        assert len(self.err.splitlines()) == 1, self.err
        assert "Traceback" not in self.err
        for name in names:
            assert name in self.err


class Shell:
    """Runs ``ggg-cloud`` in ``work``; its store, its home and its temporary files lie beside."""

    def __init__(self, folder: Path) -> None:
        self.work, self.store, self.home, self.tmp = (folder / name for name in ("work", "store", "home", "tmp"))
        for each in (self.work, self.home, self.tmp):
            each.mkdir(exist_ok=True)
        self.env = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "AWS_", "AZURE_"))
        }
        self.env |= {
            "HOME": str(self.home),
            "PWD": str(self.work),
            "TMPDIR": str(self.tmp),
            "BLENDER_USER_RESOURCES": str(self.home / "blender"),
            "PYTHONIOENCODING": "utf-8",
        }

    def run(
        self,
        *arguments: str | Path,
        root: bool = True,
        command: Sequence[str] = COMMAND,
        env: dict[str, str] | None = None,
        timeout: float = 120,
        **options: Any,
    ) -> Answer:
        """Run the command to its end; in the test's own store, unless ``root`` says otherwise."""
        done = subprocess.run(
            self.line(*arguments, root=root, command=command),
            cwd=self.work,
            env=self.env | (env or {}),
            encoding="utf-8",
            **{"timeout": 120, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            | options,
        )
        return Answer(done.returncode, done.stdout or "", done.stderr or "")

    def watch(self, *arguments: str | Path) -> tuple[Answer, bytes]:
        """Run the command with a terminal for its stderr; the answer, and what was shown there."""
        terminal, other_end = pty.openpty()
        answer = self.run(*arguments, stderr=other_end)
        os.close(other_end)
        shown = b""
        try:
            while read := os.read(terminal, 4096):
                shown += read
        except OSError:  # Linux says so at the end of a terminal
            pass
        os.close(terminal)
        return answer, shown

    def run_each(self, *lines: Sequence[str], root: bool = True, nobody: bool = False, **options: Any) -> list[Answer]:
        """Run several commands one after the other in one process, which saves the time of the others' starts.

        As ``nobody`` they have no rights but those that everybody has.
        """
        given = json.dumps([self.line(*line, root=root, command=()) for line in lines])
        done = subprocess.run(
            [sys.executable, "-c", RUN_EACH, given, *["as nobody"] * nobody],
            cwd=self.work,
            env=self.env,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=240,
            check=False,
            **options,
        )
        assert done.returncode == 0, done.stderr
        return [Answer(**each) for each in json.loads(done.stdout)]

    def check_each_refused(self, *cases: tuple[Sequence[str], int, str], **options: Any) -> None:
        """``(arguments, exit code, what the sentence names)``: each is refused and changes nothing, on either side."""
        before = self.state()
        answers = self.run_each(*(arguments for arguments, _, _ in cases), **options)
        for (arguments, code, name), answer in zip(cases, answers, strict=True):
            print(*arguments, "->", answer.err)
            answer.check_refused(code, name)
        assert self.state() == before

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.line(*arguments),
            cwd=self.work,
            env=self.env,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def line(self, *arguments: str | Path, root: bool = True, command: Sequence[str] = COMMAND) -> list[str]:
        where = [f"--root={self.store}"] if root else []
        return [*command, *map(str, arguments[:1]), *where, *map(str, arguments[1:])]

    def write(self, name: str, content: bytes) -> Path:
        """Make a file in the working folder."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def push(self, component_id: str, content: bytes) -> str:
        """Store a component by way of the engine, and leave nothing in the working folder; gives its version."""
        path = self.write("pushed.tmp", content)
        version = self._manager.upload_component(path, component_id).version_id
        path.unlink()
        return str(version)

    def history(self, component_id: str) -> list[str]:
        """Its versions, newest first, by way of the engine."""
        return [each.version_id for each in self._manager.list_versions(component_id)]

    def pull(self, component_id: str) -> bytes:
        """What the engine pulls."""
        path = self.work / "pulled.tmp"
        self._manager.download_component(component_id, path)
        content = path.read_bytes()
        path.unlink()
        return content

    @property
    def _manager(self) -> CloudStorageManager:
        return CloudStorageManager(CloudStorageConfig(root=self.store))

    def state(self) -> dict[str, bytes | None]:
        """Each file and folder on both sides; of the store's own folder the files that hold something."""
        found: dict[str, bytes | None] = {}
        for side in (self.work, self.store, self.tmp):
            for path in sorted(side.rglob("*")):
                name = path.relative_to(side.parent).as_posix()
                private = name.startswith("store/.ggg_store")
                if name.startswith("tmp/blender_"):  # Blender's own
                    continue
                if path.is_file() and not (private and (path.name == "id" or path.parent.name == "locks")):
                    found[name] = path.read_bytes()
                elif path.is_dir() and not private:
                    found[name] = None
        return found

    def parts(self) -> list[Path]:
        """Part files and their locks, anywhere."""
        return [path for side in (self.work, self.store, self.tmp) for path in side.rglob("*.ggg_part*")]
