"""Two artists with a folder each, one store between them, and a store that is watched."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ggg_cloud_addon.cloud_storage import (
    CloudStorageConfig,
    CloudStorageManager,
    StorageSynchronizer,
    SyncConfig,
    SyncResult,
)
from ggg_cloud_addon.cloud_storage.providers.folder import FolderProvider
from ggg_cloud_addon.cloud_storage.sync.plan import Kind

Tree = dict[str, bytes]


class Watched:
    """A store that counts what is asked of it, and lets something happen before a request."""

    def __init__(self, inner: FolderProvider) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()
        self.before: dict[str, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls[name] += 1
            self.before.pop(name, lambda: None)()
            return found(*arguments, **options)

        return call


@dataclass
class User:
    """An artist with a folder that is synced with the store."""

    folder: Path
    provider: Any
    options: dict[str, Any] = field(default_factory=lambda: {"delete_files": True})

    @property
    def manager(self) -> CloudStorageManager:
        return CloudStorageManager(CloudStorageConfig(root="unused", prefix="models"), self.provider)

    def sync(self, say: Callable[[str], None] | None = None, **options: Any) -> SyncResult:
        config = SyncConfig(local_dir=self.folder, **self.options | options)
        return StorageSynchronizer(self.manager, config).synchronize(say)

    def save(self, **files: bytes) -> None:
        """Save as Blender does: beside, then in place; ``a__b`` is a/b.blend."""
        for name, content in files.items():
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(".blend@")
            beside.write_bytes(content)
            beside.replace(path)

    def path(self, name: str) -> Path:
        return self.folder / f"{name.replace('__', '/')}.blend"

    def delete(self, *names: str) -> None:
        for name in names:
            self.path(name).unlink()

    def tree(self) -> Tree:
        return tree(self.folder)

    def trash(self) -> list[bytes]:
        return sorted(path.read_bytes() for path in (self.folder / ".ggg_cloud" / "trash").rglob("*.blend"))


def tree(folder: Path, *, hidden: bool = False) -> Tree:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (hidden or ".ggg_" not in path.as_posix().removeprefix(folder.as_posix()))
    }


def objects(store: FolderProvider) -> Tree:
    return tree(store.root / "models") if (store.root / "models").exists() else {}


def settle(*users: User) -> None:
    """Sync until nobody has anything to do."""
    for _ in range(4):
        if not sum(len(user.sync().done) for user in users):
            break
    else:
        raise AssertionError("They never come to rest.")
    assert all(user.tree() == users[0].tree() == objects_of(user) for user in users)


def objects_of(user: User) -> Tree:
    provider = user.provider
    while not isinstance(provider, FolderProvider):
        provider = provider.inner
    return objects(provider)


def history(user: User, name: str) -> list[bytes]:
    found = []
    for each in user.manager.list_versions(f"{name}.blend"):
        target = user.folder.with_name("pulled")
        user.manager.download_component(f"{name}.blend", target, version_id=each.version_id)
        found.append(target.read_bytes())
    return found


def kinds(result: SyncResult) -> list[tuple[Kind, str]]:
    return [(action.kind, action.path) for action in result.done]


def at(word: str, act: Callable[[], object]) -> Callable[[str], None]:
    """A progress callback that does something once, at the first message that begins so."""
    todo = [act]

    def say(message: str) -> None:
        if message.startswith(word) and todo:
            todo.pop()()

    return say
