"""A headless Chromium for pages: what it draws, what is under the mouse, what it asks for."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
    "--window-size=1300,1000", "--force-device-scale-factor=1",
)  # fmt: skip
# Bokeh keeps its elements in shadow roots, which no selector looks into.
EVERYTHING = """
function everything(root) {
  return [...root.querySelectorAll("*")].flatMap(
    e => [e, ...(e.shadowRoot ? everything(e.shadowRoot) : [])]);
}
"""
DOTS = """
function views(view) { return [view, ...[...(view.children?.() ?? [])].flatMap(views)]; }
return Bokeh.index.roots.flatMap(views).filter(v => v.model.type == "GlyphRenderer").map(v => {
  const box = v.plot_view.canvas_view.el.getBoundingClientRect();
  const range = v.plot_view.model.x_range;
  return {
    field: v.model.glyph.x.field, title: v.plot_view.model.title.text,
    x: Array.from(v.glyph.sx ?? [], x => x + box.x),
    y: Array.from(v.glyph.sy ?? [], y => y + box.y),
    range: [range.start, range.end]
  };
});
"""
TOOLTIPS = (
    EVERYTHING
    + """
return everything(document).filter(e => e.classList.contains("bk-tooltip-content")).map(e => ({
  text: e.textContent,
  images: Object.fromEntries([...e.querySelectorAll("img")].map(i => [i.alt, i.src])),
  drawn: [...e.querySelectorAll("img")].every(i => i.naturalWidth > 0)
}));
"""
)
TABS = (
    EVERYTHING
    + """
return everything(document).filter(e => e.classList.contains("bk-tab"));
"""
)


def program(*names: str) -> str:
    """Return the path of a program; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no {names[0]}: the page is not opened (apt-get install chromium-driver)")
    return found


class Browser:
    """A page in Chromium."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.builder: Any = None

    def open(self, path: Path) -> list[str]:
        """Open a file; return every address that is asked for until Bokeh has drawn it."""
        self.driver.get("about:blank")
        self.requests()
        self.driver.get(path.as_uri())
        return self.requests()

    def requests(self) -> list[str]:
        """Return every address that was asked for since this was last called."""
        events = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]

    def run(self, script: str) -> Any:
        """Run a script in the page and return what it returns."""
        return self.driver.execute_script(script)

    def wait(self, what: Callable[[], Any]) -> Any:
        """Return `what()` as soon as it is true; fail after ten seconds."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.05)
        raise AssertionError("the page does not show it within ten seconds")

    def panels(self, explainer: str) -> list[dict[str, Any]]:
        """Return the panels of an explainer: title, range, places of the dots in the window."""

        def drawn() -> list[dict[str, Any]]:
            if not self.run("return window.Bokeh?.documents?.[0]?.is_idle ?? false"):
                return []
            found = [p for p in self.run(DOTS) if p["field"].endswith(f" {explainer}")]
            return found if all(panel["x"] for panel in found) else []

        return self.wait(drawn)

    def hover(self, x: float, y: float) -> dict[str, Any]:
        """Move the mouse to a place of the window; return text and images of the tooltip there."""
        self._mouse().move_to_location(round(x), round(y))
        self._perform()
        return self.wait(lambda: [t for t in self.run(TOOLTIPS) if t["text"] and t["drawn"]])[0]

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag the mouse from one place of the window to another."""
        mouse = self._mouse()
        mouse.move_to_location(*map(round, start))
        mouse.pointer_down()
        mouse.move_to_location(*map(round, end))
        mouse.pointer_up()
        self._perform()

    def open_tab(self, name: str) -> None:
        """Click on the tab of that name."""
        next(tab for tab in self.run(TABS) if tab.text == name).click()

    def _mouse(self) -> Any:
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        self.builder = ActionBuilder(self.driver)
        return self.builder.pointer_action

    def _perform(self) -> None:
        self.builder.perform()

    def pixels(self) -> np.ndarray:
        """Return what the window shows (H, W, 3), uint8."""
        picture = Image.open(io.BytesIO(self.driver.get_screenshot_as_png()))
        return np.asarray(picture.convert("RGB"))


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Give a headless Chromium with an empty profile; skip the test where there is none."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options, Service(program("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
