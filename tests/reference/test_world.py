"""The virtual time in which tiers are compared."""

from __future__ import annotations

import asyncio

from tests.reference.world import Loop


def test_timers_of_one_instant_go_off_in_the_order_in_which_they_were_set() -> None:
    """Whatever other timers there were: a comparison must not depend on the shape of a heap."""
    loop, seen = Loop(), list[int]()
    instant = loop.time() + 5

    async def main() -> None:
        for early in range(7):
            loop.call_at(loop.time() + early / 2, str)
        for number in range(20):
            loop.call_at(instant, seen.append, number)
        await asyncio.sleep(6)

    loop.run_until_complete(main())
    loop.close()

    assert seen == list(range(20))
