"""`express docs`: pages in the terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from express.docs.pages import pages

from .conftest import Run


def test_without_a_page_all_are_listed(run: Run) -> None:
    """Sections in the site's order, and below each its pages with name and title."""
    listed = run("docs").stdout.splitlines()
    assert listed[:2] == ["Start", f"  {'index':<{max(map(len, pages()))}}  Overview"]
    assert [line.split()[0] for line in listed if line.startswith("  ")] == list(pages())


def test_a_page_is_printed_as_markdown(run: Run) -> None:
    """Elsewhere than on a terminal: the page as it is written, without the marks that are for tests."""
    printed = run("docs", "metrics").stdout
    assert printed.startswith("# Metrics\n")
    assert "| `express_executions_started_total` |" in printed
    assert "<!--" not in printed


def test_a_beginning_or_the_name_of_the_file_is_enough(run: Run) -> None:
    """As for commands: what only one page can be is that page."""
    whole = run("docs", "guarantees").stdout
    assert run("docs", "guar").stdout == run("docs", "Guarantees.md").stdout == whole


def test_an_unknown_page_is_a_usage_error(run: Run) -> None:
    """With the nearest name, or the way to find one."""
    wrong = run("docs", "garantees")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr == "express docs: no page 'garantees'; did you mean 'guarantees'?\n"
    assert run("docs", "xyzzy").stderr == "express docs: no page 'xyzzy'; `express docs` lists all\n"
    assert run("docs", "me").stderr.startswith("express docs: no page 'me'; ")


def test_a_terminal_gets_a_rendered_page_in_its_pager() -> None:
    """Headings and tables are drawn, and what `PAGER` names shows them."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "PAGER": "sed s/^/paged:/", "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "express", "docs", "metering"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as process:
        os.close(theirs)
        shown = bytearray()
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    lines = shown.decode().splitlines()

    assert process.returncode == 0
    assert all(line.startswith("paged:") for line in lines)
    assert "Metering" in shown.decode()
    assert "# Metering" not in shown.decode()
    assert "| step |" not in shown.decode()


def _read(terminal: int) -> bytes:
    """Return what comes next; nothing once the other side is closed (Linux makes that an error)."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
