"""Lines about a running service: what it serves, when it is connected, when Kafka is gone and when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from express.config import Config, Pipeline

LOOK_SECONDS = 0.2

WAITING_SECONDS = 5.0
"""A connection that takes longer is worth a word about what it waits for."""


class Watched(Protocol):
    """The part of a supervisor that is looked at."""

    @property
    def stopping(self) -> bool:
        """Return whether the workers have been told to end."""

    @property
    def unreachable(self) -> Mapping[str, str]:
        """Broker → why some worker can't reach it."""

    def ready(self) -> Mapping[str, str]:
        """Worker → why it does not drain its topics; empty where it does."""


def served(config: Config) -> Iterator[str]:
    """Describe each pipeline in a line: its topics, its workflows, and where results and dead letters go."""
    for pipeline in config.pipelines:
        yield (
            f"pipeline {pipeline.name} reads {_listed(pipeline.topics)}, runs {_listed(_workflows(pipeline))}, "
            f"writes {pipeline.output}, dead letters to {pipeline.dead_letter}"
        )


def _workflows(pipeline: Pipeline) -> Iterable[str]:
    return dict.fromkeys([pipeline.workflow, *pipeline.workflows])


def _listed(names: Iterable[str]) -> str:
    """Join names as a sentence does.

    >>> _listed(["a"]), _listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last


class Announcer:
    """Says once what has changed about the connection. `look` is called again and again."""

    def __init__(
        self,
        watched: Watched,
        workers: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watched = watched
        self._workers = workers
        self._say = say
        self._clock = clock
        self._since = clock()
        self._connected = False
        self._gone: dict[str, str] = {}
        self._unreachable_at = 0.0
        self._waits_for: list[str] = []

    async def run(self) -> None:
        """Look until the service is told to stop."""
        while not self._watched.stopping:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Say what is new."""
        unreachable = dict(self._watched.unreachable)
        waiting = [why for why in dict.fromkeys(self._watched.ready().values()) if why]
        fresh = {broker: why for broker, why in unreachable.items() if broker not in self._gone}
        if self._gone:
            fresh.pop("", None)  # that nobody answers is no news any more
        if unreachable:
            self._unreachable_at = self._clock()
        if fresh:
            self._tell_gone(fresh)
        elif not unreachable and not waiting and (self._gone or not self._connected):
            self._tell_connected()
        elif self._gone and waiting and self._clock() - self._unreachable_at > WAITING_SECONDS:
            self._tell_half(waiting)
        elif not self._connected and waiting != self._waits_for and self._clock() - self._since > WAITING_SECONDS:
            self._waits_for = waiting
            self._say(f"not connected yet: {'; '.join(waiting)}")

    def _tell_gone(self, fresh: dict[str, str]) -> None:
        if not self._gone:
            self._since = self._clock()
        self._gone.update(fresh)
        places = "; ".join(f"{broker}: {why}" if broker else why for broker, why in fresh.items())
        self._say(f"Kafka is gone: {places}" if self._connected else f"Kafka can't be reached: {places}")

    def _tell_half(self, waiting: list[str]) -> None:
        self._say(f"Kafka is back after {self._gone_for():.0f} s, but {'; '.join(waiting)}")
        self._connected, self._gone, self._waits_for = False, {}, waiting

    def _gone_for(self) -> float:
        return self._clock() - self._since

    def _tell_connected(self) -> None:
        workers = f"{self._workers} worker{'s' if self._workers != 1 else ''}"
        drain = f"{workers} drain{'s' if self._workers == 1 else ''} the topics"
        if self._connected:
            self._say(f"Kafka is back after {self._gone_for():.0f} s: {drain}")
        else:
            self._say(f"connected to Kafka: {drain}")
        self._connected, self._gone, self._waits_for = True, {}, []
