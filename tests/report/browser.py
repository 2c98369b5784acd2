"""A real browser for the tests that need one; they skip with a message where there is none."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SOFTWARE_WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")


Launch = Callable[..., Any]


@contextmanager
def chromium() -> Iterator[Launch]:
    """A function that starts headless Chromium with some flags; skips where it or Playwright is not installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        running = []

        def launch(*flags: str) -> Any:
            running.append(started.chromium.launch(executable_path=path, args=[*flags, "--no-sandbox"]))
            return running[-1]

        yield launch
        for one in running:
            one.close()


@dataclass
class Watched:
    """A page, with everything it complained of or asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def opened(running: Any, path: Path, width: int = 1280, scheme: str = "light", **options: Any) -> Watched:
    """The file at `path` in a window of its own; what the browser itself looks up (its icon) is no request."""
    context = running.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
    watched = Watched(context.new_page())
    watched.page.on("console", lambda message: _note(watched, message))
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("request", lambda request: watched.requests.append(request.url))
    watched.page.goto(path.as_uri())
    return watched


def _note(watched: Watched, message: Any) -> None:
    # The driver's own warning: reading pixels of a software-drawn canvas is slow.
    if message.type in ("error", "warning") and "ReadPixels" not in message.text:
        watched.complaints.append(message.text)
