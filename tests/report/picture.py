"""A picture of a report for the documents: a desktop in light beside a phone in dark with its viewer open.

python -m tests.report.picture report.html picture.png
"""

import io
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np

from tests.report.browser import SOFTWARE_WEBGL, chromium

HEIGHT, DESKTOP, PHONE, GAP = 900, 1180, 390, 24


def main(report: Path, out: Path) -> None:
    """Take both pictures and put them side by side."""
    with chromium() as launch:
        running = launch(*SOFTWARE_WEBGL)
        views = []
        for width, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
            page = running.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme).new_page()
            page.goto(report.absolute().as_uri())
            if width == PHONE:
                _open_viewer(page)
            views.append(matplotlib.image.imread(io.BytesIO(page.screenshot()))[..., :3])
    gap = np.ones((HEIGHT, GAP, 3), np.float32)
    matplotlib.image.imsave(out, np.concatenate([views[0], gap, views[1]], axis=1))


def _open_viewer(page: Any) -> None:
    page.locator("#open").click()
    page.locator("#viewer[data-shown]").wait_for(timeout=120_000)
    page.evaluate("document.getElementById('viewer').scrollIntoView()")
    page.wait_for_timeout(500)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
