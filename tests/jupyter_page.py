"""A notebook in real JupyterLab in real headless Chromium, for tests of widgets."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import nbformat
import pytest

from cmrkit.paths import REPOSITORY


def chromium():
    """Path of the system's Chromium; the test is skipped without one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium on this machine; Debian: apt-get install chromium")
    return path


@contextmanager
def open_notebook(folder, *sources):
    """Serve a notebook with these code cells from `folder`; yields a Playwright page showing it."""
    from playwright.sync_api import sync_playwright

    program = chromium()
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "rate.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    own = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "RUNTIME")}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
         "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}", "--LabApp.news_url="],
        env=os.environ | own | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(f"{address}/api/status")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1250, "height": 900})
            page.set_default_timeout(60_000)
            page.goto(f"{address}/lab/tree/rate.ipynb")
            yield page
            browser.close()
    finally:
        server.terminate()
        server.wait(30)


def run_first_cell(page):
    """Run the first cell by hand, as soon as the kernel is there.

    The keys are pressed again until the cell has a number or a star: JupyterLab drops keys while
    it restores its windows, and says so nowhere.
    """
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    prompt = page.locator(".jp-Cell .jp-InputPrompt").first
    for attempt in range(240):
        if attempt % 20 == 0:
            page.locator(".jp-Cell .cm-content").first.click()
            page.keyboard.press("Shift+Enter")
        if any(mark in prompt.inner_text() for mark in "*0123456789"):
            return
        page.wait_for_timeout(100)
    raise TimeoutError("JupyterLab does not run the cell")


def _wait_for(address, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
