"""Workflow files of `express serve`: deployed at the start and, while they are watched, whenever they are saved."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from express.api.actions.machines import create_state_machine, update_state_machine
from express.api.context import Api
from express.api.definitions import diagnose
from express.compiler import compile_definition
from express.config import Config, Function
from express.engine.effects import StartTask
from express.errors import ApiError, ConfigError, DefinitionError, Diagnostic
from express.integrations import CircuitBreakers, ExternalIntegrations, InProcess, Integrations, LocalFunctions, table
from express.ports import Integration, TaskContext
from express.service.workflows import machine_name, read_definition, unperformed
from express.values import JSON

LOOK_SECONDS = 0.1
"""Seconds between two looks at watched files."""

ROLE = "arn:aws:iam::{account}:role/express"

log = logging.getLogger(__name__)


class RefusedWorkflow(Exception):
    """A workflow file whose definition has errors."""

    def __init__(self, file: str, findings: Sequence[Diagnostic]) -> None:
        self.file = file
        self.findings = tuple(findings)
        super().__init__(f"{file}: {len(self.findings)} errors")


async def deploy_file(api: Api, file: str) -> tuple[str, bool]:
    """Make a machine of a file, named after it, or give it a new revision: its ARN, and whether anything changed.

    Tasks that nothing here performs are no reason to refuse it, as AWS does not look at what a role may do: whoever
    tests states with mocks needs none. They are told as warnings, and fail by name when they are called.

    Raises ConfigError for a file that can't be read, and Refused for one that can't be run.
    """
    try:
        text = read_definition(file).decode(errors="replace")
    except DefinitionError as error:
        raise RefusedWorkflow(file, error.diagnostics) from error
    errors = [finding for finding in diagnose(text, "EXPRESS") if finding.severity == "ERROR"]
    if errors:
        raise RefusedWorkflow(file, errors)
    name = machine_name(file)
    if isinstance(api.integration, SwappableIntegration):
        for line in api.integration.unperformed(text):
            log.warning("%s: %s", file, line)
    arn = f"{api.registry.prefix}:stateMachine:{name}"
    machine = api.registry.machines.get(arn)
    if machine is None:
        role = ROLE.format(account=api.registry.prefix.rpartition(":")[2])
        await create_state_machine(api, {"name": name, "definition": text, "roleArn": role, "type": "EXPRESS"})
        return arn, True
    if (await api.registry.revision(machine, machine.revision)).definition == text:
        return arn, False
    await update_state_machine(api, {"stateMachineArn": arn, "definition": text})
    return arn, True


class SwappableIntegration(Integration):
    """An `Integration` that can be exchanged: calls that run stay with the one they began with."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        threads: int,
        config: Config | None = None,
        here: InProcess = InProcess(),  # noqa: B008 # frozen
    ) -> None:
        """`config` says what may be called beyond this process; None: nothing. `here`: what can be done in it."""
        self._here = here
        self._table = functions
        self._threads = threads
        self._config = config or Config()
        self.gates = CircuitBreakers(self._config.breaker, self._config.limits)
        self._old: list[LocalFunctions | ExternalIntegrations] = []
        self._functions, self._outside, self._inner = self._load()

    def _load(self) -> tuple[LocalFunctions, ExternalIntegrations, Integrations]:
        functions = LocalFunctions(self._table, threads=self._threads)
        outside = ExternalIntegrations(self._config, functions, self._here)
        return functions, outside, Integrations(table(functions, outside), self.gates)

    def unperformed(self, text: str) -> list[str]:
        """A line for each task of a definition that nothing here performs."""
        return unperformed(compile_definition(text), text.encode(), self._outside.functions, self._inner)

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Perform the call with the present functions."""
        return self._inner.start(task, context)

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """The task with what its parameters make; raises Unsendable where they make no request."""
        return self._inner.prepare(task, context)

    def modules(self) -> dict[str, Path]:
        """The files that the handlers were imported from."""
        found = {}
        for function in self._table.values():
            module = sys.modules.get(function.handler.partition(":")[0])
            file = getattr(module, "__file__", None)
            if module is not None and file:
                found[module.__name__] = Path(file)
        return found

    def reload(self, modules: Sequence[str]) -> None:
        """Import these modules anew. Raises ConfigError, and keeps what there was, if that fails."""
        for name in modules:
            try:
                importlib.reload(sys.modules[name])
            except Exception as error:
                raise ConfigError(f"the module {name!r} crashes: {type(error).__name__}: {error}") from error
        fresh = self._load()
        self._old += [self._outside, self._functions]
        self._functions, self._outside, self._inner = fresh

    async def close(self) -> None:
        """Let go of threads and processes."""
        for part in (*self._old, self._outside, self._functions):
            await part.close()


class Watch:
    """Looks at files, and calls back for those that were saved."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)
        self._seen = {name: _stamp(path) for name, path in self._files.items()}

    def changed(self) -> list[str]:
        """The names of files that were saved since the last call."""
        saved = []
        for name, path in self._files.items():
            stamp = _stamp(path)
            if stamp is not None and stamp != self._seen[name]:
                self._seen[name] = stamp
                saved.append(name)
        return saved


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is saved; None while an editor has put it aside."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


async def watch(
    api: Api,
    files: Sequence[str],
    current: SwappableIntegration,
    told: Callable[[str], None],
    refused: Callable[[RefusedWorkflow], None],
) -> None:
    """Keep machines and functions as their files are, until cancelled. A broken file leaves what there was."""
    workflows = Watch({file: Path(file) for file in files})
    modules = Watch(current.modules())
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        for file in workflows.changed():
            try:
                arn, changed = await deploy_file(api, file)
                if changed:
                    told(f"{file} is live as {arn}")
            except RefusedWorkflow as refusal:
                refused(refusal)
            except (ApiError, ConfigError) as error:
                told(f"{file} is left as it was: {error}")
        saved = modules.changed()
        if saved:
            try:
                current.reload(saved)
                told(f"{', '.join(saved)} is live")
            except ConfigError as error:
                told(f"handlers are left as they were: {error}")
