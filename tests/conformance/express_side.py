"""The one place where the runner meets `express`: what it calls for each kind of question.

A question that the package can't be asked yet raises NotYet with the reason; nothing is guessed here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET

from express.api import executions, responses, teststate
from express.api.definitions import check_definition, read_input, validation_result
from express.api.variables import variable_references as references
from express.compiler import compile_definition
from express.config import Aws, Config
from express.engine import About
from express.engine.effects import StartTask
from express.engine.events import Event, TaskFailed, TaskSucceeded
from express.engine.execution import Prepare
from express.errors import ApiError, DefinitionError, Diagnostic, Unsendable
from express.integrations import ExternalIntegrations, Integrations, LocalFunctions, table
from express.ports import TaskContext
from express.telemetry.execution_log.events import Level, log_events
from express.values import dumps

from .cases import Case
from .host import Entropy, Run
from .outcome import NotYet
from .script import Script

JSON = Any

ACCOUNT = "111111111111"
REGION = "us-east-1"
MACHINE = "Conformance"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/conformance"
EXECUTION = "5a1c7a52-6fd2-4a3c-9a43-1f0a3f1d8a6b"
RUN = "0e5b4a9e-0a0f-4b43-8f1f-3a1f5d0f6c11"
STARTED = 1_800_000_000.0
"""The wall clock of every case: a day in 2027, after whatever was recorded."""


def compile_case(case: Case) -> Any:
    """The program of a case: as an Express machine, or where that is refused, as the Standard one it was."""
    try:
        return compile_definition(case.text(), type="EXPRESS")
    except DefinitionError as refusal:
        if case.machine_type == "EXPRESS":
            raise
        return _compile_standard(case, refusal)


def _compile_standard(case: Case, refusal: DefinitionError) -> Any:
    try:
        return compile_definition(case.text(), type="STANDARD")
    except DefinitionError as error:
        waiting = [d.message for d in error.diagnostics if _not_yet(d)]
        if waiting:
            raise NotYet(waiting[0]) from error
        raise refusal from error


def _not_yet(diagnostic: Diagnostic) -> bool:
    return "not supported yet" in diagnostic.message


def about(case: Case) -> About:
    """Who the execution of a case is."""
    prefix = f"arn:aws:states:{REGION}:{ACCOUNT}"
    express = f"{prefix}:express:{MACHINE}:{EXECUTION}:{RUN}"
    return About(
        execution_arn=express if case.machine_type == "EXPRESS" else f"{prefix}:execution:{MACHINE}:{EXECUTION}",
        name=EXECUTION,
        role_arn=ROLE,
        state_machine_arn=f"{prefix}:stateMachine:{MACHINE}",
        state_machine_name=MACHINE,
        started=STARTED,
        redrive_count=None if "sync_response" in case.expect else 0,
    )


def entropy(case: Case) -> Entropy:
    """Chance for a case: its own, the same in every run."""
    return Entropy(sum(case.id.encode()))


@cache
def prepare() -> Prepare:
    """What the integrations of a worker that may call everything make of a call's parameters. Nothing is sent."""
    functions = LocalFunctions({})
    config = Config(aws=Aws(allow=["*"], region=REGION))
    table_ = table(functions, ExternalIntegrations(config, functions))
    integrations = Integrations({key: row for key, row in table_.items() if key != "http"})  # that has connections

    def prepared(task: StartTask, about: About, deadline: float | None) -> StartTask:
        data, host = task.input, "ApiEndpoint"
        if isinstance(data, dict) and host in data:  # recordings have a placeholder
            task = msgspec.structs.replace(task, input={**data, host: "a.execute-api.us-east-1.amazonaws.com"})
        try:
            done = integrations.prepare(task, TaskContext(about.execution_arn, about.state_machine_name, 1e12))
            return msgspec.structs.replace(done, input=data)
        except Unsendable as error:
            shown = (error.cause or "").replace(dumps(task.input).decode(), dumps(data).decode())
            raise Unsendable(shown) from error

    return prepared


def limit(program: Any) -> float | None:
    """The cap on the execution in seconds."""
    return None if program.type == "STANDARD" else 300.0


def sync_response(case: Case, run: Run) -> dict[str, JSON]:
    """The members of the StartSyncExecution answer that do not differ from run to run."""
    request = executions.Request(target=None, text=_json(case.data()), sync=True)  # type: ignore[arg-type]
    started = executions.Started(request, run.execution.program, about(case))
    started.finish, started.output = executions.told(run.execution.finished)
    response = responses.sync_response(started, include_data=True)
    return {name: value for name, value in response.items() if name not in _VARYING}


_VARYING = ("startDate", "stopDate", "billingDetails", "input", "output")


def log_lines(run: Run, level: Level, *, include_data: bool) -> list[dict[str, JSON]]:
    """The log events of a run at a level."""
    return log_events(run.execution, level, include_data=include_data)


def test_state(case: Case) -> tuple[dict[str, JSON] | None, dict[str, str] | None]:
    """The answer of one TestState call, or its error as `code` and `message`."""
    request = {**case.request, "definition": case.text()}
    if case.input is not UNSET:
        request["input"] = _json(case.input)
    if case.tasks or "mock" in request:
        request.setdefault("roleArn", ROLE)
    script = Script([{**task, "state": teststate.STATE} for task in case.tasks])
    try:
        prefix = f"arn:aws:states:{REGION}:{ACCOUNT}"
        return teststate.test_state(request, lambda task: _performed(script, task), prefix=prefix), None
    except ApiError as error:
        return None, {"code": error.code, "message": error.message}


def _performed(script: Script, task: StartTask) -> Event:
    answer = script.answer(task.state, task.input)
    if answer.kind == "succeed":
        return TaskSucceeded(task.seq, answer.output)
    return TaskFailed(task.seq, answer.error, answer.cause, answer.stage)


def validate(case: Case) -> dict[str, JSON]:
    """The answer of ValidateStateMachineDefinition."""
    return validation_result(case.text(), case.machine_type)  # type: ignore[arg-type]


def create_error(case: Case) -> dict[str, str] | None:
    """The error of CreateStateMachine as `code` and `message`, None if the machine is accepted."""
    return _refusal(lambda: check_definition(case.text(), case.machine_type))  # type: ignore[arg-type]


def start_error(case: Case) -> dict[str, str] | None:
    """The error of StartExecution as `code` and `message`, None if the input is accepted."""
    return _refusal(lambda: read_input(None if case.input_text is UNSET else case.input_text))


def _refusal(act: Callable[[], object]) -> dict[str, str] | None:
    try:
        act()
    except ApiError as error:
        return {"code": error.code, "message": error.message}
    return None


def variable_references(case: Case) -> dict[str, list[str]]:
    """State name → the variables it refers to, as DescribeStateMachine lists them."""
    assert case.definition is not UNSET
    return references(case.definition)


def _json(value: JSON) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
