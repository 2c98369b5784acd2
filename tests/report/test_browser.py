"""The report in a real browser: no errors, no requests, the viewer draws, links and buttons work, phones and paper."""

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from modelsgenesis.report.build import Written
from tests.report.browser import SOFTWARE_WEBGL, Launch, Watched, chromium, opened

SHOWN = "document.getElementById('viewer').dataset.shown || document.getElementById('viewer').dataset.failed || ''"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PAPER = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def running(launch: Launch) -> Any:
    return launch(*SOFTWARE_WEBGL)


@pytest.fixture
def watched(running: Any, written: Written) -> Iterator[Watched]:
    found = opened(running, written.page)
    yield found
    found.page.context.close()


def wait_for(page: Any, expression: str, expected: str = "", seconds: float = 90) -> Any:
    """The value of `expression` once it is true, or is `expected`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = page.evaluate(expression)
        if value and (not expected or value == expected):
            return value
        page.wait_for_timeout(200)
    raise AssertionError(f"{expression} is still {page.evaluate(expression)!r} after {seconds} s")


def canvas(page: Any) -> np.ndarray:
    """What the viewer shows, (rows, columns, 3) in [0, 1]."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shot = page.locator("#canvas").screenshot()
    return matplotlib.image.imread(io.BytesIO(shot))[..., :3]


def coloured(pixels: np.ndarray) -> int:
    """Pixels that are no shade of grey: the overlays."""
    return int((pixels.max(-1) - pixels.min(-1) > 0.12).sum())


def test_opens_without_errors_or_requests(watched: Watched, written: Written) -> None:
    watched.page.wait_for_timeout(500)
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith("data:")] == [written.page.as_uri()]
    assert watched.page.title() == "Report: phantoms"  # what was hostile did not run
    assert watched.page.evaluate("typeof globalThis.Niivue") == "undefined"  # nothing is unpacked yet


def test_viewer_shows_volume_and_overlays(watched: Watched, written: Written) -> None:
    page = watched.page
    choice = page.locator("#choose option", has_text="lcs-").first.get_attribute("value")
    page.locator(f"button.show[data-volume='{choice}']").click()
    assert wait_for(page, SHOWN) == choice
    assert "truth: organ" in page.locator("#place").inner_text()  # it opens where the pictures are cut
    both = canvas(page)
    assert both.std() > 0.1  # neither blank nor of one colour
    assert coloured(both) > 500
    page.locator("#truth").uncheck()
    prediction = canvas(page)
    page.locator("#prediction").uncheck()
    neither = canvas(page)
    page.locator("#truth").check()
    truth = canvas(page)
    assert coloured(neither) < 0.02 * coloured(both)
    assert min(coloured(truth), coloured(prediction)) > 200
    assert np.abs(truth - prediction).max() > 0.2
    assert neither.std() > 0.1  # the volume is still there
    page.locator("#opacity").fill("0.05")
    assert coloured(canvas(page)) < coloured(truth)
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith(("data:", "blob:"))] == [written.page.as_uri()]


def test_viewer_scrolls_and_changes(watched: Watched) -> None:
    page = watched.page
    page.locator("#open").click()
    first = wait_for(page, SHOWN)
    page.locator("#view").select_option("0")
    before = canvas(page)
    page.locator("#canvas").hover()
    page.mouse.wheel(0, 300)
    page.wait_for_timeout(300)
    assert np.abs(canvas(page) - before).mean() > 0.003
    others = page.locator("#choose option").evaluate_all("options => options.map((option) => option.value)")
    page.locator("#choose").select_option(others[-1])
    assert wait_for(page, SHOWN, others[-1]) != first
    assert watched.complaints == []


def test_without_webgl_the_pictures_remain(launch: Launch, written: Written) -> None:
    watched = opened(launch("--disable-gpu", "--disable-3d-apis"), written.page)
    watched.page.locator("#open").click()
    assert "WebGL" in wait_for(watched.page, SHOWN)
    assert "slices below" in watched.page.locator("#viewer-note").inner_text()
    assert watched.page.locator(".card svg").first.is_visible()
    assert [url for url in watched.requests if not url.startswith("data:")] == [written.page.as_uri()]


