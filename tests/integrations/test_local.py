"""Local functions: Lambda's contract, in three modes, and nothing that is not registered."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from express.asl.resources import parse_resource
from express.config import Duration, Function
from express.engine.effects import StartTask
from express.errors import ConfigError, StatesError
from express.integrations import Integrations, LocalFunctions, table
from express.integrations.local import HandlerError, load_handler
from express.ports import TaskContext
from express.values import JSON
from tests.integrations import handlers

EXECUTION = "arn:aws:states:eu-west-1:123456789012:express:iot:t-0-7:5d1f"
LAMBDA = "arn:aws:lambda:eu-west-1:123456789012:function:"
INVOKE = "arn:aws:states:::lambda:invoke"
CONTEXT = TaskContext(EXECUTION, "iot", deadline=1e12)
MODES = ["inline", "thread", "process", "bound"]

Call = Callable[..., Awaitable[JSON]]


def task(resource: str, event: JSON, attempt: int = 0, timeout: float | None = None) -> StartTask:
    return StartTask(1, parse_resource(resource), event, "S", "S#2", attempt=attempt, timeout=timeout)


def functions(**options: Any) -> dict[str, Function]:
    names = [name for name in vars(handlers) if not name.startswith("_") and name.islower()]
    return {
        name: Function(handler=f"tests.integrations.handlers:{name}", **options)
        for name in names
        if callable(getattr(handlers, name))
    }


@pytest.fixture(params=MODES)
async def call(request: pytest.FixtureRequest) -> AsyncIterator[Call]:
    """Calls a function of `handlers` by its ARN, in each mode, and inline on the direct way."""
    local = LocalFunctions(functions(mode="inline" if request.param == "bound" else request.param))
    integrations = Integrations(table(local))

    async def run(name: str, event: JSON = None, **options: Any) -> JSON:
        return await settled(integrations.start(task(LAMBDA + name, event, **options), CONTEXT))

    async def bound(name: str, event: JSON = None, **options: Any) -> JSON:
        effect = task(LAMBDA + name, event, **options)
        direct = None if effect.timeout else integrations.bind(effect.resource, lambda payload, site: (effect, CONTEXT))
        return await settled(direct(event, None)) if direct is not None else await run(name, event, **options)

    yield bound if request.param == "bound" else run
    await local.close()


@pytest.fixture
async def inline() -> AsyncIterator[LocalFunctions]:
    local = LocalFunctions(functions(mode="inline"))
    yield local
    await local.close()


async def settled(answer: JSON | Awaitable[JSON]) -> JSON:
    return await answer if isinstance(answer, Awaitable) else answer


async def failed(answer: Awaitable[JSON]) -> tuple[str | None, JSON]:
    with pytest.raises(StatesError) as caught:
        await answer
    assert caught.value.cause is not None
    return caught.value.error, json.loads(caught.value.cause)


@pytest.mark.parametrize("name", ["echo", "echo_async", "coroutine"])
async def test_result_is_what_the_handler_returns(call: Call, name: str) -> None:
    """A function ARN's result is the handler's own, be it a `def`, an `async def` or a `def` that hands out one."""
    assert await call(name, {"a": [1, {"b": None}]}) == {"a": [1, {"b": None}]}


async def test_handlers_get_a_copy(call: Call) -> None:
    """A handler may change its event; the execution's data stays as it was."""
    event = {"list": [1]}

    assert await call("spoil", event) == {"list": [1, "mine"], "new": True}
    assert event == {"list": [1]}


@pytest.mark.parametrize("name", ["declined", "declined_async"])
async def test_exceptions_are_lambdas(call: Call, name: str) -> None:
    """An exception is the error named by its class, with Lambda's document as the cause."""
    error, cause = await failed(call(name))

    assert error == "CardDeclined"
    assert list(cause) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (cause["errorMessage"][:8], cause["errorType"]) == ("no cover", "CardDeclined")
    assert len(cause["stackTrace"]) == 1
    assert f"in {name}\n    raise CardDeclined(" in cause["stackTrace"][0]


async def test_exit_is_an_error(call: Call) -> None:
    """A handler that exits fails its task, never the worker."""
    error, cause = await failed(call("leave"))

    assert (error, cause["errorType"]) == ("Runtime.ExitError", "Runtime.ExitError")
    assert cause["errorMessage"].endswith("Runtime exited with error: exit status 3")


async def test_context_attributes(call: Call, request: pytest.FixtureRequest) -> None:
    """The context has Lambda's attributes; request id and idempotency key depend on the record's step alone."""
    first = await call("attributes", timeout=60.0)
    again = await call("attributes", attempt=1)
    elsewhere = {"thread", "pid"}

    assert {key: value for key, value in first.items() if key not in elsewhere | {"remaining", "aws_request_id"}} == {
        "function_name": "attributes",
        "function_version": "$LATEST",
        "invoked_function_arn": LAMBDA + "attributes",
        "memory_limit_in_mb": "128",
        "idempotency_key": EXECUTION + "/S#2",
        "log_group_name": "/aws/lambda/attributes",
        "log_stream_name": EXECUTION,
        "client_context": None,
        "identity": None,
        "traceparent": None,
        "tracestate": None,
    }
    assert 0 < first["remaining"] <= 60_000
    assert first["aws_request_id"] != again["aws_request_id"]
    assert first["aws_request_id"] == (await call("attributes"))["aws_request_id"]
    mode = request.node.callspec.params["call"]
    assert (first["pid"] == os.getpid()) == (mode != "process")
    assert first["thread"].startswith("handler") == (mode == "thread")


