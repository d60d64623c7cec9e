"""From a configuration to a job: everything that can be wrong is found before any process is started."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from express.compiler import compile_definition
from express.config import Config, choose
from express.config.files import read_text
from express.docs.samples import shipped
from express.errors import ConfigError, DefinitionError
from express.kafka.properties import client_properties
from express.metering import PriceTable, price_tables
from express.service.job import Job
from express.service.workflows import definition_keys, read_definition, workflow_files


class BrokenWorkflow(DefinitionError):
    """A workflow file that can't be compiled."""

    def __init__(self, file: str, error: DefinitionError) -> None:
        self.file = file
        super().__init__(error.diagnostics)


def prepare(config: Config, folders: Sequence[Path] = (), others: Sequence[str] = ()) -> Job:
    """The job of every worker; handlers are imported from the current folder and `folders` too.

    `others`: files of workflows that no pipeline runs, but executions may start.

    Raises ConfigError, and BrokenWorkflow for the first definition with findings.
    """
    if not config.pipelines:
        raise ConfigError("nothing to do: the configuration has no [[pipelines]]")
    client_properties(config.kafka)
    prices(config)
    definitions = {}
    for pipeline in config.pipelines:
        for key, file in definition_keys(pipeline).items():
            definitions[key] = _compilable(file)
    path = [str(folder.resolve()) for folder in (Path(), *folders)]
    started = {file: _compilable(file) for file in others if file not in workflow_files(config)}
    return Job(worker=0, config=config, definitions=definitions, path=list(dict.fromkeys(path)), others=started)


def _compilable(file: str) -> str:
    try:
        text = read_definition(file)
        compile_definition(text)
    except DefinitionError as error:
        raise BrokenWorkflow(file, error) from error
    return text.decode()


def workers_of(config: Config) -> int:
    """Return how many worker processes are wanted."""
    return config.workers.count or os.cpu_count() or 1


def prices(config: Config) -> PriceTable:
    """The price table that the configuration names. Raises ConfigError."""
    file = Path(config.metering.prices) if config.metering.prices else shipped("prices.toml")
    try:
        tables = price_tables(tomllib.loads(read_text(file, "the price file", 1024 * 1024)))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: {error}") from error
    choose(config.metering.table, tables, "price table")
    return tables[config.metering.table]
