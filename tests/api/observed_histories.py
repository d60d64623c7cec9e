"""What AWS was observed to tell in the histories of executions, as data: definition, input → events and details."""

from __future__ import annotations

from typing import Any

from tests.api.observed import LOCATED, PASS, TASK, one
from tests.api.observed_executions import CHOICE, FAILING, INVOKE, NOTHING, jsonata

BROKEN = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}}
RETRY = {"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]}
CATCH = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Z"}]}
BROKEN_PARALLEL = {"Type": "Parallel", "Branches": [BROKEN], "End": True}

TASK_OF_WAIT = {**TASK, "Resource": "arn:aws:lambda:us-east-1:123456789012:function:wait"}
SLOW = one(Type="Task", Resource=INVOKE, Parameters={"FunctionName": "wait"}, TimeoutSeconds=1, End=True)

HISTORIES: list[tuple[str, dict[str, Any], Any, str]] = [
    (
        "Pass",
        one(**PASS),
        {},
        "ExecutionStarted(1,0) PassStateEntered(2,0) PassStateExited(3,2) ExecutionSucceeded(4,3)",
    ),
    (
        "JSONata failure",
        jsonata(Output=NOTHING),
        {},
        "ExecutionStarted(1,0) PassStateEntered(2,0) EvaluationFailed(3,0) ExecutionFailed(4,3)",
    ),
    (
        "Choice without match",
        CHOICE,
        {"x": 1},
        "ExecutionStarted(1,0) ChoiceStateEntered(2,0) ExecutionFailed(3,2)",
    ),
    (
        "retry of a Task",
        one(**FAILING, **RETRY),
        {},
        "ExecutionStarted(1,0) TaskStateEntered(2,0) LambdaFunctionScheduled(3,2) LambdaFunctionStarted(4,3) "
        "LambdaFunctionFailed(5,4) LambdaFunctionScheduled(6,5) LambdaFunctionStarted(7,6) LambdaFunctionFailed(8,7) "
        "ExecutionFailed(9,8)",
    ),
    (
        "failure of a Parallel",
        one(**BROKEN_PARALLEL),
        {},
        "ExecutionStarted(1,0) ParallelStateEntered(2,0) ParallelStateStarted(3,2) FailStateEntered(4,3) "
        "ParallelStateFailed(5,4) ExecutionFailed(6,5)",
    ),
    (
        "caught failure of a Parallel",
        {"StartAt": "S", "States": {"S": {**BROKEN_PARALLEL, **CATCH}, "Z": {"Type": "Succeed"}}},
        {},
        "ExecutionStarted(1,0) ParallelStateEntered(2,0) ParallelStateStarted(3,2) FailStateEntered(4,3) "
        "ParallelStateFailed(5,4) ParallelStateExited(6,5) SucceedStateEntered(7,6) SucceedStateExited(8,7) "
        "ExecutionSucceeded(9,8)",
    ),
    (
        "retry of a Parallel",
        one(**BROKEN_PARALLEL, **RETRY),
        {},
        "ExecutionStarted(1,0) ParallelStateEntered(2,0) ParallelStateStarted(3,2) FailStateEntered(4,3) "
        "ParallelStateStarted(5,4) FailStateEntered(6,5) ParallelStateFailed(7,6) ExecutionFailed(8,7)",
    ),
    (
        "execution time limit",
        {**one(Type="Wait", Seconds=60, End=True), "TimeoutSeconds": 1},
        {},
        "ExecutionStarted(1,0) WaitStateEntered(2,0) ExecutionTimedOut(3,0)",
    ),
    (
        "retry of a Map",
        {
            "StartAt": "P",
            "States": {
                "P": {"Type": "Pass", "Next": "S"},
                "S": {"Type": "Map", "ItemProcessor": BROKEN, "End": True, **RETRY},
            },
        },
        [1],
        "ExecutionStarted(1,0) PassStateEntered(2,0) PassStateExited(3,2) MapStateEntered(4,3) MapStateStarted(5,4) "
        "MapIterationStarted(6,5) FailStateEntered(7,6) MapIterationFailed(8,7) MapStateStarted(9,7) "
        "MapIterationStarted(10,9) FailStateEntered(11,10) MapIterationFailed(12,11) MapStateFailed(13,11) "
        "ExecutionFailed(14,13)",
    ),
    (
        "Map",
        one(Type="Map", ItemProcessor={"StartAt": "A", "States": {"A": PASS}}, End=True),
        [1],
        "ExecutionStarted(1,0) MapStateEntered(2,0) MapStateStarted(3,2) MapIterationStarted(4,3) "
        "PassStateEntered(5,4) PassStateExited(6,5) MapIterationSucceeded(7,6) MapStateSucceeded(8,7) "
        "MapStateExited(9,7) ExecutionSucceeded(10,9)",
    ),
    (
        "caught failure of a Map",
        {
            "StartAt": "S",
            "States": {"S": {"Type": "Map", "ItemProcessor": BROKEN, "End": True, **CATCH}, "Z": {"Type": "Succeed"}},
        },
        [1],
        "ExecutionStarted(1,0) MapStateEntered(2,0) MapStateStarted(3,2) MapIterationStarted(4,3) "
        "FailStateEntered(5,4) MapIterationFailed(6,5) MapStateFailed(7,5) MapStateExited(8,7) "
        "SucceedStateEntered(9,8) SucceedStateExited(10,9) ExecutionSucceeded(11,10)",
    ),
    (
        "Parallel",
        one(Type="Parallel", Branches=[{"StartAt": "A", "States": {"A": PASS}}], End=True),
        {},
        "ExecutionStarted(1,0) ParallelStateEntered(2,0) ParallelStateStarted(3,2) PassStateEntered(4,3) "
        "PassStateExited(5,4) ParallelStateSucceeded(6,5) ParallelStateExited(7,5) ExecutionSucceeded(8,7)",
    ),
    (
        "Lambda function",
        one(**TASK),
        {},
        "ExecutionStarted(1,0) TaskStateEntered(2,0) LambdaFunctionScheduled(3,2) LambdaFunctionStarted(4,3) "
        "LambdaFunctionSucceeded(5,4) TaskStateExited(6,5) ExecutionSucceeded(7,6)",
    ),
    (
        "service call",
        one(Type="Task", Resource=INVOKE, Parameters={"FunctionName": "echo"}, End=True),
        {},
        "ExecutionStarted(1,0) TaskStateEntered(2,0) TaskScheduled(3,2) TaskStarted(4,3) TaskSucceeded(5,4) "
        "TaskStateExited(6,5) ExecutionSucceeded(7,6)",
    ),
    (
        "uncaught failure of a service call",
        one(Type="Task", Resource=INVOKE, Parameters={"FunctionName": "fail"}, End=True),
        {},
        "ExecutionStarted(1,0) TaskStateEntered(2,0) TaskScheduled(3,2) TaskStarted(4,3) TaskFailed(5,4) "
        "ExecutionFailed(6,5)",
    ),
    (
        "caught failure of a service call",
        {
            "StartAt": "S",
            "States": {
                "S": {"Type": "Task", "Resource": INVOKE, "Parameters": {"FunctionName": "fail"}, "End": True, **CATCH},
                "Z": {"Type": "Succeed"},
            },
        },
        {},
        "ExecutionStarted(1,0) TaskStateEntered(2,0) TaskScheduled(3,2) TaskStarted(4,3) TaskFailed(5,4) "
        "TaskStateExited(6,5) SucceedStateEntered(7,6) SucceedStateExited(8,7) ExecutionSucceeded(9,8)",
    ),
    (
        "time limit of a service call",
        SLOW,
        {},
        "ExecutionStarted(1,0) TaskStateEntered(2,0) TaskScheduled(3,2) TaskStarted(4,3) TaskTimedOut(5,4) "
        "ExecutionFailed(6,5)",
    ),
    ("Fail", one(Type="Fail"), {}, "ExecutionStarted(1,0) FailStateEntered(2,0) ExecutionFailed(3,2)"),
]
"""(name, definition, input, events as `type(id,previousEventId)`): what GetExecutionHistory tells."""

DETAILS: list[tuple[dict[str, Any], Any, str, dict[str, Any]]] = [
    (SLOW, {}, "TaskTimedOut", {"resourceType": "lambda", "resource": "invoke", "error": "States.Timeout"}),
    (one(**TASK_OF_WAIT, TimeoutSeconds=1), {}, "LambdaFunctionTimedOut", {"error": "States.Timeout"}),
    (
        {**one(Type="Wait", Seconds=60, End=True), "TimeoutSeconds": 1},
        {},
        "ExecutionTimedOut",
        {"error": "States.Timeout"},
    ),
    (one(Type="Fail"), {}, "ExecutionFailed", {}),
    (
        jsonata(Output={"a": NOTHING}),
        {},
        "EvaluationFailed",
        {
            "error": "States.QueryEvaluationError",
            "cause": LOCATED
            + "The JSONata expression '$states.input.no' specified for the field 'Output/a' returned nothing "
            "(undefined).",
            "location": "Output/a",
            "state": "S",
        },
    ),
    (
        jsonata(Output="{% $states.context.Execution.RedriveCount %}"),
        {},
        "ExecutionSucceeded",
        {"output": "0", "outputDetails": {"truncated": False}},
    ),
]
"""(definition, input, event, details): what an asynchronous execution's event tells."""