@pytest.mark.parametrize("mode", MODES)
async def test_handlers_see_the_trace(mode: Any) -> None:
    """What caused the execution is told to handlers, in every mode, so that they can send it on."""
    local = LocalFunctions(functions(mode=mode))
    context = msgspec.structs.replace(CONTEXT, trace=("00-a-b-01", ""))
    seen = await settled(Integrations(table(local)).start(task(LAMBDA + "attributes", {}), context))
    await local.close()

    assert (seen["traceparent"], seen["tracestate"]) == ("00-a-b-01", None)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("tuple", {"a": [1, 2]}), ("int keys", {"1": "x", "null": 2}), ("big", float(2**70)), ("none", None)],
)
async def test_results_are_json(call: Call, kind: str, expected: JSON) -> None:
    """A result is what Lambda's runtime would write: tuples are arrays, keys are text, None is null."""
    assert await call("result", kind) == expected
    assert await call("result", "null") == {"x": None}


@pytest.mark.parametrize("kind", ["datetime", "decimal", "nan", "object", "surrogate", "deep"])
async def test_what_is_no_json_is_refused(call: Call, kind: str) -> None:
    """What has no JSON form fails the task as in Lambda, instead of turning into something else."""
    error, cause = await failed(call("result", kind))

    assert (error, cause["errorType"]) == ("Runtime.MarshalError", "Runtime.MarshalError")
    assert cause["errorMessage"].startswith("Unable to marshal response: ")


async def test_inline_answers_at_once(inline: LocalFunctions) -> None:
    """An inline `def` answers without anything to await: the hot path makes no task."""
    assert inline.start(task(LAMBDA + "echo", {"a": 1}), CONTEXT) == {"a": 1}


async def test_functions_on_the_loop_have_a_short_way(inline: LocalFunctions) -> None:
    """What runs in a thread, is invoked by `lambda:invoke` or not registered goes through `start`."""
    integrations = Integrations(table(inline))
    names = [LAMBDA + "echo", LAMBDA + "echo_async", INVOKE, LAMBDA + "unknown", "arn:aws:states:::sns:publish"]

    def describe(payload: JSON, site: Any) -> tuple[StartTask, TaskContext]:
        raise AssertionError("nobody asked")

    ways = [integrations.bind(parse_resource(name), describe) for name in names]

    assert [way is not None for way in ways] == [True, True, False, False, False]
    assert ways[0] is not None
    assert ways[1] is not None
    assert ways[0]({"a": 1}, None) == {"a": 1}
    answer: Any = ways[1]({"a": 1}, None)
    assert await answer == {"a": 1}


async def test_invoke_wraps_the_result(inline: LocalFunctions) -> None:
    """`lambda:invoke` answers with Lambda's response, whether the handler answers at once or later."""
    for name in ("echo", "echo_async"):
        request = {"FunctionName": name, "Payload": {"a": 1}}
        answer = await settled(inline.start(task(INVOKE, request), CONTEXT))

        assert answer.pop("SdkResponseMetadata").keys() == {"RequestId"}
        assert answer == {
            "ExecutedVersion": "$LATEST",
            "Payload": {"a": 1},
            "SdkHttpMetadata": {"HttpStatusCode": 200},
            "StatusCode": 200,
        }


@pytest.mark.parametrize(
    "name", ["echo", "echo:PROD", LAMBDA + "echo", LAMBDA + "echo:3", "123456789012:function:echo"]
)
async def test_names_of_functions(inline: LocalFunctions, name: str) -> None:
    """A function is found by name, partial ARN and full ARN, with or without a qualifier."""
    answer = await settled(inline.start(task(INVOKE, {"FunctionName": name, "Payload": 1}), CONTEXT))

    assert answer["Payload"] == 1
    assert inline.knows(name)


async def test_most_exact_name_wins() -> None:
    """An ARN that is registered itself is called rather than a function of the same name."""
    table_ = functions(mode="inline")
    table_["echo"] = Function(handler="tests.integrations.handlers:spoil", mode="inline")
    table_[LAMBDA + "echo"] = Function(handler="tests.integrations.handlers:echo", mode="inline")
    local = LocalFunctions(table_)

    assert local.start(task(LAMBDA + "echo", 5), CONTEXT) == 5
    assert local.start(task("echo", {"list": []}), CONTEXT) == {"list": ["mine"], "new": True}
    await local.close()


