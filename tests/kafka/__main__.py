"""`python -m tests.kafka`: fetch Apache Kafka's jars, or run a cluster to play with."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import suppress

from tests.kafka.jars import DEFAULT_VERSION, OLDEST_VERSION, Missing, fetch
from tests.kafka.real import RealKafka


def main() -> None:
    """Parse the command line and do as it says."""
    parser = argparse.ArgumentParser(prog="python -m tests.kafka", description="A real Apache Kafka for tests.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--fetch", action="store_true", help="only download the jars, and print where they are")
    what.add_argument("--run", action="store_true", help="run a cluster until Ctrl-C, and print its address")
    parser.add_argument("--version", default=DEFAULT_VERSION, help="of Kafka (default: %(default)s)")
    parser.add_argument("--brokers", type=int, default=1, help="number of nodes (default: 1)")
    arguments = parser.parse_args()
    try:
        if arguments.fetch:
            print(fetch(arguments.version))
            if arguments.version == DEFAULT_VERSION:
                print(fetch(OLDEST_VERSION))
        else:
            run(RealKafka(arguments.brokers, arguments.version))
    except Missing as missing:
        sys.exit(str(missing))


def run(kafka: RealKafka) -> None:
    """Run until SIGINT or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), kafka:
        print(kafka.address, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
