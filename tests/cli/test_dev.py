"""`express dev` as a user runs it: a process of its own, its streams, its signals, its exit codes."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from express.errors import SourceError
from express.kafka.topics import create_topics, ends

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "express", "dev", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.returncode, out, err


def test_every_event_gets_its_terminal_record() -> None:
    """`--events N` ends by itself, with 0 because a reader found a terminal record for each of the N offsets."""
    code, out, err = finish(start("--events", "5000", "--workers", "2"))

    assert code == 0, err
    assert out.startswith("5,000 events, 5,000 with a terminal record: ")
    assert "0 missing" in out
    assert re.search(r"[\d,]+ events/s over [\d.]+ s, [\d,]+ per worker process", out)
    assert re.search(r"GB-s; AWS Express would charge \$\d", out)
    assert "/metrics" in err
    assert "development broker" in err
    assert re.search(r'API +(http://127\.0\.0\.1:\d+)  eval "\$\(express env --url \1\)"', err)


def connect_for_ever(host: str, port: int) -> None:
    """Connect again and again, until nobody listens."""
    while True:
        socket.create_connection((host, port)).close()


def test_a_kill_takes_the_broker_along() -> None:
    """SIGKILL of the command: nothing of it is left that listens on a port or runs on."""
    process = start("--events", "1000000")
    assert process.stderr is not None
    address = next(found[1] for line in process.stderr if (found := re.search(r"(127\.0\.0\.1:\d+)", line)))
    host, port = address.split(":")
    socket.create_connection((host, int(port))).close()
    process.kill()
    process.communicate()
    with pytest.raises(ConnectionError):
        connect_for_ever(host, int(port))


def test_a_seed_repeats_a_run() -> None:
    """The same seed comes to the same results, another one to others."""
    first, again, other = (
        finish(start("--events", "2000", "--only", "iot", "--seed", seed))[1].splitlines()[0] for seed in "771"
    )
    assert first == again
    assert first.split(": ")[1] != other.split(": ")[1]


def test_a_duration_ends_it() -> None:
    """`--duration` ends by itself, with no more events than the rate allows in that time."""
    code, out, err = finish(start("--duration", "1s", "--rate", "500"))
    events = int(out.partition(" ")[0].replace(",", ""))

    assert code == 0, err
    assert 0 < events <= 500


def test_real_kafka(kafka: str) -> None:
    """`--kafka HOST:PORT` does the same on a broker of yours; a second run counts its own events only."""
    for seed in "12":
        code, out, err = finish(start("--kafka", kafka, "--events", "3000", "--seed", seed))
        assert code == 0, err
        assert out.startswith("3,000 events, 3,000 with a terminal record: ")
    assert "development broker" not in err


async def test_topics_of_others_are_refused(devbroker_process: str) -> None:
    """A topic that `dev` has not made is refused by name with 104; nothing is made or written."""
    properties = {"bootstrap_servers": devbroker_process}
    foreign = "express-dev.iot.results"
    await create_topics(properties, [foreign, "iot.events"], 1)
    options = ("--kafka", devbroker_process, "--only", "iot", "--events", "10")
    code, out, err = await asyncio.to_thread(finish, start(*options))

    assert (code, out) == (104, ""), err
    assert f"the topic {foreign} is there already" in " ".join(err.split())
    assert set((await ends(properties, [foreign, "iot.events"])).values()) == {0}
    with pytest.raises(SourceError, match="there is no topic"):
        await ends(properties, ["express-dev.iot.events"])


async def test_own_topics_are_used_again(devbroker_process: str) -> None:
    """A second run takes the topics of the first, and neither touches topics without the prefix."""
    properties = {"bootstrap_servers": devbroker_process}
    await create_topics(properties, ["orders.events"], 1)
    for _ in range(2):
        options = ("--kafka", devbroker_process, "--only", "orders", "--events", "10")
        code, _, err = await asyncio.to_thread(finish, start(*options))
        assert code == 0, err

    assert set((await ends(properties, ["orders.events"])).values()) == {0}
    assert sum((await ends(properties, ["express-dev.orders.events"])).values()) == 20


def until_events_flow(process: subprocess.Popen[str]) -> None:
    """Wait until the first figures show that something succeeded."""
    assert process.stderr is not None
    for line in process.stderr:
        if re.search(r"[1-9][\d,]* succeeded", line):
            return
    raise AssertionError("no events flowed")


def test_ctrl_c_drains() -> None:
    """Ctrl-C makes no more of them, finishes what is there, and ends with 0."""
    process = start()
    until_events_flow(process)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)

    assert code == 0, err
    assert "terminal records when interrupted" in out


def test_ctrl_c_before_the_end_is_told() -> None:
    """A run that was to end by itself and was interrupted instead ends with 105."""
    process = start("--events", "100000000", "--rate", "1000")
    until_events_flow(process)
    process.send_signal(signal.SIGINT)

    assert finish(process)[0] == 105


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--kafka", "127.0.0.1:1", "--events", "1"], 1, "express: no topics can be created at 127.0.0.1:1"),
        (["--set", "kafka.grup=x"], 104, "did you mean 'group'?"),
        (["--rate", "fast"], 2, "neither a number"),
        (["--duration", "10"], 2, "duration with a unit"),
        (["--events", "0"], 2, "--events"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], code: int, said: str) -> None:
    """What goes wrong is told in a sentence, never as a traceback."""
    found, out, err = finish(start(*arguments))

    assert (found, out) == (code, "")
    assert said in " ".join(err.split()).replace("│ ", "")
    assert "Traceback" not in err
