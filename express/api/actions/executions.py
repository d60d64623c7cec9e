"""Starting executions and looking at them (Step Functions API Reference, "Actions").

AWS can't be asked about Express executions. Here the ring answers, unless the server is strict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from express.api.actions.machines import shown_machine
from express.api.arns import Arn, parse_arn
from express.api.context import Api, Members
from express.api.definitions import read_input
from express.api.errors import does_not_exist, resource_not_found, type_not_supported, validation
from express.api.executions import Request, Started
from express.api.history import history_event, weight_of
from express.api.registry import Target
from express.api.responses import milliseconds, sync_response
from express.stores.ring import Ended
from express.values import JSON


async def start_execution(api: Api, request: Members) -> Members:
    """Start an execution and don't wait for it.

    Of a machine with an input topic it is answered once the topic has it; otherwise it runs in this process, and is
    lost with it.
    """
    target, case = await _target(api, request["stateMachineArn"])
    wanted = _request(target, request, case)
    if target.machine.type != "EXPRESS":
        if case:
            raise validation("A test case of the mock file is for EXPRESS state machines; STANDARD ones have none yet")
        arn, since = await api.standard.start(wanted)
        return {"executionArn": arn, "startDate": milliseconds(since)}
    if not case and api.executions.is_queued(target):
        arn, since = await api.executions.enqueue(wanted)
        return {"executionArn": arn, "startDate": milliseconds(since)}
    started = api.executions.start(wanted)
    return {"executionArn": started.about.execution_arn, "startDate": milliseconds(started.about.started)}


async def start_sync_execution(api: Api, request: Members) -> Members:
    """Run an execution to its end; at most once, and not at all once the caller has gone."""
    target, case = await _target(api, request["stateMachineArn"])
    if target.machine.type != "EXPRESS":
        raise type_not_supported()
    started = await api.executions.run(_request(target, request, case, sync=True))
    return sync_response(started, include_data=request.get("includedData") != "METADATA_ONLY")


async def _target(api: Api, text: str) -> tuple[Target, str]:
    """Return what is to be started, and the test case behind a `#`, as Step Functions Local takes it."""
    text, _, case = text.partition("#")
    if "/" in text and parse_arn(text, "stateMachine").label is not None:
        raise validation("This operation does not support labelled ARNs", "API_DOES_NOT_SUPPORT_LABELED_ARNS")
    return await api.registry.target(text), case


def _request(target: Target, request: Members, case: str, *, sync: bool = False) -> Request:
    text = request.get("input")
    return Request(
        target=target,
        name=request.get("name"),
        text="{}" if text is None else text,
        data=read_input(text),
        trace_header=request.get("traceHeader"),
        sync=sync,
        test_case=case,
    )


# Looking ----------------------------------------------------------------------------------------------


async def describe_execution(api: Api, request: Members) -> Members:
    """A running or kept execution."""
    if _is_standard(request):
        stored = await api.standard.find(request["executionArn"])
        return api.standard.described(stored, include_data=request.get("includedData") != "METADATA_ONLY")
    found = _find(api, request["executionArn"])
    include = request.get("includedData") != "METADATA_ONLY"
    members = _item(found)
    if isinstance(found, Ended):
        if members["status"] != "TIMED_OUT":  # AWS tells neither for one
            members |= _present({"error": found.error, "cause": found.cause})
        members |= _present({"traceHeader": found.trace_header})
        input_, output = found.input, found.output
    else:
        members |= _present({"traceHeader": found.request.trace_header})
        shown = api.executions.include_data(found.request.target)
        input_, output = (found.request.text if shown else None), None
    if include:
        members |= _data("input", input_)
        if members["status"] == "SUCCEEDED":
            members |= _data("output", output)
    return members


def _data(name: str, text: str | None) -> Members:
    return (
        {f"{name}Details": {"included": False}} if text is None else {name: text, f"{name}Details": {"included": True}}
    )


async def describe_state_machine_for_execution(api: Api, request: Members) -> Members:
    """The revision that an execution runs, or ran, on."""
    if _is_standard(request):
        target = await api.standard.target(await api.standard.find(request["executionArn"]))
    else:
        target = await _target_of(api, _find(api, request["executionArn"]))
    return {
        **shown_machine(target, metadata_only=request.get("includedData") == "METADATA_ONLY"),
        "stateMachineArn": target.machine.arn,
        "updateDate": target.revision.created,
    }


async def _target_of(api: Api, found: Started | Ended) -> Target:
    """The machine and the revision of an Express execution."""
    if isinstance(found, Started):
        return found.request.target
    machine = api.registry.machines.get(found.machine_arn)
    if machine is None:
        raise does_not_exist("Execution", found.arn)
    return Target(machine, await api.registry.revision(machine, found.revision))


async def list_executions(api: Api, request: Members) -> Members:
    """The executions of a machine that run or are kept, newest first."""
    machine_arn, map_run_arn = request.get("stateMachineArn"), request.get("mapRunArn")
    if (machine_arn is None) == (map_run_arn is None):
        raise validation("Must specify exactly one of stateMachineArn and mapRunArn", "MISSING_REQUIRED_PARAMETER")
    if map_run_arn is not None:
        raise resource_not_found(parse_arn(map_run_arn, "mapRun").text)
    assert machine_arn is not None
    arn = parse_arn(machine_arn, "stateMachine")
    machine = api.registry.machine(arn)
    if machine.type == "EXPRESS" and not _visible(api):
        raise type_not_supported()
    if machine.type != "EXPRESS":
        return await api.standard.listed(machine, arn, request, api.pages)
    found = [e for e in api.executions.of(machine.arn) if _wanted(e, arn, request)]
    found.sort(key=_newest)
    page, more = api.pages.page("ListExecutions", request, found, _newest)
    return {"executions": [_item(execution) for execution in page], **more}


def _wanted(execution: Started | Ended, arn: Arn, request: Members) -> bool:
    if request.get("redriveFilter") == "REDRIVEN":
        return False
    status = request.get("statusFilter")
    if status is not None and status != _status(execution):
        return False
    return not arn.rest or arn.text in _qualified(execution)


async def get_execution_history(api: Api, request: Members) -> Members:
    """The events of an execution: of a Standard one those that are committed, of an Express one while it is kept."""
    if _is_standard(request):
        return await api.standard.history(await api.standard.find(request["executionArn"]), request, api.pages)
    found = _find(api, request["executionArn"])
    logged = _events(found) if isinstance(found, Ended) else api.executions.events(found)
    backwards = bool(request.get("reverseOrder"))
    if backwards:
        logged = logged[::-1]
    sign = -1 if backwards else 1
    page, more = api.pages.page(
        "GetExecutionHistory", request, logged, lambda event: sign * int(event["id"]), weight_of
    )
    include = request.get("includeExecutionData", True)
    return {"events": [history_event(event, include_data=include) for event in page], **more}


def _events(ended: Ended) -> Sequence[dict[str, JSON]]:
    return orjson.loads(ended.history) if isinstance(ended.history, bytes) else ended.history


# Acting -----------------------------------------------------------------------------------------------


async def stop_execution(api: Api, request: Members) -> Members:
    """End a running execution; one that is over tells when it ended."""
    if _is_standard(request):
        stored = await api.standard.find(request["executionArn"])
        return {"stopDate": milliseconds(await api.standard.stop(stored, request.get("error"), request.get("cause")))}
    found = _find(api, request["executionArn"])
    if isinstance(found, Ended):
        return {"stopDate": milliseconds(found.stopped)}
    api.executions.stop(found, request.get("error"), request.get("cause"))
    return {"stopDate": milliseconds(found.stopped)}


async def redrive_execution(api: Api, request: Members) -> Members:
    """Run a Standard execution again from the states that did not succeed. Express ones can't be."""
    stored = await api.standard.find(request["executionArn"])
    return {"redriveDate": milliseconds(await api.standard.redrive(stored, request.get("clientToken")))}


