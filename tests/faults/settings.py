"""The configuration of the services under test: what every fault has, and what a fault wants otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

SESSION_SECONDS = 6
"""Of the groups under test: the least that a broker allows unless configured otherwise."""

STALLED = "stall"
"""The member of events whose handler does not return."""

WORKFLOW: dict[str, Any] = {
    "StartAt": "IsSlow",
    "States": {
        "IsSlow": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.hold", "NumericGreaterThan": 0, "Next": "Work"}],
            "Default": "Done",
        },
        "Work": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:work", "End": True},
        "Done": {"Type": "Pass", "End": True},
    },
}

CONFIG = """
[kafka]
bootstrap_servers = "{address}"
group = "{group}"
[kafka.client]
session_timeout_ms = {session}
heartbeat_interval_ms = 1000
rebalance_timeout_ms = 40000
metadata_max_age_ms = 5000
{client}
[functions]
work = "tests.faults.handlers:work"
hang = {{ handler = "tests.faults.handlers:hang", mode = "thread" }}
block = {{ handler = "tests.faults.handlers:block", mode = "inline" }}
[[pipelines]]
name = "faults"
topics = ["{topic}"]
workflow = "{workflow}"
output = "{topic}.results"
dead_letter = "{topic}.dead-letters"
delivery = "{delivery}"
{pipeline}
{beside}
[workers]
{workers}
drain = "{drain}"
restart_delay = "{restart}"
restart_delay_max = "{restart}"
[metrics]
port = 0
interval = "200ms"
"""


BESIDE = """
[[pipelines]]
name = "beside"
topics = ["{topic}.beside"]
workflow = "{workflow}"
output = "{topic}.beside.results"
dead_letter = "{topic}.beside.dead-letters"
delivery = "{delivery}"
"""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a fault wants. `pipeline` are more entries of `[[pipelines]]`, `client` of `[kafka.client]`."""

    delivery: str = "at_least_once"
    drain: str = "20s"
    restart: str = "100ms"
    """The pause before a worker that died is started again, however often it died."""
    workflow: dict[str, Any] = msgspec.field(default_factory=lambda: WORKFLOW)
    pipeline: dict[str, Any] = {}
    workers: dict[str, Any] = {}
    beside: bool = False
    """Whether the workers run another pipeline, too, which nothing may happen to."""
    client: dict[str, Any] = {}

    def text(self, address: str, group: str, topic: str, workflow: Path, client: dict[str, Any]) -> str:
        """The configuration file."""
        beside = BESIDE.format(topic=topic, workflow=workflow, delivery=self.delivery) if self.beside else ""
        return CONFIG.format(
            address=address,
            group=group,
            session=SESSION_SECONDS * 1000,
            client=_entries({**self.client, **client}),
            topic=topic,
            workflow=workflow,
            delivery=self.delivery,
            pipeline=_entries(self.pipeline),
            beside=beside,
            workers=_entries(self.workers),
            drain=self.drain,
            restart=self.restart,
        )


def _entries(values: dict[str, Any]) -> str:
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
