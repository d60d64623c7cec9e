"""TLS and logins against a real Kafka, through whole processes: every client gets in, and who must not, is told why."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import express.docs
from express.config import Kafka, load
from express.errors import ConfigError
from express.kafka.access import knock
from express.kafka.properties import client_properties
from express.kafka.survey import Survey
from express.kafka.topics import create_topics
from express.service.access import check_cluster
from express.sinks.input_queue import KafkaQueue
from express.verify.verify import target_of, verify
from tests.kafka.clients import producer
from tests.kafka.secure import KEY_PASSWORD, PASSWORD, USER, SecureKafka
from tests.kafka.wire import unique

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

DOCS = Path(express.docs.__file__).parent / "kafka.md"
RECORDS = 200
MACHINE = {"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}}

CONFIG = """
[kafka]
bootstrap_servers = "{address}"
group = "{run}"
allow_plaintext_password = {clear}
client = {client}
[[pipelines]]
name = "numbers"
topics = ["{run}.in"]
workflow = "machine.asl.json"
output = "{run}.out"
dead_letter = "{run}.dead"
delivery = "{delivery}"
[metrics]
port = 0
"""


@pytest.fixture(autouse=True)
def _no_transports_left() -> Iterator[None]:
    """asyncio forgets the transport below a handshake that was given up: it goes here, not in a test that follows."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def secure(kafka_jars: None) -> Iterator[SecureKafka]:
    """A broker with a listener for each way in."""
    with SecureKafka() as cluster:
        yield cluster


class Case:
    """A configuration for one listener, with topics of its own."""

    def __init__(self, folder: Path, secure: SecureKafka, listener: str, delivery: str = "at_least_once", **more: Any):
        self.run = unique("t")
        self.secure = secure
        self.file = folder / "express.toml"
        (folder / "machine.asl.json").write_text(json.dumps(MACHINE))
        client = ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in secure.client(listener, **more).items())
        clear = "true" if listener == "CLEAR" else "false"
        text = CONFIG.format(
            address=secure.at(listener), run=self.run, clear=clear, client=f"{{ {client} }}", delivery=delivery
        )
        self.file.write_text(text)

    async def feed(self) -> None:
        """Make the topics and the input, by the plain listener."""
        properties = {"bootstrap_servers": self.secure.address}
        await create_topics(properties, [f"{self.run}.{name}" for name in ("in", "out", "dead")], 3)
        async with producer(self.secure.address) as client:
            for number in range(RECORDS):
                await client.send(f"{self.run}.in", b"%d" % number, key=b"k%d" % (number % 7))
            await client.send(f"{self.run}.in", b"{no")

    async def express(self, command: str, *arguments: str) -> asyncio.subprocess.Process:
        """The command line, as a process."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "express", command, "-c", str(self.file), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Its exit code and all it said."""
    out, err = await process.communicate()
    return process.returncode, (out + err).decode()


@pytest.mark.parametrize(
    ("listener", "mechanism", "delivery"),
    [
        ("TLS", "", "at_least_once"),
        ("MUTUAL", "", "exactly_once"),
        ("LOGIN", "PLAIN", "exactly_once"),
        ("LOGIN", "SCRAM-SHA-256", "at_least_once"),
        ("CLEAR", "SCRAM-SHA-512", "exactly_once"),
    ],
)
async def test_express_run_drains(
    secure: SecureKafka, tmp_path: Path, listener: str, mechanism: str, delivery: str
) -> None:
    """`express run` reads, writes and commits through every door, and a reader judges through the same one."""
    more = {"sasl.mechanism": mechanism} if mechanism else {}
    case = Case(tmp_path, secure, listener, delivery, **more)
    await case.feed()
    service = await case.express("run")
    async with Survey({"bootstrap_servers": secure.address}) as survey:
        while sum(at.offset for at in (await survey.committed(f"{case.run}-numbers")).values()) <= RECORDS:
            assert service.returncode is None, await ended(service)
            await asyncio.sleep(0.05)
    service.send_signal(signal.SIGTERM)
    code, told = await ended(service)
    assert code == 0, told

    assert "Traceback" not in told
    assert PASSWORD not in told
    config = load([case.file], environ={}).config
    found = await verify(
        client_properties(config.kafka).consumer,
        target_of(config, config.pipelines[0]),
        exactly_once=True,
        drained=True,
    )
    assert found.ok, found.reasons
    assert (found.totals["results"], found.totals["dead_letters"]) == (RECORDS, 1)


