"""Failures of clients: brokers that can not be reached, errors that are mapped to ours, closing that takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Iterator

from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from express.errors import ExpressError

CLOSE_SECONDS = 5.0
"""Seconds that a client may take to close."""


RECENT_SECONDS = 60.0
"""A connection that failed longer ago has nothing to do with what fails now."""

REFUSALS = (SaslAuthenticationFailed, UnsupportedSaslMechanismError, IllegalSaslStateError, ssl.SSLError)
"""Errors of a connection that will come again until a configuration is changed, here or there."""

QUIET_SECONDS = 10.0
"""Brokers answer a fetch within `fetch_max_wait_ms`, a tenth of a second unless configured otherwise."""

_silent: set[int] = set()

_failed: dict[str, tuple[float, str]] = {}
"""Broker → when a connection to it failed last, and why. aiokafka logs that and says only that all have failed."""


def note_failure(broker: str, why: str) -> None:
    """Remember why a connection to a broker could not be made."""
    _failed[broker] = time.monotonic(), why


def note_success(broker: str) -> None:
    """Forget why connections to a broker failed before."""
    _failed.pop(broker, None)


def refuses(error: BaseException | None) -> bool:
    """Return whether a broker does not want us as we are configured, or we do not trust it: trying again won't help."""
    if isinstance(error, KafkaConnectionError):
        return refuses(error.__cause__)
    return isinstance(error, REFUSALS) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def explain(error: BaseException) -> str:
    """Return why a connection to a broker could not be made, and which setting to look at."""
    if isinstance(error, KafkaConnectionError) and isinstance(error.__cause__, ssl.SSLError):
        return explain(error.__cause__)
    if isinstance(error, ssl.SSLCertVerificationError):
        if "not valid for" in error.verify_message:
            return f"its certificate is for another host: {error.verify_message.rstrip('.')}"
        return f"its certificate is not trusted: {error.verify_message}; ssl.ca.location says whom to trust"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        return f"TLS failed: {reason}"
    if isinstance(error, SaslAuthenticationFailed):
        return f"it refused the login: {error.args[0] if error.args else error}"
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"it refused the login: {error.args[0] if error.args else error}; see sasl.mechanism"
    if isinstance(error, IllegalSaslStateError):
        return "it wants no login where it listens here; see security.protocol"
    if isinstance(error, KafkaConnectionError | ConnectionResetError):
        return "it closed the connection; does it listen for TLS, a certificate or a login there? see security.protocol"
    return f"{type(error).__name__}: {error}".rstrip(": ")


def failures() -> str:
    """Return why connections failed lately, a clause for each broker; empty where none did."""
    now = time.monotonic()
    return "; ".join(f"{broker}: {why}" for broker, (at, why) in _failed.items() if now - at < RECENT_SECONDS)


def unreachable() -> dict[str, str]:
    """Return the brokers that connections could not be made to lately, nor since, and why; "" for those that hang."""
    now = time.monotonic()
    found = {broker: why for broker, (at, why) in _failed.items() if now - at < RECENT_SECONDS}
    if _silent:
        found[""] = f"no broker has answered a fetch for more than {QUIET_SECONDS:.0f} s"
    return found


def note_silence(consumer: int, *, silent: bool) -> None:
    """Note whether a consumer waits for the answer to a fetch for longer than QUIET_SECONDS."""
    (_silent.add if silent else _silent.discard)(consumer)


@contextlib.contextmanager
def mapped(kind: type[ExpressError], doing: str) -> Iterator[None]:
    """Raise what a Kafka client raises as `kind`. A timeout of our own counts as one of the client's."""
    try:
        yield
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise kind(f"{doing}: the client gave up") from error
    except KafkaConnectionError as error:
        raise kind(f"{doing}: {failures() or f'{type(error).__name__}: {error}'}") from error
    except (KafkaError, TimeoutError, OSError) as error:
        raise kind(f"{doing}: {type(error).__name__}: {error}") from error


async def within(seconds: float, closing: Awaitable[object]) -> bool:
    """Let a client close itself; False if it took too long or failed, which is of no interest any more."""
    try:
        async with asyncio.timeout(seconds):
            await closing
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        return False
    except (TimeoutError, KafkaError, OSError):
        return False
    return True


def _is_cancelled() -> bool:
    """Tell if a CancelledError is meant for us. Others come out of aiokafka, which cancels tasks and awaits them."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
