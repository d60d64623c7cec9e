"""Execution logs of workers wired: from `[execution_log]` and the levels of pipelines to files and topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from express.ports import LogSink
from express.service.workflows import definition_keys, machine_name
from express.telemetry.execution_log.file import LogFile
from express.telemetry.execution_log.recorder import ExecutionLog, LogRule

if TYPE_CHECKING:
    from express.config import Config, Pipeline
    from express.sinks.execution_log import LogTopic


class SeveralLogs:
    """Execution logs that go to more than one place."""

    def __init__(self, logs: Sequence[LogSink]) -> None:
        self._logs = logs

    @property
    def dropped(self) -> int:
        """Log events that did not reach one of the places."""
        return sum(log.dropped for log in self._logs)

    def write(self, lines: bytes, execution_arn: str) -> None:
        """Hand them to each."""
        for log in self._logs:
            log.write(lines, execution_arn)


class WorkerLogs:
    """The execution logs of one worker. Nothing is opened where no pipeline logs."""

    def __init__(self, config: Config, worker: int, kafka: Mapping[str, Any]) -> None:
        self._config = config.execution_log
        self._rules = {pipeline.name: log_rules(pipeline) for pipeline in config.pipelines}
        self._file: LogFile | None = None
        self._topic: LogTopic | None = None
        self._logs: list[ExecutionLog] = []
        if not any(self._rules.values()):
            return
        if self._config.file:
            size, files = int(self._config.size), self._config.files
            self._file = LogFile(own_file(self._config.file, worker), size=size, files=files)
        if self._config.topic:
            from express.sinks.execution_log import LogTopic

            self._topic = LogTopic(self._config.topic, kafka)

    @property
    def dropped(self) -> int:
        """Log events that nobody will see."""
        return sum(log.dropped for log in (self._file, self._topic) if log is not None)

    def of(self, pipeline: str) -> ExecutionLog | None:
        """The log of a pipeline's executions; None where all of them are OFF."""
        places: list[LogSink] = [log for log in (self._file, self._topic) if log is not None]
        rules = self._rules[pipeline]
        if not rules or not places:
            return None
        log = ExecutionLog(rules, SeveralLogs(places))
        self._logs.append(log)
        return log

    async def start(self) -> None:
        """Begin to write."""
        if self._topic is not None:
            await self._topic.start()

    async def stop(self) -> None:
        """Write what is there, then end."""
        for log in self._logs:
            log.close()
        if self._topic is not None:
            await self._topic.stop()
        if self._file is not None:
            self._file.close()


def log_rules(pipeline: Pipeline) -> dict[str, LogRule]:
    """State machine name → its rule, for those of a pipeline that log."""
    logging = pipeline.logging
    names = [machine_name(file) for file in definition_keys(pipeline).values()]
    levels = {name: logging.levels.get(name, logging.level) for name in names}
    include = logging.include_execution_data
    return {name: LogRule(level, include) for name, level in levels.items() if level != "OFF"}


def own_file(file: str, worker: int) -> str:
    """The file of one worker: no two processes can turn over the same.

    >>> own_file("logs/executions.log", 1), own_file("-", 1)
    ('logs/executions-1.log', '-')
    """
    path = Path(file)
    return file if file == "-" else str(path.with_name(f"{path.stem}-{worker}{path.suffix}"))