async def test_unregistered_functions_do_not_exist(inline: LocalFunctions) -> None:
    """What the configuration does not register can't be called, modules that could be imported included."""
    for name in ("os:getcwd", "os.getcwd", "tests.integrations.handlers:echo", "nope"):
        with pytest.raises(StatesError) as caught:
            inline.start(task(INVOKE, {"FunctionName": name}), CONTEXT)
        assert caught.value.error == "Lambda.ResourceNotFoundException"
    assert caught.value.cause is not None
    assert caught.value.cause.startswith(
        f"Function not found: {LAMBDA}nope:$LATEST (Service: AWSLambda; Status Code: 404"
    )
    assert inline.nearest("ecco") == "echo"
    assert inline.nearest("zzzzzz") is None


async def test_function_name_is_required(inline: LocalFunctions) -> None:
    """`lambda:invoke` without a FunctionName fails as a bad parameter."""
    with pytest.raises(StatesError, match="FunctionName"):
        inline.start(task(INVOKE, {"Payload": 1}), CONTEXT)


async def test_invocation_types(inline: LocalFunctions) -> None:
    """Event answers 202 at once and forgets errors; DryRun calls nothing."""
    for name in ("declined", "echo_async"):
        event = {"FunctionName": name, "InvocationType": "Event"}
        answer = await settled(inline.start(task(INVOKE, event), CONTEXT))
        assert (answer["StatusCode"], answer["Payload"]) == (202, "")
    dry = await settled(inline.start(task(INVOKE, {"FunctionName": "declined", "InvocationType": "DryRun"}), CONTEXT))
    assert dry["StatusCode"] == 204


async def test_callable_objects(inline: LocalFunctions) -> None:
    """An object with an async `__call__` is a handler too."""
    assert await settled(inline.start(task(LAMBDA + "instance", 1), CONTEXT)) == ["called", 1]


async def test_threads_do_not_hold_the_loop() -> None:
    """A `def` handler that blocks leaves the loop free to do other work."""
    local = LocalFunctions(functions(mode="thread"))
    handlers.release.clear()
    blocked = asyncio.ensure_future(settled(local.start(task(LAMBDA + "block", None), CONTEXT)))

    assert await settled(local.start(task(LAMBDA + "echo", "meanwhile"), CONTEXT)) == "meanwhile"
    assert not blocked.done()
    handlers.release.set()
    assert await blocked == "released"
    await local.close()


@pytest.mark.parametrize(("name", "mode"), [("hang", "inline"), ("spin", "process")])
async def test_function_timeout(name: str, mode: str) -> None:
    """A function that takes longer than its timeout fails as Sandbox.Timedout, a spinning process is killed."""
    local = LocalFunctions(functions(mode=mode, timeout=Duration(0.05)))
    error, cause = await failed(settled(local.start(task(LAMBDA + name, None), CONTEXT)))

    assert (error, cause["errorType"]) == ("Sandbox.Timedout", "Sandbox.Timedout")
    assert cause["errorMessage"].endswith("Task timed out after 0.05 seconds")
    await local.close()


async def test_a_dying_process_costs_one_call() -> None:
    """A handler that takes its process down fails that call only; the next one gets a new process."""
    local = LocalFunctions(functions(mode="process", concurrency=1))
    error, cause = await failed(settled(local.start(task(LAMBDA + "die", None), CONTEXT)))

    assert error == "Runtime.ExitError"
    assert cause["errorMessage"].endswith("exit status 7")
    assert await settled(local.start(task(LAMBDA + "echo", 1), CONTEXT)) == 1
    await local.close()


async def test_a_cancelled_call_frees_its_place() -> None:
    """Cancelling a call to a spinning process ends that process; the function can be called again."""
    local = LocalFunctions({"spin": functions(mode="process", concurrency=1)["spin"]})
    begun = asyncio.Semaphore(0)
    server = await asyncio.start_server(lambda _, writer: (writer.close(), begun.release()), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for _ in range(2):
        spinning = asyncio.ensure_future(settled(local.start(task(LAMBDA + "spin", port), CONTEXT)))
        await begun.acquire()
        spinning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await spinning
    server.close()
    await server.wait_closed()
    await local.close()


async def test_concurrency_is_bounded() -> None:
    """No more calls of a function run at once than its `concurrency`; the others wait for their turn."""
    handlers.Gauge.peak = 0
    local = LocalFunctions(functions(concurrency=2))
    calls = [settled(local.start(task(LAMBDA + "gauged", i), CONTEXT)) for i in range(10)]

    assert await asyncio.gather(*calls) == list(range(10))
    assert handlers.Gauge.peak == 2
    await local.close()


def test_handlers_are_found_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong module, a wrong name and a crashing module are told apart before any event runs."""
    with pytest.raises(ConfigError, match="no module 'nowhere'"):
        load_handler("nowhere:handler")
    with pytest.raises(ConfigError, match="has no function 'ecco'"):
        load_handler("tests.integrations.handlers:ecco")
    monkeypatch.setenv("EXPRESS_TEST_CRASH", "1")
    monkeypatch.delitem(sys.modules, "tests.integrations.crashing", raising=False)
    with pytest.raises(HandlerError, match="RuntimeError: no licence"):
        load_handler("tests.integrations.crashing:handler")