def test_without_javascript_all_but_the_viewer_is_there(running: Any, written: Written) -> None:
    page = opened(running, written.page, java_script_enabled=False).page
    assert page.locator("h1").is_visible()
    assert page.locator(".card svg").first.is_visible()
    assert not page.locator("#viewer").is_visible()
    assert not page.locator(".exports").first.is_visible()
    page.context.close()


@pytest.mark.parametrize("width", [360, 390, 768, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows(running: Any, written: Written, width: int, scheme: str) -> None:
    watched = opened(running, written.page, width, scheme)
    assert watched.page.evaluate(OVERFLOW) == 0
    watched.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert watched.page.evaluate(OVERFLOW) == 0
    assert watched.complaints == []
    watched.page.context.close()


def test_light_and_dark(running: Any, written: Written) -> None:
    page = opened(running, written.page, scheme="dark").page
    dark = page.evaluate(PAPER)
    page.locator("#theme").click()
    light = page.evaluate(PAPER)
    assert [sum(map(int, colour[4:-1].split(","))) > 384 for colour in (dark, light)] == [False, True]
    page.wait_for_timeout(1000)  # what is stored is written a little later
    page.reload()
    assert page.evaluate(PAPER) == light  # as chosen last
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(running: Any, written: Written, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG AA asks."""
    page = opened(running, written.page, scheme=scheme).page
    found = page.evaluate(
        """() => ["p.verdict .plain", "p.verdict .finding", "p.verdict .caution", "figcaption", "td", "thead th",
                  ".eyebrow", ".note", ".papers .landmark", ".outcome", ".leak", ".trace a",
                  ".warning li"].flatMap((name) => {
            const part = document.querySelector(name);
            if (!part) return [];
            const panel = part.closest(".warning, .trace") ?? document.body;
            return [[name, getComputedStyle(part).color, getComputedStyle(panel).backgroundColor]];
        })"""
    )
    assert len(found) == 13
    for name, ink, paper in found:
        light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5, (name, ink, paper)
    page.context.close()


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`."""
    share = np.array([float(part) for part in colour[4:-1].split(",")]) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("form", ["csv", "md", "tex"])
def test_buttons_save_the_tables(watched: Watched, written: Written, form: str, tmp_path: Path) -> None:
    with watched.page.expect_download() as download:
        watched.page.locator(f".exports[data-table=scores] button[data-format={form}]").click()
    assert download.value.suggested_filename == f"scores.{form}"
    download.value.save_as(tmp_path / "saved")
    beside = next(path for path in written.tables if path.name == f"scores.{form}")
    assert (tmp_path / "saved").read_bytes() == beside.read_bytes()
    if form == "csv":
        assert next(csv.reader(io.StringIO(beside.read_text())))[0] == "target"


def test_links_unfold_what_they_lead_to(watched: Watched) -> None:
    page = watched.page
    page.locator("main a[href^='#runs-']").first.click()
    page.wait_for_timeout(300)
    assert page.evaluate("document.getElementById('runs').open")
    assert page.evaluate("location.hash").startswith("#runs-")
    for anchor in page.locator("nav a[href^='#']").evaluate_all("links => links.map((link) => link.hash.slice(1))"):
        assert page.evaluate(f"document.getElementById({anchor!r}) !== null")


def test_a_number_opens_its_runs(watched: Watched) -> None:
    number = watched.page.locator("table.scores summary").first
    number.click()
    folder = watched.page.locator("table.scores .trace a").first
    assert folder.is_visible()
    assert "runs/" in folder.inner_text()


def test_paper(watched: Watched, tmp_path: Path) -> None:
    page = watched.page
    page.set_viewport_size({"width": 718, "height": 1016})  # A4 between its margins
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(OVERFLOW) == 0
    assert page.evaluate(PAPER) in ("rgba(0, 0, 0, 0)", "rgb(255, 255, 255)")
    assert luminance(page.evaluate("getComputedStyle(document.querySelector('h1')).color")) < 0.05
    assert not page.locator("nav").is_visible()
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 20_000
