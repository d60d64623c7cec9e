"""What processes spend, as Linux tells it; and nothing where nobody tells."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import processes

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")


def test_cpu_is_what_the_process_itself_says() -> None:
    """To a tick or two."""
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass

    found = processes.cpu_seconds([os.getpid()])

    assert found == pytest.approx(sum(os.times()[:2]), abs=0.05)
    assert processes.cpu_seconds([os.getpid(), 1 << 30]) is None


def test_a_family_is_all_below_a_process() -> None:
    """Itself first."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        found = processes.family(os.getpid())
    finally:
        child.communicate()

    assert found[0] == os.getpid()
    assert child.pid in found


def test_who_listens_is_found_by_the_port() -> None:
    """Only while it listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
        assert processes.listener(address) == os.getpid()

    assert processes.listener(address) is None


def test_without_proc_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The benchmarks leave the figures out."""
    monkeypatch.setattr(processes, "PROC", tmp_path)

    assert processes.cpu_seconds([1]) is None
    assert processes.family(1) == [1]
    assert processes.listener("localhost:80") is None
    assert processes.idle_seconds() is None
