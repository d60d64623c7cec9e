"""`python -m express.devbroker`: run the development broker until it is told to stop."""

from __future__ import annotations

import argparse
import sys

from express.devbroker.broker import Broker
from express.devbroker.node import Settings
from express.devbroker.serve import NOTICE, run
from express.errors import StoreError


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m express.devbroker", description=NOTICE)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--data", help="folder to keep everything in (default: memory only)")
    parser.add_argument("--partitions", type=int, default=1, help="of a topic that does not say (default: 1)")
    parser.add_argument("--auto-create", action="store_true", help="create topics when they are first asked for")
    parser.add_argument("--retention-bytes", type=int, default=-1, help="per partition (default: keep all)")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when stdin does")
    arguments = parser.parse_args()
    settings = Settings(
        partitions=arguments.partitions,
        auto_create=arguments.auto_create,
        retention_bytes=arguments.retention_bytes,
    )
    try:
        run(Broker(arguments.host, arguments.port, arguments.data, settings), end_with_stdin=arguments.end_with_stdin)
    except (OSError, StoreError) as error:
        sys.exit(f"can't start: {error}")


if __name__ == "__main__":
    main()
