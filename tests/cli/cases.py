"""What may happen to a user of the command, by the name of its row in docs/exit-codes.md."""

from collections.abc import Callable
from dataclasses import dataclass

from shell import Answer, Shell

OLD, NEW, THEIRS = b"old" * 1000, b"newer" * 1000, b"theirs" * 1000


@dataclass(frozen=True)
class Studio:
    """A user, his colleague Zoë, and their store."""

    me: Shell
    zoe: Shell

    def push(self, who: Shell, content: bytes, *options: str, name: str = "arm.blend") -> Answer:
        who.write(name, content)
        return who.run_each(("push", name, *options))[0]

    def sync(self, *options: str) -> Answer:
        return self.me.run_each(("sync", "models", *options))[0]

    def synced(self, *names: str) -> None:
        """A folder with these files, in sync."""
        for name in names or ("arm.blend", "leg.blend"):
            self.me.write(f"models/{name}", name.encode())
        self.sync().check_done()


Case = Callable[[Studio], Answer]
CASES: dict[str, Case] = {}


def case(act: Case) -> Case:
    """A function whose name is that of a row."""
    CASES[act.__name__.replace("_", "-")] = act
    return act


def line(name: str, *arguments: str) -> None:
    """A row that needs one line, and two components in the store."""

    def run(studio: Studio) -> Answer:
        studio.me.push("arm.blend", OLD)
        studio.me.push("deep/x.blend", OLD)
        studio.me.write("mine.blend", NEW)
        studio.me.write("there/mine.blend", NEW)
        (studio.me.work / "models").mkdir()
        return studio.me.run_each(arguments)[0]

    CASES[name] = run
