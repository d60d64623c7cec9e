"""`serve`, `deploy`, `list`, `describe`, `logs` and `top` against a running server; AWS's own command too."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from express.cli.top import figures
from tests.api.server import Running, serving
from tests.patience import PATIENCE

from .conftest import Run

PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": "${Value}", "End": True}}}
FAIL = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Boom", "Cause": "as asked"}}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A server that the commands find through the environment."""
    with serving() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", running.url)
        yield running


def write(path: Path, machine: dict[str, Any]) -> str:
    """A workflow file."""
    path.write_text(json.dumps(machine))
    return str(path)


def test_deploy_creates_then_updates(run: Run, server: Running, tmp_path: Path) -> None:
    """The ARN on stdout, what happened on stderr; placeholders are filled in."""
    file = write(tmp_path / "hello.asl.json", PASS)
    first = run("deploy", file, "-s", "Value=1")
    second = run("deploy", file, "-s", "Value=2", "--alias", "PROD")
    third = run("deploy", file, "-s", "Value=3", "--alias", "PROD")

    assert (first.exit_code, first.stderr.split()[1]) == (0, "created")
    assert first.stdout.strip().endswith(":stateMachine:hello")
    assert second.stdout.strip() == third.stdout.strip() == f"{first.stdout.strip()}:PROD"
    answer = server.client().start_sync_execution(stateMachineArn=third.stdout.strip())
    assert answer["output"] == '"3"'


def test_deploy_shows_findings_with_their_places(run: Run, server: Running, tmp_path: Path) -> None:
    """As `express validate` does, exit code 1."""
    file = write(tmp_path / "bad.asl.json", {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}})
    result = run("deploy", file)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "bad.asl.json:1:" in result.stderr
    assert "Missing 'Next' target: B" in result.stderr


def test_deploy_names_what_is_not_filled_in(run: Run, server: Running, tmp_path: Path) -> None:
    """Exit code 104."""
    result = run("deploy", write(tmp_path / "hello.asl.json", PASS))

    assert result.exit_code == 104
    assert "${Value}: say what they stand for with -s NAME=VALUE" in result.stderr


def test_list_and_describe(run: Run, server: Running, tmp_path: Path) -> None:
    """Machines, executions by status, definitions and data as JSON."""
    run("deploy", write(tmp_path / "boom.asl.json", FAIL))
    sfn = server.client()
    arn = run("list", "--json").stdout
    machine = json.loads(arn)[0]["stateMachineArn"]
    execution = sfn.start_execution(stateMachineArn=machine, name="x", input="[1]")["executionArn"]

    assert run("list").stdout.splitlines()[1].split()[:2] == ["boom", "EXPRESS"]
    assert run("list", "boom").stdout.splitlines()[1].startswith("FAILED")
    assert len(run("list", "boom", "--status", "SUCCEEDED").stdout.splitlines()) == 1
    assert json.loads(run("list", "boom", "--json").stdout)[0]["name"] == "x"
    assert json.loads(run("describe", "boom").stdout)["definition"] == FAIL
    assert json.loads(run("describe", "boom", "--raw").stdout)["definition"] == json.dumps(FAIL)
    assert json.loads(run("describe", execution).stdout)["input"] == [1]
    events = [json.loads(line) for line in run("describe", execution, "--history").stdout.splitlines()]
    assert [event["type"] for event in events] == ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]


def test_an_unknown_machine_is_told_with_those_there_are(run: Run, server: Running, tmp_path: Path) -> None:
    """One sentence, exit code 1."""
    run("deploy", write(tmp_path / "boom.asl.json", FAIL))
    result = run("describe", "bom")

    assert result.exit_code == 1
    assert "there is no state machine 'bom'; there are: boom" in result.stderr


def test_logs_show_what_ended(run: Run, server: Running, tmp_path: Path) -> None:
    """One line each, with the error; events and a filter on demand."""
    run("deploy", write(tmp_path / "boom.asl.json", FAIL))
    run("deploy", write(tmp_path / "fine.asl.json", {**PASS, "Comment": "x"}), "-s", "Value=1")
    sfn = server.client()
    for machine in sfn.list_state_machines()["stateMachines"]:
        sfn.start_execution(stateMachineArn=machine["stateMachineArn"])

    shown = run("logs", "boom", "--events").stdout
    assert re.search(r"FAILED +\d+ ms  arn:aws:states:.*  Boom: as asked\n", shown)
    assert "FailStateEntered" in shown
    assert run("logs", "fine", "--failed").stdout == ""
    assert "SUCCEEDED" in run("logs", "fine").stdout


