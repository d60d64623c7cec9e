"""The example of devbroker.md: a broker on the event loop of the caller."""

from __future__ import annotations

from typing import Any

from tests.docs.blocks import blocks
from tests.docs.tables import PAGES


async def test_the_example_writes_a_record() -> None:
    """A client of the broker in the same process gets its record acknowledged."""
    (example,) = (block.text for block in blocks(PAGES / "devbroker.md") if block.language == "python")
    module: dict[str, Any] = {}
    exec(example, module)  # noqa: S102 # the page's own code

    assert await module["main"]() == ("readings", 0)
