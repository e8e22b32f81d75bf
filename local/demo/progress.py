"""Progress that never pauses for longer than two seconds: a live picture on a terminal, plain lines anywhere else."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

# Half a second under the promise of two, for a machine that is busy.
QUIET_SECONDS = 1.5
LINES_WIDTH = 110


class Ticker(Protocol):
    """``line`` says what has happened, ``phase`` what is waited for; both may be called from any thread."""

    def line(self, text: str) -> None: ...

    def phase(self, text: str) -> None: ...


def demo_console() -> Console:
    """Without a terminal nobody has a width: long lines stay whole there."""
    terminal = sys.stdout.isatty()
    return Console(markup=False, emoji=False, highlight=False, width=None if terminal else LINES_WIDTH)


@contextmanager
def ticking(console: Console, picture: Callable[[], str]) -> Iterator[Ticker]:
    """Show progress while inside; ``picture`` sums up how far the work is, in one line."""
    if console.is_terminal:
        drawn = _Picture(console, picture)
        with Live(console=console, get_renderable=drawn.render, refresh_per_second=8, transient=True):
            yield drawn
        return
    lines = _Lines(console, picture)
    stop = threading.Event()
    thread = threading.Thread(target=lines.keep_ticking, args=(stop,), name="progress", daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        stop.set()
        thread.join()


class _Lines:
    """One line for each thing that happens, and one whenever nothing has been printed for a while."""

    def __init__(self, console: Console, picture: Callable[[], str]) -> None:
        self._console = console
        self._picture = picture
        self._began = time.monotonic()
        self._last = self._began
        self._phase = "starting"
        self._lock = threading.Lock()

    def line(self, text: str) -> None:
        with self._lock:
            self._print(text)

    def phase(self, text: str) -> None:
        with self._lock:
            if text != self._phase:
                self._phase = text
                self._print(f"{text} ...")

    def keep_ticking(self, stop: threading.Event) -> None:
        while not stop.wait(0.1):
            with self._lock:
                if time.monotonic() - self._last >= QUIET_SECONDS:
                    self._print("  " + "; ".join(filter(None, (self._phase, self._picture()))))

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        self._console.print(f"{self._last - self._began:6.1f} s  {text}", soft_wrap=True)


class _Picture:
    """What has happened scrolls by above; what is waited for turns below."""

    def __init__(self, console: Console, picture: Callable[[], str]) -> None:
        self._console = console
        self._picture = picture
        self._began = time.monotonic()
        self._spinner = Spinner("dots")
        self._phase = "starting"

    def line(self, text: str) -> None:
        self._console.print(f"{time.monotonic() - self._began:6.1f} s  {text}", soft_wrap=True)

    def phase(self, text: str) -> None:
        self._phase = text

    def render(self) -> RenderableType:
        self._spinner.update(text=Text(f"{time.monotonic() - self._began:5.1f} s  {self._phase}"))
        return Group(self._spinner, Text(f"  {self._picture()}", style="dim"))
