"""The report of a run: one HTML file with everything inside it, so that it opens anywhere, offline."""

from __future__ import annotations

from html import escape
from pathlib import Path

import msgspec

from express.bench.result import Result

_ASSETS = Path(__file__).parent / "assets"


def html(result: Result) -> str:
    """The report. Figures are in it as JSON; the page draws them."""
    # "<" written as an escape: nothing in the data can end the script element or open a comment in it.
    data = msgspec.json.encode(result).decode().replace("<", "\\u003c")
    parts = {
        "{{title}}": escape(f"{result.workflow} · express bench"),
        "{{uplot-css}}": _asset("uPlot.min.css"),
        "{{css}}": _asset("report.css"),
        "{{uplot-js}}": _asset("uPlot.iife.min.js"),
        "{{js}}": _asset("report.js"),
        "{{data}}": data,
    }
    page = _asset("report.html")
    for mark, text in parts.items():
        page = page.replace(mark, text)
    return page


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