# Finding ----------------------------------------------------------------------------------------------


def _is_standard(request: Members) -> bool:
    """Return whether an ARN names a Standard execution. Raises ApiError for what is no execution's."""
    return parse_arn(request["executionArn"], "execution", "express").kind == "execution"


def _visible(api: Api) -> bool:
    return not api.strict and api.executions.ring is not None


def _find(api: Api, text: str) -> Started | Ended:
    """A running or kept execution. Raises ApiError."""
    kinds = ("execution", "express") if _visible(api) else ("execution",)
    arn = parse_arn(text, *kinds)
    found = api.executions.running.get(arn.text)
    if found is not None:
        return found
    kept = api.executions.ring.get(arn.text) if api.executions.ring is not None else None
    if kept is None:
        raise does_not_exist("Execution", arn.text)
    return kept


def _item(execution: Started | Ended) -> Members:
    """Return what ListExecutions tells of an execution."""
    if isinstance(execution, Ended):
        members: Members = {
            "executionArn": execution.arn,
            "stateMachineArn": execution.machine_arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": milliseconds(execution.started),
            "stopDate": milliseconds(execution.stopped),
        }
    else:
        about = execution.about
        members = {
            "executionArn": about.execution_arn,
            "stateMachineArn": about.state_machine_arn,
            "name": about.name,
            "status": "RUNNING",
            "startDate": milliseconds(about.started),
        }
    version, alias = _qualified(execution)
    return {**members, **_present({"stateMachineVersionArn": version, "stateMachineAliasArn": alias})}


def _qualified(execution: Started | Ended) -> tuple[str | None, str | None]:
    """The version and the alias that an execution was started with."""
    if isinstance(execution, Ended):
        return execution.version_arn, execution.alias_arn
    return execution.request.target.version_arn, execution.request.target.alias_arn


def _status(execution: Started | Ended) -> str:
    return execution.status if isinstance(execution, Ended) else "RUNNING"


def _newest(execution: Started | Ended) -> list[JSON]:
    if isinstance(execution, Ended):
        return [-execution.started, execution.arn]
    return [-execution.about.started, execution.about.execution_arn]


def _present(members: dict[str, Any]) -> Members:
    return {name: value for name, value in members.items() if value is not None}