def test_top_shows_each_machine(run: Run, server: Running, tmp_path: Path) -> None:
    """One table, once."""
    run("deploy", write(tmp_path / "boom.asl.json", FAIL))
    server.client().start_execution(stateMachineArn=json.loads(run("list", "--json").stdout)[0]["stateMachineArn"])

    assert re.search(r"boom +0 +0 +1 ", run("top", "--once").stdout)


def test_figures_of_a_machine() -> None:
    """Only what ended in the window, and what runs."""
    executions = [
        {"status": "RUNNING", "startDate": 0.0},
        {"status": "SUCCEEDED", "startDate": 99.0, "stopDate": 100.0},
        {"status": "SUCCEEDED", "startDate": 99.0, "stopDate": 101.0},
        {"status": "FAILED", "startDate": 99.0, "stopDate": 104.0},
        {"status": "FAILED", "startDate": 1.0, "stopDate": 2.0},
    ]

    assert figures(executions, 50.0)[:5] == ("1", "2", "1", "2000", "5000")
    assert figures([], 0.0) == ("0", "0", "0", "", "", "")


def test_nobody_answers(run: Run) -> None:
    """What to do, exit code 104."""
    result = run("list", "--url", "http://127.0.0.1:1")

    assert result.exit_code == 104
    assert "Start a server with `express serve`" in result.stderr


# express serve ----------------------------------------------------------------------------------------


class Serve:
    """`express serve` in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    def wait_for(self, text: str) -> str:
        """The first line that holds `text`."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = next((line for line in self.lines if text in line), None)
            if found is not None:
                return found
            threading.Event().wait(0.02)
        raise AssertionError("".join(self.lines))

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.wait_for("the Step Functions API is at").split()[-1]


@contextmanager
def serve(folder: Path, *arguments: str) -> Iterator[Serve]:
    """Run `express serve` in a folder; ended by SIGTERM, which it must survive with 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "express", "serve", "--port", "0", *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    running = Serve(process)
    try:
        yield running
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, "".join(running.lines)
    finally:
        process.kill()
        process.wait()
        running._reader.join()
        assert process.stderr is not None
        process.stderr.close()


def test_serve_keeps_machines_over_a_restart(tmp_path: Path) -> None:
    """In `express.db` beside where it was started, unless it is ephemeral."""
    file = write(tmp_path / "boom.asl.json", FAIL)
    with serve(tmp_path, file) as running:
        running.wait_for("deployed arn:aws:states:us-east-1:123456789012:stateMachine:boom")
        assert running.url
    with serve(tmp_path) as running:
        client = boto3.client("stepfunctions", endpoint_url=running.url, **_KEYS)
        assert [m["name"] for m in client.list_state_machines()["stateMachines"]] == ["boom"]
    with serve(tmp_path, "--ephemeral") as running:
        client = boto3.client("stepfunctions", endpoint_url=running.url, **_KEYS)
        assert client.list_state_machines()["stateMachines"] == []


_KEYS: dict[str, Any] = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}

HANDLER = """
def answer(event, context):
    return {value}
