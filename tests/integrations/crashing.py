"""A handler module that crashes while it is imported; the tests import it by name only."""

import os

if os.environ.get("EXPRESS_TEST_CRASH"):
    raise RuntimeError("no licence")


def handler(event: object, context: object) -> object:
    return event
