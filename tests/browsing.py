"""A real browser for the tests of the report: Debian's Chromium, started once for a module, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Dialog, Page, Request, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
THEMES = ("light", "dark")
WIDTHS = (375, 800, 1400)  # a phone, a tablet, a desk
HEIGHT = 900

with open(os.path.join(os.path.dirname(__file__), "layout.js"), encoding="utf-8") as _file:
    LAYOUT = _file.read()

#: The picture that fits the window is chosen by the browser, and loaded after the resize.
_DECODED = "Promise.all([...document.images].map(image => image.decode().catch(() => 0))).then(() => 0)"


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, headless. Skips the test where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium: apt install chromium")
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


class Tab:
    """A page in the browser, and whatever it did that a report does not do: speak, ask, load, run."""

    def __init__(self, browser: Browser, path: str) -> None:
        self.did: list[str] = []
        self._path = path
        self._url = f"file://{path}"
        self._context = browser.new_context(viewport={"width": WIDTHS[0], "height": HEIGHT})
        self.page: Page = self._context.new_page()
        self.page.on("console", lambda message: self.did.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.did.append(f"error: {error}"))
        self.page.on("popup", lambda page: self.did.append(f"popup: {page.url}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)
        self.page.goto(self._url)

    def _dialog(self, dialog: Dialog) -> None:
        self.did.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if request.url != self._url:
            self.did.append(f"request: {request.url}")

    def show(self, width: int, theme: str) -> None:
        """Look at it in a window of that width (CSS pixels) and in that theme, light or dark."""
        self.page.emulate_media(media="screen", color_scheme="dark" if theme == "dark" else "light")
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.evaluate(_DECODED)

    def print_preview(self, theme: str) -> None:
        """Show it as it is printed, by a browser that shows pages in that theme."""
        self.page.emulate_media(media="print", color_scheme="dark" if theme == "dark" else "light")
        self.page.evaluate(_DECODED)

    def faults(self) -> list[str]:
        """What can't be read as it is shown now."""
        return list(self.page.evaluate(LAYOUT))

    def pictures(self) -> list[str]:
        """The sources of the pictures that are shown now."""
        return list(self.page.evaluate("[...document.images].map(image => image.currentSrc)"))

    def screenshot(self, name: str) -> None:
        """Leave a picture of the whole page beside it, for people to look at."""
        self.page.screenshot(full_page=True, path=self._path.replace(".html", f"-{name}.png"))

    def barriers(self, rules: list[str] | None = None) -> list[str]:
        """What axe-core says against it as it is shown now, and what it can't judge for itself; rules: tags of them."""
        options: dict[str, Any] = {"resultTypes": ["violations", "incomplete"]}
        if rules:
            options["runOnly"] = rules
        self.page.evaluate(AXE_SCRIPT)
        found: dict[str, Any] = self.page.evaluate("options => axe.run(options)", options)
        return [
            f"{kind}: {rule['id']}: {node['html'][:200]}"
            for kind in ("violations", "incomplete")
            for rule in found[kind]
            for node in rule["nodes"]
        ]

    def close(self) -> None:
        """Close it; nothing of it is kept."""
        self._context.close()
