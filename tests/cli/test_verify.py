"""`express verify` over topics of a development broker, with what a pipeline leaves behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from tests.cli.conftest import Run
from tests.kafka.clients import new_topic, producer
from tests.kafka.wire import unique

NAMED = ("input", "output", "dead-letters", "group")


async def _write(address: str, offsets: Iterable[int], committed: int | None) -> tuple[str, ...]:
    """Five input records, results for `offsets`, and a commit; the arguments that name all this."""
    topics = [await new_topic(address) for _ in range(3)]
    group = unique("group")
    async with producer(address) as client:
        for number in range(5):
            await client.send_and_wait(topics[0], b"%d" % number, key=b"k")
        for offset in offsets:
            headers = {"topic": topics[0], "partition": "0", "offset": str(offset)}
            named = [(f"express.source-{name}", text.encode()) for name, text in headers.items()]
            await client.send_and_wait(topics[1], b"{}", key=b"k", headers=named)
    if committed is not None:
        consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False)
        await consumer.start()
        consumer.assign([TopicPartition(topics[0], 0)])
        await consumer.commit({TopicPartition(topics[0], 0): OffsetAndMetadata(committed, "")})
        await consumer.stop()
    named_topics = ("--input", topics[0], "--output", topics[1], "--dead-letters", topics[2])
    return ("verify", "--bootstrap", address, *named_topics, "--group", group)


def written(address: str, offsets: Iterable[int], committed: int | None = None) -> tuple[str, ...]:
    return asyncio.run(_write(address, offsets, committed))


def test_a_finished_pipeline_is_ok(run: Run, devbroker_process: str) -> None:
    """One terminal record each and everything committed: 0, and a table that says so."""
    result = run(*written(devbroker_process, range(5), committed=5), "--drained", "--exactly-once")

    assert result.exit_code == 0
    assert "5 of 5 records have a terminal record; 0 lost, 0 duplicated, 0 to come\nok" in result.stdout


@pytest.mark.parametrize(
    ("offsets", "committed", "flags", "told"),
    [
        pytest.param([0, 1, 3, 4], 5, [], "1 input records have no terminal record", id="lost"),
        pytest.param([0, 1], 2, ["--drained"], "3 input records have no terminal record", id="not drained"),
        pytest.param(
            [0, 1, 2, 2, 3, 4], 5, ["--exactly-once"], "1 terminal records too many", id="doubled against the promise"
        ),
        pytest.param([0, 1, 2, 3, 4, 7], 5, [], "1 terminal records name an input that never was", id="phantom"),
        pytest.param([1, 0, 2, 3, 4], 5, [], "1 results came before one of an earlier record", id="out of order"),
    ],
)
def test_every_fault_is_told(
    run: Run, devbroker_process: str, offsets: list[int], committed: int, flags: list[str], told: str
) -> None:
    """A fault ends it with 1 and a sentence."""
    result = run(*written(devbroker_process, offsets, committed), *flags)

    assert result.exit_code == 1
    assert told in result.stdout


def test_duplicates_and_work_to_come_are_no_findings_by_default(run: Run, devbroker_process: str) -> None:
    """At least once allows duplicates, and a running pipeline is never finished."""
    result = run(*written(devbroker_process, [0, 1, 1], committed=2))

    assert result.exit_code == 0
    assert "0 lost, 1 duplicated, 3 to come" in result.stdout


def test_json_has_every_partition(run: Run, devbroker_process: str) -> None:
    """`--json` gives verdict, totals and the findings per partition with examples."""
    result = run(*written(devbroker_process, [0, 1, 3, 4], committed=5), "--json")
    verdict: dict[str, Any] = json.loads(result.stdout)[0]

    assert (verdict["ok"], verdict["totals"]["lost"]) == (False, 1)
    assert verdict["partitions"][0]["examples"] == {"lost": [2]}


def test_a_missing_topic_is_an_error(run: Run, devbroker_process: str) -> None:
    """Not a traceback, and not an empty verdict."""
    arguments = ("--bootstrap", devbroker_process, "--input", "nothing-here", "--output", "nor-there")
    result = run("verify", *arguments)

    assert result.exit_code == 1
    assert "there is no topic nor-there" in result.stderr


def test_half_of_what_is_needed_is_wrong_usage(run: Run) -> None:
    """--input without --output is refused before anything is read."""
    result = run("verify", "--input", "in")

    assert result.exit_code == 2


def test_what_to_read_may_be_configured(run: Run, devbroker_process: str, tmp_path: Path) -> None:
    """`-c` takes topics, group and ordering from the pipelines; another cluster may be named beside it."""
    arguments = written(devbroker_process, range(5), committed=5)
    topic, output, dead_letters, group = (arguments[arguments.index(f"--{name}") + 1] for name in NAMED)
    pipeline = {"name": "p", "topics": [topic], "workflow": "w", "output": output, "dead_letter": dead_letters}
    lines = [f"{key} = {json.dumps(value)}" for key, value in {**pipeline, "group": group}.items()]
    (tmp_path / "express.toml").write_text("\n".join(["[[pipelines]]", *lines]))

    result = run("verify", "-c", "express.toml", "--bootstrap", devbroker_process, "--drained")
    assert result.exit_code == 0
    assert "p: 5 of 5 records have a terminal record" in result.stdout

    result = run("verify", "-c", "express.toml", "--pipeline", "q")
    assert result.exit_code == 104
    assert "unknown pipeline 'q'" in result.stderr
