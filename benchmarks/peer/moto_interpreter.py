"""moto's Step Functions interpreter in this process: StartSyncExecution's own path, with local functions as Lambda.

    python -m benchmarks.peer.moto_interpreter [cached]

`cached`: the definition is parsed once instead of for every execution, which moto does not do; a kindness to it.
"""

from __future__ import annotations

import datetime
import functools
import json
import sys
from typing import Any

from moto.stepfunctions.models import StateMachine
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.backend.execution import SyncExecution

from benchmarks import hand
from benchmarks.peer.serving import Run, serve

ROLE = "arn:aws:iam::123456789012:role/r"
TASKS = {"score": hand.score, "flaky": hand.Flaky(), "bad": hand.bad}


def invoke(parameters: Any, region: str, state_credentials: Any) -> dict[str, Any]:
    """What Lambda would answer."""
    task = TASKS[parameters["FunctionName"].rpartition(":")[2]]
    try:
        found = stepped(task, json.loads(parameters["Payload"]))
    except Exception as error:
        failed = {"errorType": type(error).__name__, "errorMessage": str(error)}
        return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": failed}
    return {"StatusCode": 200, "Payload": found}


def stepped(task: Any, payload: Any) -> Any:
    """Step a coroutine that never waits to its end."""
    try:
        task(payload).send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("the task waits")


def peer(name: str, workload: Any) -> Run:
    """One execution of a workload, its input as a JSON text as the API has it."""
    definition = json.dumps(workload["definition"])
    arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}"
    machine = StateMachine(arn, name, definition, ROLE, backend=None, sm_type="EXPRESS")
    text = json.dumps(workload["input"])

    def make() -> Any:
        execution = SyncExecution(
            name="e",
            sm_type="EXPRESS",
            role_arn=ROLE,
            exec_arn=arn.replace("stateMachine", "express") + ":e",
            account_id="123456789012",
            region_name="us-east-1",
            state_machine=machine,
            start_date=datetime.datetime.now(tz=datetime.UTC),
            cloud_watch_logging_session=None,
            input_data=text,
            activity_store={},
        )
        execution.start()
        if execution.error:
            raise RuntimeError(f"{execution.error}: {execution.cause}")
        return execution.output

    return Run(make)


if __name__ == "__main__":
    lambda_eval_utils._invoke_lambda_function = invoke
    if "cached" in sys.argv:
        AmazonStateLanguageParser.parse = staticmethod(functools.cache(AmazonStateLanguageParser.parse))
    serve(peer)
