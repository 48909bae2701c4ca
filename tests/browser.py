"""One browser per test process: a second driver cannot start in the same process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: the first that is installed; the headless shell takes a third of the processor time
BROWSERS = ("chromium-headless-shell", "chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--in-process-gpu"),
)
#: milliseconds
SECONDS = 1000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("chromium is missing: run `sudo apt-get install chromium`")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=15 * SECONDS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield launched
        launched.close()
