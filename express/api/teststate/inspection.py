"""`inspectionData`: the stages of a state that were reached, under AWS's names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from msgspec import UNSET

from express.api.teststate.probe import Probe
from express.asl import model
from express.values import JSON, PAYLOAD_LIMIT, text


def inspection_data(probe: Probe) -> dict[str, JSON]:
    """The members of `inspectionData` at DEBUG; HTTP tasks get `request` and `response` at TRACE."""
    question = probe.question
    data: dict[str, JSON] = {"input": question.data}
    data.update(_jsonata_stages(probe) if question.jsonata else _jsonpath_stages(probe))
    if probe.map is not None:
        data.update(probe.map.stages)
    if probe.variables:
        data["variables"] = probe.variables
    members: dict[str, JSON] = {}
    for name, value in data.items():
        shown = text(value)
        if len(shown) <= PAYLOAD_LIMIT:
            members[name] = shown
    members.update(_limits(probe))
    details = _error_details(probe)
    if details:
        members["errorDetails"] = details
    if question.level == "TRACE":
        members.update(_http(probe))
    return members


def _limits(probe: Probe) -> Iterator[tuple[str, JSON]]:
    facts = probe.map
    if facts is None:
        return
    yield "maxConcurrency", facts.concurrency
    if facts.tolerated_count is not None:
        yield "toleratedFailureCount", facts.tolerated_count
    if facts.tolerated_percentage is not None:
        yield "toleratedFailurePercentage", facts.tolerated_percentage


def _error_details(probe: Probe) -> dict[str, JSON]:
    details: dict[str, JSON] = {}
    retrier = probe.retrier()
    if retrier is not None:
        details["retryIndex"] = retrier[0]
        if probe.retrying:
            details["retryBackoffIntervalSeconds"] = retrier[1]
    if probe.caught is not None:
        details["catchIndex"] = probe.caught
    return details


def _jsonata_stages(probe: Probe) -> dict[str, JSON]:
    """Only a Task has arguments and a result of its own to show."""
    stages: dict[str, JSON] = {}
    if isinstance(probe.question.state, model.Task):
        if probe.arguments is not UNSET:
            stages["afterArguments"] = probe.arguments
        if probe.result is not UNSET:
            stages["result"] = probe.result
    return stages


def _jsonpath_stages(probe: Probe) -> dict[str, JSON]:
    """Which stages AWS shows differs by type (recorded); a stage without a field shows what came before it."""
    state = probe.question.state
    stages: dict[str, JSON] = {}
    literal = isinstance(state, model.Pass) and state.result is not UNSET
    if not literal and not isinstance(state, model.Parallel | model.Fail):
        _stage(
            stages,
            probe,
            "afterInputPath",
            "InputPath",
            state.input_path is None or not state.input_path.whole,
            probe.question.data,
        )
    if isinstance(state, model.Pass | model.Task) and not literal and "afterInputPath" in stages:
        shaped = state.parameters is not UNSET
        _stage(stages, probe, "afterParameters", "Parameters", shaped, stages["afterInputPath"])
    result = _result(probe, stages)
    if result is not UNSET:
        if literal or isinstance(state, model.Task):
            stages["result"] = result
        selector: Any = getattr(state, "result_selector", UNSET)
        _stage(stages, probe, "afterResultSelector", "ResultSelector", selector is not UNSET, result)
    if "afterResultSelector" in stages and isinstance(state, model.Pass | model.Guarded):
        merged = state.result_path is None or not state.result_path.whole
        _stage(stages, probe, "afterResultPath", "ResultPath", merged, stages["afterResultSelector"])
    return stages


def _result(probe: Probe, stages: dict[str, JSON]) -> JSON:
    """Return what the state's work gave; UNSET where it has none, or did not get that far."""
    state = probe.question.state
    if isinstance(state, model.Pass):
        if state.result is not UNSET:
            return state.result
        return stages.get("afterParameters", UNSET)
    return probe.result


def _stage(stages: dict[str, JSON], probe: Probe, name: str, field: str, present: bool, before: JSON) -> None:
    """Note a stage: what its field gave, or what came before it where there is no field."""
    if not present:
        stages[name] = before
    elif field in probe.seen:
        stages[name] = probe.seen[field]


# HTTP tasks -------------------------------------------------------------------------------------------


def _http(probe: Probe) -> dict[str, JSON]:
    """The request that an HTTP task makes of its arguments, and the response as its result tells it."""
    resource = probe.question.resource
    if resource is None or resource.kind != "http" or type(probe.arguments) is not dict:
        return {}
    exchange: dict[str, JSON] = {"request": _request(probe.arguments)}
    if type(probe.result) is dict and "StatusCode" in probe.result:
        exchange["response"] = _response(probe.result)
    return exchange


def _request(arguments: dict[str, JSON]) -> dict[str, str]:
    url = str(arguments.get("ApiEndpoint", ""))
    query = arguments.get("QueryParameters")
    if type(query) is dict and query:
        url += ("&" if "?" in url else "?") + urlencode(query, doseq=True)
    members = {
        "protocol": url.partition("://")[0] if "://" in url else "https",
        "method": str(arguments.get("Method", "")),
        "url": url,
        "headers": _headers(arguments.get("Headers")),
    }
    if "RequestBody" in arguments:
        members["body"] = _body(arguments["RequestBody"])
    return members


def _response(result: dict[str, JSON]) -> dict[str, str]:
    return {
        "protocol": "https",
        "statusCode": str(result["StatusCode"]),
        "statusMessage": str(result.get("StatusText", "")),
        "headers": _headers(result.get("Headers")),
        "body": _body(result.get("ResponseBody", "")),
    }


def _headers(headers: JSON) -> str:
    if type(headers) is not dict:
        return "[]"
    shown = [f"{k}: {', '.join(map(str, v)) if type(v) is list else v}" for k, v in headers.items()]
    return f"[{', '.join(shown)}]"


def _body(body: JSON) -> str:
    return body if type(body) is str else text(body)