"""
CALL = {
    "StartAt": "T",
    "States": {"T": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:answer", "End": True}},
}


def test_saved_workflows_and_handlers_are_live_within_a_second(tmp_path: Path) -> None:
    """--watch: a saved definition or handler is taken over; a broken one leaves what there was, with findings."""
    (tmp_path / "watched_handlers.py").write_text(HANDLER.format(value=1))
    (tmp_path / "express.toml").write_text('[functions]\nanswer = "watched_handlers:answer"\n')
    file = write(tmp_path / "call.asl.json", CALL)
    with serve(tmp_path, "--ephemeral", "--watch", file) as running:
        client = boto3.client(
            "stepfunctions",
            endpoint_url=running.url,
            config=boto3.session.Config(inject_host_prefix=False),
            **_KEYS,
        )
        arn = client.list_state_machines()["stateMachines"][0]["stateMachineArn"]

        def output() -> str:
            return str(client.start_sync_execution(stateMachineArn=arn).get("output"))

        def within_a_second(wanted: str) -> None:
            deadline = time.monotonic() + PATIENCE
            while output() != wanted:
                assert time.monotonic() < deadline, "".join(running.lines)
                threading.Event().wait(0.02)

        assert output() == "1"
        (tmp_path / "watched_handlers.py").write_text(HANDLER.format(value=22))
        within_a_second("22")
        (tmp_path / "watched_handlers.py").write_text("syntax error")
        running.wait_for("handlers are left as they were: the module 'watched_handlers' crashes: SyntaxError")
        assert output() == "22"
        write(tmp_path / "call.asl.json", PASS)
        within_a_second('"${Value}"')
        (tmp_path / "call.asl.json").write_text('{"StartAt": "A"')
        running.wait_for("call.asl.json can't be run")
        assert output() == '"${Value}"'


def test_serve_shows_what_is_wrong_with_a_workflow(tmp_path: Path) -> None:
    """And ends with 1 before it takes a request."""
    file = write(tmp_path / "bad.asl.json", {"StartAt": "A", "States": {}})
    done = subprocess.run(
        [sys.executable, "-m", "express", "serve", "--port", "0", "--ephemeral", file],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )

    assert done.returncode == 1
    assert "bad.asl.json:1:" in done.stderr


def test_serve_refuses_an_open_door(tmp_path: Path) -> None:
    """A bind that others can reach needs callers with names: exit code 104."""
    done = subprocess.run(
        [sys.executable, "-m", "express", "serve", "--host", "0.0.0.0", "--port", "0", "--ephemeral"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )

    assert done.returncode == 104
    assert "[[api.principals]]" in done.stderr


# With AWS's own tools ---------------------------------------------------------------------------------


def exports(run: Run, url: str) -> dict[str, str]:
    """The environment that `express env` makes."""
    lines = run("env", "--url", url, "--shell", "dotenv").stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_an_unmodified_boto3_runs_with_express_env(run: Run, server: Running, tmp_path: Path) -> None:
    """No argument, no option: the environment alone, host prefix and all."""
    run("deploy", write(tmp_path / "boom.asl.json", FAIL))
    program = (
        "import boto3; c = boto3.client('stepfunctions');"
        "arn = c.list_state_machines()['stateMachines'][0]['stateMachineArn'];"
        "print(c.start_sync_execution(stateMachineArn=arn)['error'])"
    )
    environment = {**os.environ, **exports(run, server.url), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )

    assert (done.returncode, done.stdout) == (0, "Boom\n"), done.stderr


@pytest.mark.skipif(shutil.which("aws") is None, reason="the aws command is not installed")
def test_the_aws_command_runs_with_express_env(run: Run, server: Running, tmp_path: Path) -> None:
    """create, start-sync, test-state, history, list and delete."""
    environment = {**os.environ, **exports(run, server.url), "HOME": str(tmp_path), "AWS_PAGER": ""}

    def aws(*arguments: str) -> Any:
        done = subprocess.run(
            ["aws", "stepfunctions", *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    text = json.dumps(FAIL)
    arn = aws("create-state-machine", "--name", "m", "--definition", text, "--role-arn", "r", "--type", "EXPRESS")[
        "stateMachineArn"
    ]
    assert aws("start-sync-execution", "--state-machine-arn", arn)["error"] == "Boom"
    execution = aws("start-execution", "--state-machine-arn", arn)["executionArn"]
    assert aws("get-execution-history", "--execution-arn", execution)["events"][-1]["type"] == "ExecutionFailed"
    assert aws("test-state", "--definition", '{"Type":"Pass","End":true}')["status"] == "SUCCEEDED"
    assert len(aws("list-executions", "--state-machine-arn", arn)["executions"]) == 2
    aws("delete-state-machine", "--state-machine-arn", arn)
    assert aws("list-state-machines")["stateMachines"] == []
