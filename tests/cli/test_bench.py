"""`express bench` as a process: exit codes, files, and the search for capacity."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from express.bench.events import Sample
from express.bench.generator import Generator
from express.bench.protocol import GeneratorPlan
from express.bench.result import Result, schema
from express.cli.bench.plan import input_of
from express.docs.samples import shipped
from express.errors import ConfigError
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
TASK = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "score", "End": True}}}
SHORT = ("--rate", "200", "--duration", "1s", "--warmup", "100ms")
SAMPLE = shipped("workflows/iot-routing.asl.json")
FAIL = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Broken"}}}


def bench(
    folder: Path, *arguments: str, definition: dict[str, Any] = PASS, events: str | None = "iot"
) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder` over a definition there."""
    (folder / "machine.asl.json").write_text(json.dumps(definition))
    if events is not None and not {"-i", "--input"} & set(arguments):
        arguments = ("--input", events, *arguments)
    return subprocess.run(
        [sys.executable, "-m", "express", "bench", "machine.asl.json", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_files_and_json(tmp_path: Path) -> None:
    """`--json` prints the result alone on stdout; `--out` writes every file; thresholds that hold are exit 0."""
    done = bench(tmp_path, *SHORT, "--json", "-o", "out", "-t", "e2e.p50<5s", "dropped==0")
    result = msgspec.json.decode(done.stdout, type=Result)

    assert done.returncode == 0, done.stderr
    assert result.counts.scheduled == 200
    assert [verdict.passed for verdict in result.thresholds] == [True, True]
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        *("result.json", "series.csv", "latency.hlog", "report.html"),
        *("e2e.hgrm", "queue.hgrm", "execution.hgrm"),
    }
    assert msgspec.json.decode((tmp_path / "out/result.json").read_bytes(), type=Result) == result
    assert sum(int(row.split(",")[1]) for row in (tmp_path / "out/series.csv").read_text().splitlines()[1:]) == 200


@pytest.mark.parametrize(
    ("conditions", "code"), [((), 99), (("-t", "failed.rate<=100%"), 0), (("-t", "failed.rate<5%"), 99)]
)
def test_failures_are_99_unless_they_are_expected(tmp_path: Path, conditions: tuple[str, ...], code: int) -> None:
    """More than one failure in a hundred is a loud line, and ends with 99 where no threshold speaks of failures."""
    done = bench(tmp_path, *SHORT, *conditions, definition=FAIL)

    assert done.returncode == code, done.stderr
    assert "% OF THE EXECUTIONS DID NOT SUCCEED" in done.stdout
    assert ("--threshold 'failed.rate<5%' allows it" in done.stderr) == (not conditions)


def test_a_workflow_of_ones_own_needs_aninput_of(tmp_path: Path) -> None:
    """The events of a sample workflow are for it alone; a sample workflow gets its own without being asked."""
    own = bench(tmp_path, "--rate", "200", events=None)

    assert own.returncode == 104
    assert "--input says what events machine gets" in own.stderr
    assert input_of(None, str(SAMPLE)) == "iot"
    (tmp_path / SAMPLE.name).write_bytes(SAMPLE.read_bytes() + b" ")
    with pytest.raises(ConfigError, match="--input says what events iot-routing gets"):
        input_of(None, str(tmp_path / SAMPLE.name))


class Taken:
    """An outlet that takes everything."""

    waiting = waiting_bytes = 0

    def send(self, due: list[float], supply: Any) -> None:
        """Take all."""

    def push(self) -> None:
        """Nothing waits."""

    async def close(self) -> None:
        """Nothing is open."""


def test_the_generators_lateness_does_not_count_the_warm_up() -> None:
    """What is due before the load counts is warm-up: nobody's figure."""
    plan = GeneratorPlan(sample=Sample(input="iot"), begin=time.monotonic() - 100, counts_from=time.monotonic() - 1)
    generator = Generator(plan, Taken())
    generator._hand_over([plan.begin, plan.begin + 50, plan.counts_from + 0.5])

    assert sum(generator._late.counts.values()) == 1


def test_a_failed_threshold_is_99(tmp_path: Path) -> None:
    """A figure beyond its threshold ends with 99; the text says which and what was found."""
    done = bench(tmp_path, *SHORT, "-t", "execution.max<0.001us")

    assert done.returncode == 99, done.stderr
    assert "threshold  execution.max<0.001us: FAILED" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*SHORT, "-t", "p99<1ms"), "unknown figure"),
        (("--rate", "fast"), "rate 'fast'"),
        ((), "one of --rate, --closed and --find-max"),
        (("--rate", "5", "--closed", "5"), "another model"),
        ((*SHORT, "-i", "nothing.json"), "can't be read"),
        ((*SHORT, "--event-bytes", "huge"), "event size"),
        ((*SHORT, "--key-skew", "zipf:1.1"), "needs --keys"),
        ((*SHORT, "--target", "http://127.0.0.1:1", "--mock", "m.json"), "--target can't be combined with --mock"),
        (("--rate", "replay"), "--rate replay needs a file"),
        (("--find-max", "e2e.p99<1ms", "--rate", "replay"), "a replay is not"),
        (("--find-max", "e2e.p99<1ms", "--rate", "1:2/3s"), "begins with one rate"),
    ],
)
def test_bad_configuration_is_104(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    """What can't be meant is refused before anything runs."""
    done = bench(tmp_path, *arguments)

    assert (done.returncode, done.stdout) == (104, "")
    assert message in done.stderr


def test_events_as_asked_for(tmp_path: Path) -> None:
    """A template, sizes and keys: events of 10 KiB are run, none is rejected, and the result says what they were."""
    (tmp_path / "e.template.json").write_text('{"device": {"$key": true}, "n": {"$int": [1, 5]}}')
    given = ("-i", "e.template.json", "--event-bytes", "10KiB", "--keys", "5", "--key-skew", "zipf:1.1")
    done = bench(tmp_path, *SHORT, *given, "--json")
    result = msgspec.json.decode(done.stdout, type=Result)

    assert (result.counts.succeeded, result.counts.rejected) == (200, 0), done.stderr
    assert (result.load.event_bytes, result.load.keys, result.load.key_skew) == ("10KiB", 5, "zipf:1.1")


def test_a_replay_keeps_captured_times(tmp_path: Path) -> None:
    """Twelve events captured over three seconds, replayed twice as fast: all run, in the seconds where they belong."""
    rows = [f"{1_700_000_000 + time},{n}" for n, time in enumerate([0, 0.5, 1, 1.5, *[2.5] * 7, 3])]
    (tmp_path / "captured.csv").write_text("at,n\n" + "\n".join(rows))
    done = bench(tmp_path, "-i", "captured.csv", "--rate", "replay", "--time-field", "at", "--speed", "2", "--json")
    result = msgspec.json.decode(done.stdout, type=Result)

    assert done.returncode == 0, done.stderr
    assert (result.counts.scheduled, result.counts.succeeded) == (12, 12)
    assert [second.scheduled for second in result.series] == [4, 8]
    assert result.load.seconds == pytest.approx(1.5, abs=0.01)


STARTER = {
    "StartAt": "S",
    "States": {
        "S": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sfn:startSyncExecution",
            "Parameters": {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:child"},
            "End": True,
        }
    },
}
PIPELINES = """
[kafka]
bootstrap_servers = "{address}"
[[pipelines]]
name = "starter"
topics = ["nested.in"]
workflow = "machine.asl.json"
output = "nested.out"
dead_letter = "nested.dead"
[[pipelines]]
name = "other"
topics = ["other.in"]
workflow = "child.asl.json"
output = "other.out"
dead_letter = "other.dead"
"""


@pytest.mark.parametrize("through", ["engine", "kafka"])
def test_workflows_of_other_pipelines_are_started(tmp_path: Path, devbroker_process: str, through: str) -> None:
    """A workflow that starts that of another pipeline is measured with it, alone and through Kafka."""
    (tmp_path / "child.asl.json").write_text(json.dumps(PASS))
    (tmp_path / "express.toml").write_text(PIPELINES.format(address=devbroker_process))
    if through == "engine":
        done = bench(tmp_path, *SHORT, "--json", "-c", "express.toml", definition=STARTER)
    else:
        (tmp_path / "machine.asl.json").write_text(json.dumps(STARTER))
        command = [
            sys.executable,
            "-m",
            "express",
            "bench",
            "--pipeline",
            "express.toml#starter",
            "--json",
            "-i",
            "iot",
        ]
        done = subprocess.run(
            [*command, *SHORT, "--partitions", "2"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    result = msgspec.json.decode(done.stdout, type=Result)

    assert done.returncode == 0, done.stderr
    assert (result.counts.succeeded + result.counts.rejected, result.counts.failed) == (200, 0), result.errors


def test_a_pipeline(tmp_path: Path, devbroker_process: str) -> None:
    """`--pipeline` finds the workflow in the configuration, makes missing topics if told to, and judges thresholds."""
    names = ("one", "two")
    pipelines = "".join(
        f'[[pipelines]]\nname="{n}"\ntopics=["b.{n}"]\nworkflow="machine.asl.json"\noutput="b.o"\ndead_letter="b.d"\n'
        for n in names
    )
    kafka = f'[kafka]\nbootstrap_servers="{devbroker_process}"\ngroup="b"\n[metrics]\nport=0\n'
    (tmp_path / "express.toml").write_text(kafka + pipelines)
    (tmp_path / "machine.asl.json").write_text(json.dumps(PASS))
    run = [sys.executable, "-m", "express", "bench", "-i", "iot", "--pipeline"]
    options: dict[str, Any] = {"cwd": tmp_path, "env": {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}}
    options |= {"capture_output": True, "text": True, "check": False, "timeout": 60}
    missing = subprocess.run([*run, "express.toml#tow", *SHORT], **options)
    closed = subprocess.run([*run, "express.toml", "--closed", "5"], **options)
    both = subprocess.run([*run, "express.toml", *SHORT, "machine.asl.json"], **options)
    done = subprocess.run(
        [*run, "express.toml#two", *SHORT, "--partitions", "2", "-t", "succeeded>=1", "e2e.p50<1us", "-o", "out"],
        **options,
    )
    result = msgspec.json.decode((tmp_path / "out" / "result.json").read_bytes(), type=Result)

    assert missing.returncode == 104
    assert "did you mean 'two'?" in missing.stderr
    assert (closed.returncode, both.returncode) == (104, 2)
    assert "--pipeline can't be combined with --closed" in closed.stderr
    assert "leave out machine.asl.json" in both.stderr
    assert done.returncode == 99, done.stderr
    assert result.counts.scheduled == result.counts.succeeded + result.counts.rejected == 200
    assert [verdict.passed for verdict in result.thresholds] == [True, False]
    assert (result.load.pipeline, result.load.workers) == ("express.toml#two", 1)


def test_an_unknown_function_is_104_and_a_crash_at_import_107(tmp_path: Path) -> None:
    """A task that nobody performs is a matter of configuration; a handler module that crashes is not."""
    (tmp_path / "broken.py").write_text("raise RuntimeError('crash at import')")
    unknown = bench(tmp_path, *SHORT, definition=TASK)
    crashed = bench(tmp_path, *SHORT, "-f", "score=broken:handler", definition=TASK)

    assert (unknown.returncode, crashed.returncode) == (104, 107)
    assert "no function is registered for 'score'" in unknown.stderr
    assert "crash at import" in crashed.stderr


def test_an_interrupt_is_105(tmp_path: Path) -> None:
    """Ctrl-C ends the run early with 105, and what was measured is still told.

    Nothing here depends on how fast it goes: the signal follows the line of the first second.
    """
    (tmp_path / "machine.asl.json").write_text(json.dumps(PASS))
    command = [
        sys.executable,
        "-m",
        "express",
        "bench",
        "machine.asl.json",
        "--input",
        "iot",
        "--rate",
        "100",
        "--duration",
        "10m",
        "--warmup",
        "0ms",
        "--json",
    ]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()  # the first second is over
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=PATIENCE)

    assert process.returncode == 105, stderr
    assert msgspec.json.decode(stdout, type=Result).interrupted


def test_broken_definitions_are_shown(tmp_path: Path) -> None:
    """A definition with findings is refused with them, exit 1."""
    done = bench(tmp_path, *SHORT, definition={"StartAt": "Gone", "States": PASS["States"]})

    assert done.returncode == 1
    assert "Gone" in done.stderr


def test_find_max_finds_the_capacity_of_theory(tmp_path: Path) -> None:
    """A mocked task of 250 ms with room for fifty at a time can do 200 a second; the search says so within 10 %.

    The task is long against what a busy machine adds to a sleep, or that would be another capacity.
    """
    responses = {"Slow": {"Concurrency": 50, "*": {"Return": 1, "Latency": "250ms"}}}
    mocks = {"StateMachines": {"machine": {"TestCases": {"Load": {"T": "Slow"}}}}, "MockedResponses": responses}
    (tmp_path / "mocks.json").write_text(json.dumps(mocks))
    done = bench(
        tmp_path,
        *("--find-max", "e2e.p90<400ms", "--rate", "185", "--duration", "2s", "--warmup", "0ms"),
        *("--mock", "mocks.json", "--repeat", "2", "--precision", "0.1", "--json"),
        definition=TASK,
    )
    found = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert found["rate"] == pytest.approx(200, rel=0.1), done.stderr
    assert found["passes"] == 2
    assert found["failing"] > found["rate"]


def test_a_target_is_called(tmp_path: Path) -> None:
    """`--target` runs the workflow on a server: created for the run, called for each event, and gone afterwards."""
    command = [sys.executable, "-m", "express", "serve", "--ephemeral", "--port", "0"]
    environ = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        url = server.stderr.readline().split()[-1]
        done = bench(tmp_path, *SHORT, "--target", url, "--json")
        listing = [sys.executable, "-m", "express", "list", "--url", url]
        listed = subprocess.run(listing, env=environ, capture_output=True, text=True, check=True, timeout=PATIENCE)
        server.terminate()
        server.communicate(timeout=PATIENCE)
    result = msgspec.json.decode(done.stdout, type=Result)

    assert done.returncode == 0, done.stderr
    assert result.counts.succeeded == result.counts.scheduled - result.counts.rejected > 190
    assert "express-bench" not in listed.stdout


def test_a_target_that_is_not_there_is_104(tmp_path: Path) -> None:
    """An endpoint that does not answer is refused before the load begins."""
    done = bench(tmp_path, *SHORT, "--target", "http://127.0.0.1:1")

    assert done.returncode == 104
    assert "does not answer" in done.stderr
    assert "Unclosed" not in done.stderr


def test_a_task_that_is_not_mocked_is_104(tmp_path: Path) -> None:
    """With a mock file, tasks that it does not name must be callable, and the states that it names must be there."""
    mocks = {
        "StateMachines": {"machine": {"TestCases": {"Load": {"Tsk": "Ok"}}}},
        "MockedResponses": {"Ok": {"*": {"Return": 1}}},
    }
    (tmp_path / "mocks.json").write_text(json.dumps(mocks))
    done = bench(tmp_path, *SHORT, "--mock", "mocks.json#Load", definition=TASK)

    assert done.returncode == 104
    assert "'Tsk', which is no task state" in done.stderr
    assert "state 'T' is not mocked" in done.stderr


def test_compare_and_schema(tmp_path: Path) -> None:
    """A result compared with itself is no change; what is no result is refused; the schema is that of the struct."""
    done = bench(tmp_path, "--rate", "200", "--duration", "3s", "--warmup", "0ms", "--json")
    (tmp_path / "a.json").write_text(done.stdout)
    (tmp_path / "b.json").write_text("{}")
    run = [sys.executable, "-m", "express", "bench"]
    options: dict[str, Any] = {"cwd": tmp_path, "env": {"PYTHONPATH": str(ROOT)}, "capture_output": True, "text": True}
    same = subprocess.run([*run, "compare", "a.json", "a.json"], check=True, **options)
    wrong = subprocess.run([*run, "compare", "a.json", "b.json"], check=False, **options)
    printed = subprocess.run([*run, "schema"], check=True, **options)

    assert same.stdout.count("no change beyond ±") == 4
    assert wrong.returncode == 104
    assert json.loads(printed.stdout) == json.loads(msgspec.json.encode(schema()))


def test_a_kill_leaves_no_traceback_and_no_process(tmp_path: Path) -> None:
    """SIGKILL of the command: workers and generator notice that nobody reads, and end without a word."""
    (tmp_path / "machine.asl.json").write_text(json.dumps(PASS))
    command = [sys.executable, "-m", "express", "bench", "machine.asl.json", "--rate", "500", "--duration", "300s"]
    process = subprocess.Popen(
        [*command, "--input", "iot"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    next(line for line in process.stderr if "done/s" in line)
    process.kill()
    _, told = process.communicate(timeout=PATIENCE)  # ends when the last of them has let go of stderr

    assert "Traceback" not in told
    assert "Error" not in told
