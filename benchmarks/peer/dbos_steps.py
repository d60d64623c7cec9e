"""Workflows of six durable steps on DBOS over SQLite, for `benchmarks.standard`: prints one line of figures.

python dbos_steps.py FILE WORKFLOWS THREADS
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dbos import DBOS  # type: ignore[import-not-found]

STEPS = 6


@DBOS.step()  # type: ignore[untyped-decorator]
def work(order: dict[str, Any]) -> dict[str, Any]:
    """One step: answers at once."""
    return {"ok": order["id"]}


@DBOS.workflow()  # type: ignore[untyped-decorator]
def workflow(order: dict[str, Any]) -> dict[str, Any]:
    """Six of them."""
    for number in range(STEPS):
        order = {**order, f"r{number}": work(order)}
    return order


def cpu() -> float:
    """Seconds of processor time of all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(file: str, workflows: int, threads: int) -> None:
    """Run and print."""
    DBOS(
        config={
            "name": "benchmark",
            "system_database_url": f"sqlite:///{file}",
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    orders = [{"id": number, "order": "x" * 230} for number in range(workflows)]
    workflow(orders[0])
    began, spent = time.perf_counter(), cpu()
    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(workflow, orders))
    seconds, spent = time.perf_counter() - began, cpu() - spent
    assert all(result["r5"] == {"ok": order["id"]} for result, order in zip(results, orders, strict=True))
    steps = workflows * STEPS
    DBOS.destroy()
    size = sum(os.path.getsize(file + end) for end in ("", "-wal") if os.path.exists(file + end))
    print(json.dumps({"steps_per_second": steps / seconds, "us": spent / steps * 1e6, "bytes": size / steps}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
