"""A real Apache Kafka from its jars: one node or several, on free ports of this machine, in a temporary folder.

Each node is broker and controller (KRaft). Nodes can be killed, suspended and restarted on the same ports and data.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.kafka.jars import DEFAULT_VERSION, cache, fetch, java, keep

CLUSTER_ID = "ZXhwcmVzcy10ZXN0cy0wMQ"
READY_SECONDS = 60.0
_PORTS = (15_000, 32_000)  # below what systems take for outgoing connections
_FLAGS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true"]
_SERVER = [
    *("-server", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-Djava.awt.headless=true"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15"),
]
_LOG4J2 = """rootLogger.level=WARN
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d %p %c{1} %m%n
logger.m.name=kafka.coordinator.transaction.TransactionMarkerChannelManager
logger.m.level=INFO
"""
_LOG4J1 = """log4j.rootLogger=WARN, C
log4j.appender.C=org.apache.log4j.ConsoleAppender
log4j.appender.C.layout=org.apache.log4j.PatternLayout
log4j.appender.C.layout.ConversionPattern=%d %p %c{1} %m%n
log4j.logger.kafka.coordinator.transaction.TransactionMarkerChannelManager=INFO
"""
_DROPPED = re.compile(r"Couldn't find leader endpoint for partitions (.*) while trying to send transaction markers")
"""What a coordinator says when it takes partitions for deleted, and ends their transaction without them."""
_PARTITION = re.compile(r"[\w.-]+-\d+")


class RealKafka:
    """A Kafka cluster that lives as long as the `with` block.

    with RealKafka(brokers=3) as kafka:
        kafka.address      # bootstrap servers
        kafka.kill(1)      # SIGKILL node 1
        kafka.restart(1)   # the same ports, the same data
    """

    def __init__(
        self,
        brokers: int = 1,
        version: str = DEFAULT_VERSION,
        *,
        configs: dict[str, str] | None = None,
        as_server: bool = False,
    ) -> None:
        """`as_server`: with the options that Kafka's own script starts Java with; else with those that start fast."""
        self.version = version
        self._configs = configs or {}
        self._as_server = as_server
        self._nodes = range(1, brokers + 1)
        ports = _free_ports(2 * brokers)
        self._ports = dict(zip(self._nodes, ports[:brokers], strict=True))
        self._controllers = dict(zip(self._nodes, ports[brokers:], strict=True))
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._folder = Path()
        self._java: list[str] = []

    @property
    def folder(self) -> Path:
        """Where everything is: `data-N` of each node, its log and its properties."""
        return self._folder

    @property
    def address(self) -> str:
        """Bootstrap servers."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports.values())

    def start(self) -> None:
        """Format and start every node, and wait until all of them serve."""
        libs = fetch(self.version)
        self._folder = Path(tempfile.mkdtemp(prefix="express-kafka-"))
        heap = "512m" if len(self._nodes) == 1 else "384m"
        flags = _SERVER if self._as_server else [f"-Xmx{heap}", *_FLAGS]
        self._java = [java(), *flags, self._logging(), "-cp", f"{libs}/*"]
        try:
            for node in self._nodes:
                self._format(node)
            for node in self._nodes:
                self.launch(node)
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill every node and remove the data: nothing of it is wanted any more, so nothing is shut down in order."""
        for node in tuple(self._running):
            self.kill(node)
        if self._folder != Path():
            shutil.rmtree(self._folder, ignore_errors=True)

    def pid(self, node: int = 1) -> int:
        """The process id of a node."""
        return self._running[node].pid

    def kill(self, node: int = 1) -> None:
        """SIGKILL: the node has no time to do anything."""
        process = self._running.pop(node)
        process.kill()
        process.wait()

    def shut_down(self, node: int = 1) -> None:
        """SIGTERM: the node hands over what it leads, as in a rolling restart."""
        process = self._running.pop(node)
        process.terminate()
        process.wait()

    def suspend(self, node: int = 1) -> None:
        """SIGSTOP: connections stay open and nothing is answered."""
        self._running[node].send_signal(signal.SIGSTOP)

    def resume(self, node: int = 1) -> None:
        """SIGCONT: undo `suspend`."""
        self._running[node].send_signal(signal.SIGCONT)

    def launch(self, node: int = 1) -> None:
        """Start a node's process; `wait_ready` waits until it serves."""
        with (self._folder / f"{node}.log").open("ab") as log:
            self._running[node] = subprocess.Popen(
                [*self._java, "kafka.Kafka", str(self._properties(node))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )

    def restart(self, node: int = 1) -> None:
        """Start a node again that was stopped, on its ports and data, and wait until it serves."""
        self.launch(node)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Until every node that runs is known to the cluster; what it last wrote is in the error if it is not."""
        end = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            dead = [node for node, process in self._running.items() if process.poll() is not None]
            if dead or time.monotonic() > end:
                told = "\n".join(self.log(node)[-2000:] for node in dead or self._running)
                raise RuntimeError(f"Kafka {self.version} does not come up:\n{told}")

    def log(self, node: int = 1) -> str:
        """What a node has written so far."""
        return (self._folder / f"{node}.log").read_text(errors="replace")

    def dropped_markers(self) -> int:
        """How many transaction markers the coordinators have not written, by their logs (KAFKA-20734)."""
        return sum(dropped(self.log(node)) for node in self._nodes)

    def _is_ready(self) -> bool:
        """Whether every node that runs answers, and knows all the others."""
        for node in self._running:
            server = f"127.0.0.1:{self._ports[node]}"
            client = AdminClient({"bootstrap.servers": server, "log_level": 0, "reconnect.backoff.max.ms": 100})
            try:
                if not set(client.list_topics(timeout=1).brokers) >= set(self._running):
                    return False
            except KafkaException:
                return False
        return True

    def _format(self, node: int) -> None:
        """Give the node a formatted folder: a copy of one, since formatting takes a Java and seconds each time."""
        self._properties(node).write_text(self._config(node))
        options = self._format_options()
        formatted = cache() / self.version / f"formatted-{node}"
        if formatted.exists() and not options:
            shutil.copytree(formatted, self._data(node), dirs_exist_ok=True)
            return
        command = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties(node))]
        run = subprocess.run([*self._java, *command, *options], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise RuntimeError(f"Kafka {self.version} can't format its folder:\n{run.stdout}{run.stderr}")
        if not options:
            keep(self._data(node), formatted)

    def _format_options(self) -> list[str]:
        """What else to tell the storage tool: users, say."""
        return []

    def _data(self, node: int) -> Path:
        return self._folder / f"data-{node}"

    def _properties(self, node: int) -> Path:
        return self._folder / f"{node}.properties"

    def _logging(self) -> str:
        path = self._folder / "logging.properties"
        old = self.version.startswith("3.")
        path.write_text(_LOG4J1 if old else _LOG4J2)
        return f"-Dlog4j.configuration=file:{path}" if old else f"-Dlog4j2.configurationFile=file:{path}"

    def _config(self, node: int) -> str:
        """The node's server.properties."""
        copies = min(len(self._nodes), 3)
        voters = ",".join(f"{other}@127.0.0.1:{port}" for other, port in self._controllers.items())
        listen = f"127.0.0.1:{self._ports[node]}"
        entries = {
            "process.roles": "broker,controller",
            "node.id": str(node),
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://{listen},CONTROLLER://127.0.0.1:{self._controllers[node]}",
            "advertised.listeners": f"PLAINTEXT://{listen}",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self._data(node)),
            "num.partitions": "1",
            "default.replication.factor": str(copies),
            "min.insync.replicas": "2" if copies == 3 else "1",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": str(copies),
            "offsets.topic.num.partitions": "3",
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": "2" if copies == 3 else "1",
            "transaction.state.log.num.partitions": "3",
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0",
            "log.segment.bytes": "67108864",
            "broker.heartbeat.interval.ms": "1000",
            "broker.session.timeout.ms": "5000",  # a killed node is replaced, and may register again, after this
            "num.network.threads": "2",
            "num.io.threads": "2",
            **self._configs,
        }
        return "".join(f"{name}={value}\n" for name, value in entries.items())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def dropped(log: str) -> int:
    """For how many partitions a coordinator says in its log that it has written no transaction marker."""
    return sum(len(_PARTITION.findall(partitions)) for partitions in _DROPPED.findall(log))


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on just now, and that no client is given for an outgoing connection meanwhile."""
    found: list[int] = []
    while len(found) < count:
        port = SystemRandom().randrange(*_PORTS)
        with socket.socket() as one:
            if port not in found and one.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """On Linux, ask the kernel to kill the node when whoever started it is killed: no Java is left behind."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    os.setpgrp()  # Ctrl-C is for the one who started it, who then stops it in order
