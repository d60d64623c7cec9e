"""What a running service says about its connection: each change once, and nothing while nothing changes."""

from __future__ import annotations

from typing import Any

import msgspec

from express.config import Config, Pipeline
from express.service.announcements import WAITING_SECONDS, Announcer, served

REFUSED = {"b:9092": "refused"}


class Stage:
    """A supervisor that is what a test says, and the lines that were said."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stopping = False
        self.unreachable: dict[str, str] = {}
        self.waits = {"worker 0": "does not run yet", "worker 1": "does not run yet"}
        self.lines: list[str] = []
        self._announcer = Announcer(self, 2, self.lines.append, lambda: self.now)

    def ready(self) -> dict[str, str]:
        return self.waits

    def become(self, seconds: float = 0, waits: str | None = None, unreachable: dict[str, str] | None = None) -> None:
        """Change; the announcer looks twice."""
        self.now += seconds
        if waits is not None:
            self.waits = {"worker 0": waits, "worker 1": waits}
        if unreachable is not None:
            self.unreachable = unreachable
        self._announcer.look()
        self._announcer.look()

    def said(self) -> list[str]:
        """What was said since the last call."""
        lines = self.lines[:]
        self.lines.clear()
        return lines


def test_connected_gone_and_back() -> None:
    """Each is a line, with the broker's name and for how long."""
    stage = Stage()
    stage.become()
    assert stage.said() == []
    stage.become(1, waits="")
    assert stage.said() == ["connected to Kafka: 2 workers drain the topics"]
    stage.become(60)
    stage.become(5, unreachable=REFUSED)
    assert stage.said() == ["Kafka is gone: b:9092: refused"]
    stage.become(5, unreachable={**REFUSED, "": "no broker has answered"}, waits="x")
    assert stage.said() == []
    stage.become(1, unreachable={})  # the workers are not back in their group yet
    assert stage.said() == []
    stage.become(1, waits="")
    assert stage.said() == ["Kafka is back after 7 s: 2 workers drain the topics"]


def test_one_broker_after_the_other() -> None:
    """Each that goes is told when it goes; they are back when all are."""
    stage = Stage()
    stage.become(waits="")
    stage.said()
    stage.become(1, unreachable=REFUSED)
    stage.become(1, unreachable={**REFUSED, "c:9092": "timed out"})
    stage.become(1, unreachable={"c:9092": "timed out"})
    stage.become(1, unreachable={})

    assert stage.said() == [
        "Kafka is gone: b:9092: refused",
        "Kafka is gone: c:9092: timed out",
        "Kafka is back after 3 s: 2 workers drain the topics",
    ]


def test_a_connection_that_takes_long_says_what_it_waits_for() -> None:
    """Once for each reason, the same of several workers once; and that Kafka was never there."""
    stage = Stage()
    stage.become(1, unreachable=REFUSED)
    assert stage.said() == ["Kafka can't be reached: b:9092: refused"]
    stage.become(1, unreachable={})
    stage.become(WAITING_SECONDS + 1, waits="pipeline p has not joined its group yet")
    stage.become(1)
    stage.become(1, waits="pipeline p: joining: NotAuthorized")
    stage.become(1, waits="")

    assert stage.said() == [
        "Kafka is back after 7 s, but pipeline p has not joined its group yet",
        "not connected yet: pipeline p: joining: NotAuthorized",
        "connected to Kafka: 2 workers drain the topics",
    ]


def test_a_pipeline_that_stands_still_does_not_hide_that_kafka_is_back() -> None:
    """One that was stopped for good never gets ready; the line says so."""
    stage = Stage()
    stage.become(waits="")
    stage.become(1, unreachable=REFUSED, waits="pipeline p stopped: too large")
    stage.become(1, unreachable={})
    stage.said()
    stage.become(WAITING_SECONDS + 1)

    assert stage.said() == ["Kafka is back after 7 s, but pipeline p stopped: too large"]


def test_what_is_served_is_a_line_per_pipeline() -> None:
    """Name, topics, workflows, and where results and dead letters go."""
    orders: dict[str, Any] = {
        "name": "orders",
        "topics": ["orders.eu", "orders.us"],
        "workflow": "order.asl.json",
        "workflows": ["refund.asl.json", "order.asl.json"],
        "output": "orders.out",
        "dead_letter": "orders.dead",
    }
    plain = {**orders, "name": "plain", "topics": ["in"], "workflows": []}
    config = Config(pipelines=msgspec.convert([orders, plain], list[Pipeline]))

    assert list(served(config)) == [
        "pipeline orders reads orders.eu and orders.us, runs order.asl.json and refund.asl.json, writes orders.out, "
        "dead letters to orders.dead",
        "pipeline plain reads in, runs order.asl.json, writes orders.out, dead letters to orders.dead",
    ]
