"""Time and chance of a real host. A simulation brings its own."""

from __future__ import annotations

import random
import secrets
import time
import uuid


class SystemClock:
    """The clocks of the machine."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


class SystemEntropy:
    """Chance and identities from the operating system."""

    random = staticmethod(random.random)
    spent = staticmethod(time.thread_time)

    def uuid(self) -> str:
        """A version-4 UUID."""
        return str(uuid.uuid4())

    def token(self, key: str) -> str:
        """A task token: 32 random bytes. `key` says whose it is and is of no use to a guesser."""
        return secrets.token_urlsafe(32)
