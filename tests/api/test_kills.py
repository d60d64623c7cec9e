"""A few kills of a server at work; `python -m tests.api.kills` runs a hundred of each."""

from __future__ import annotations

from .kills import asynchronous, synchronous


async def test_nothing_answered_is_lost_when_the_server_is_killed(devbroker: str) -> None:
    """Asynchronous starts answered with 200 are in the topic, once."""
    outcome = await asynchronous(3, devbroker)

    assert outcome.answered > 3
    assert (outcome.lost, outcome.doubled) == (0, 0)


async def test_a_sync_start_is_never_begun_twice() -> None:
    """At most once, over kills and restarts."""
    outcome = await synchronous(3)

    assert outcome.answered > 3
    assert (outcome.lost, outcome.doubled) == (0, 0)
