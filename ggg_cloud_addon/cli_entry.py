"""Where the process of the command begins: signals are caught before the rest is imported, which takes a while.

So this module imports next to nothing. Only a process of our own comes by here: in a Blender that runs the command
(:mod:`.blender.command`) signals are Blender's.
"""

import _thread
import os
import signal
import sys
import time
from itertools import takewhile

STOPPED = "Stopped; nothing half-done was left behind."
STOPPED_AT_ONCE = "Stopped at once; the next run removes what is half-done."
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Those that ask a process to end; no system has all of them."""
PATIENCE = 1.0
"""Seconds. A signal that comes so long after the first one ends the process at once. Sooner it is the same wish: a
terminal and a program that runs the command often send one each."""


def main() -> None:
    """Run the command with the arguments of the process, and end the process."""
    stopping = _Stopping(asks_for_json(sys.argv[1:]))
    from .cli import main as run  # late: it takes most of a command's start

    stopping.is_running = True
    try:
        code = run()
    except KeyboardInterrupt:  # where the command itself does not catch it: it writes its answer, or has just begun
        code = stopping.say(STOPPED)
    stopping.exit_code = code
    sys.exit(code)


def asks_for_json(arguments: "list[str]") -> bool:
    """Whether the answer is to be one JSON document, also when the arguments make no sense."""
    return "--json" in takewhile(lambda each: each != "--", arguments)


class _Stopping:
    """Turns every signal that asks the process to end into the same orderly stop."""

    def __init__(self, json_wanted: bool) -> None:
        self.is_running = False
        """Whether there may be something to clean up, for which a KeyboardInterrupt is raised."""
        self.exit_code: int | None = None
        """Known once everything is done and told."""
        self._json_wanted = json_wanted
        self._first: float | None = None
        """When the first signal came."""
        for name in SIGNALS:
            number = getattr(signal, name, None)
            # A signal that is ignored stays so: nohup, or the "&" of a shell's script, means that.
            if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self._stop)
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._not_raised

    def say(self, sentence: str) -> int:
        """Tell it as every failure is told, and return the exit code.

        It may be called in the middle of any import, so it uses nothing that has to be imported.
        """
        document = f'{{"error": "{sentence}"}}\n' if self._json_wanted else ""
        for stream, text in ((1, document), (2, f"{sentence}\n")):
            try:
                os.write(stream, text.encode())
            except OSError:  # nobody listens
                continue
        return 1

    def _stop(self, number: int, frame: object) -> None:
        if self.exit_code is not None:
            os._exit(self.exit_code)
        if not self.is_running:
            # There is nothing to clean up, and an exception in the middle of an import may get lost.
            os._exit(self.say(STOPPED))
        now = time.monotonic()
        if self._first is None:
            self._first = now
            raise KeyboardInterrupt
        if now - self._first > PATIENCE:
            os._exit(self.say(STOPPED_AT_ONCE))

    def _not_raised(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """A destructor or a callback cannot raise, so Python would print a traceback and go on; ask again instead."""
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._first = None
            _thread.start_new_thread(_interrupt_soon, ())
        else:
            self._hook(unraisable)


def _interrupt_soon() -> None:
    time.sleep(0.01)
    if os.name == "nt":
        _thread.interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGINT)  # it also wakes a main thread that waits
