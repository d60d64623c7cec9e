"""Executions started with a test case of the server's mock file, as Step Functions Local takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .server import Running, serving
from .test_executions import ended, eventually, task
from .test_machines import create

MOCKS = {
    "StateMachines": {"shop": {"TestCases": {"Good": {"T": "Paid"}, "Bad": {"T": "Declined"}}}},
    "MockedResponses": {
        "Paid": {"0": {"Return": {"paid": True}}},
        "Declined": {"0": {"Throw": {"Error": "Declined", "Cause": "no money"}}},
    },
}


@pytest.fixture(scope="module")
def mocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a mock file."""
    file: Path = tmp_path_factory.mktemp("mocks") / "mocks.json"
    file.write_text(json.dumps(MOCKS))
    with serving(mock=str(file)) as server:
        yield server


@pytest.fixture(scope="module")
def client(mocked: Running) -> Any:
    """An unmodified boto3 client of it."""
    return mocked.client()


@pytest.fixture(scope="module")
def shop(client: Any) -> str:
    """A machine that the mock file knows."""
    return create(client, name="shop", definition=task("echo"))


def test_an_execution_is_answered_from_the_test_case_behind_its_arn(client: Any, shop: str) -> None:
    """Each execution has its own case; without one, tasks are called for real."""
    answers = {
        case: client.start_sync_execution(stateMachineArn=f"{shop}{case}", input='{"a":1}')
        for case in ("#Good", "#Bad", "", "#Good")
    }
    started = client.start_execution(stateMachineArn=f"{shop}#Bad")["executionArn"]

    assert json.loads(answers["#Good"]["output"]) == {"paid": True}
    assert (answers["#Bad"]["error"], answers["#Bad"]["cause"]) == ("Declined", "no money")
    assert json.loads(answers[""]["output"]) == {"a": 1}
    assert answers["#Good"]["stateMachineArn"] == shop
    assert eventually(lambda: ended(client, started))["error"] == "Declined"


def test_a_test_case_that_is_not_there(client: Any, shop: str) -> None:
    """The refusal names the nearest case, and nothing is started."""
    with pytest.raises(ClientError) as raised:
        client.start_sync_execution(stateMachineArn=f"{shop}#Goo")

    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert "did you mean 'Good'?" in str(raised.value)


def test_a_server_without_a_mock_file_has_no_test_cases(sfn: Any) -> None:
    """It says how to give it one."""
    arn = create(sfn, definition=task("echo"))
    with pytest.raises(ClientError, match="start it with --mock FILE"):
        sfn.start_sync_execution(stateMachineArn=f"{arn}#Good")