@pytest.mark.parametrize(
    ("listener", "change", "reason"),
    [
        ("LOGIN", {"sasl.password": "file:{folder}/wrong"}, "it refused the login: Authentication failed"),
        (
            "LOGIN",
            {"sasl.password": "file:{folder}/wrong", "sasl.mechanism": "SCRAM-SHA-512"},
            "it refused the login: Authentication failed",
        ),
        ("LOGIN", {"sasl.username": "stranger", "sasl.mechanism": "SCRAM-SHA-256"}, "it refused the login"),
        ("TLS", {"ssl.ca.location": "{other_ca}"}, "its certificate is not trusted: unable to get local issuer"),
        ("ELSEWHERE", {}, "its certificate is for another host: IP address mismatch"),
        (
            "TLS",
            {"security.protocol": "SASL_SSL", "sasl.username": "u", "sasl.password": "file:{folder}/wrong"},
            "it wants",
        ),
    ],
    ids=["password", "scram", "user", "authority", "host", "no login there"],
)
async def test_a_refusal_is_a_mistake_of_the_configuration(
    secure: SecureKafka, tmp_path: Path, listener: str, change: dict[str, str], reason: str
) -> None:
    """What would fail for ever is told before anything starts: the broker, the reason, and no secret."""
    secure.secret("wrong", "not it")
    change = {k: v.format(folder=secure.secrets, other_ca=secure.other_ca) for k, v in change.items()}
    case = Case(tmp_path, secure, listener, **change)

    with pytest.raises(ConfigError, match=f"Kafka can't be used: {secure.at(listener)}: {reason}") as told:
        await check_cluster(load([case.file], environ={}).config)

    assert "not it" not in str(told.value)


@pytest.mark.parametrize(("block", "listener"), [(0, "LOGIN"), (1, "MUTUAL")], ids=["login", "certificate"])
async def test_the_documented_examples_work(
    secure: SecureKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, listener: str
) -> None:
    """The examples of "Kafka in production" get in, with names of this broker put in their place."""
    text = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[block]
    monkeypatch.setenv("KAFKA_KEY_PASSWORD", KEY_PASSWORD)
    (tmp_path / "tls").mkdir()
    for name, file in (("ca.pem", secure.ca), ("express.crt", secure.certificate), ("express.key", secure.key)):
        (tmp_path / "tls" / name).symlink_to(file)
    for old, new in (
        (re.search(r"broker\.example:\d+", text)[0], secure.at(listener)),  # type: ignore[index]
        ('"express"', f'"{USER}"'),
        ("/run/secrets/kafka-password", str(secure.password_file)),
    ):
        text = text.replace(old, new)
    (tmp_path / "express.toml").write_text(text)

    assert await knock(client_properties(load([tmp_path / "express.toml"], environ={}).config.kafka).consumer)


async def test_a_refusal_ends_every_command(secure: SecureKafka, tmp_path: Path) -> None:
    """`express run` ends with 104 and one line, `express verify` with 1 and the same reason."""
    secure.secret("wrong", "not it")
    case = Case(tmp_path, secure, "LOGIN", **{"sasl.password": f"file:{secure.secrets}/wrong"})
    run, verified = await asyncio.gather(*[ended(await case.express(command)) for command in ("run", "verify")])

    reason = f"{secure.at('LOGIN')}: it refused the login: Authentication failed: Invalid username or password\n"
    assert run == (104, f"express: Kafka can't be used: {reason}")
    assert verified == (1, f"express: connecting to {secure.at('LOGIN')}: {reason}")


async def test_express_verify_reads_through_tls(secure: SecureKafka, tmp_path: Path) -> None:
    """The command takes the configuration's settings, and finds what nobody has drained."""
    case = Case(tmp_path, secure, "MUTUAL")
    await case.feed()

    code, told = await ended(await case.express("verify", "--drained"))

    assert code == 1
    assert f"{RECORDS + 1} input records have no terminal record" in told


async def test_a_certificate_that_is_missing(secure: SecureKafka) -> None:
    """A listener for certificates refuses who has none."""
    kafka = Kafka(bootstrap_servers=secure.at("MUTUAL"), client=secure.client("TLS"))
    with pytest.raises(ConfigError, match=r"TLS failed: .*certificate"):
        await knock(client_properties(kafka).consumer)


async def test_plain_text_to_a_secure_listener_says_so_and_tries_again(
    secure: SecureKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who is cut off without a word may have met a broker that starts: it is told what to look at, and goes on."""
    for listener in ("TLS", "CLEAR"):
        caplog.clear()
        file = tmp_path / "express.toml"
        file.write_text(f'[kafka]\nbootstrap_servers = "{secure.at(listener)}"\n')
        await check_cluster(load([file], environ={}).config)
        assert f"{secure.at(listener)}: it closed the connection; does it listen for TLS" in caplog.text


async def test_the_queue_of_the_api_logs_in(secure: SecureKafka) -> None:
    """StartExecution's producer takes the same settings."""
    topic = unique("queue")
    await create_topics({"bootstrap_servers": secure.address}, [topic], 1)
    kafka = Kafka(bootstrap_servers=secure.at("LOGIN"), client=secure.client("LOGIN"))
    queue = KafkaQueue(client_properties(kafka).producer)
    await queue.start()
    try:
        placed = await queue.put(topic, b"{}")
    finally:
        await queue.stop()

    assert placed.offset == 0


async def test_express_dev_takes_the_settings(secure: SecureKafka) -> None:
    """Generator, topics, workers and reader of `express dev` get in, each with a client of its own."""
    settings = [f"kafka.client.{json.dumps(k)}={v}" for k, v in secure.client("LOGIN").items()]
    arguments = [part for setting in settings for part in ("--set", setting)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "express", "dev", "--kafka", secure.at("LOGIN"), "--events", "500", "--only", "iot"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    code, told = await ended(process)

    assert code == 0, told
    assert PASSWORD not in told
