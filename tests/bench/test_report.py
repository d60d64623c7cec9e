"""The HTML report: one file that asks nobody for anything and that no name in it can break."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from express.bench.report import html
from express.bench.result import ReaderFigures, StateShare
from tests.bench.samples import result_of, steady
from tests.patience import PATIENCE

HOSTILE = "</script><img src=x onerror=alert(1)><!--{{js}}"


class Page(HTMLParser):
    """Collects what a page would load, and its embedded data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.data = ""
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        self._inside = given.get("id") == "data"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.data += data
            self._inside = False


def page(name: str = "machine", pipeline: str | None = None) -> str:
    result = result_of(steady(0.01), name=name)
    result.load = msgspec.structs.replace(result.load, pipeline=pipeline)
    result.reader = None if pipeline is None else ReaderFigures()
    result.states = [StateShare(name=name, kind="Pass", entered=1)]
    result.errors = {name: 3}
    return html(result)


def test_it_loads_nothing() -> None:
    """Nothing has an address but the empty icon; styles fetch nothing; the policy forbids it on top."""
    text = page()

    assert Page(text).loads == ["data:,"]
    assert "@import" not in text
    assert "url(" not in "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    assert "default-src 'none'" in text
    assert len(text) < 300_000


def test_names_are_data() -> None:
    """A name that looks like HTML stays a name: no element comes of it, and the data reads as it was."""
    text = page(HOSTILE)
    read = Page(text)

    assert "img" not in read.tags
    assert json.loads(read.data)["workflow"] == HOSTILE
    assert json.loads(read.data)["errors"] == {HOSTILE: 3}


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
@pytest.mark.parametrize(("pipeline", "charts"), [(None, 4), ("express.toml", 5)])
def test_a_browser_draws_it(tmp_path: Path, pipeline: str | None, charts: int) -> None:
    """Headless Chromium runs the page to its end: title, tables and charts are there, that of a lag with Kafka only.

    No script failed, and nothing was asked for: the page's own policy would have put that on the console.
    """
    file = tmp_path / "report.html"
    file.write_text(page(HOSTILE, pipeline), encoding="utf-8")
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            "--host-resolver-rules=MAP * ~NOTFOUND",  # the browser has errands of its own
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", file.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )

    assert ":CONSOLE" not in done.stderr
    assert done.stdout.count("<canvas") == charts
    assert ("Lag of the consumer group" in done.stdout) == (pipeline is not None)
    assert "&lt;/script&gt;&lt;img" in done.stdout
    assert "What AWS would charge" in done.stdout
