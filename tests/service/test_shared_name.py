"""Two parents with one `group_instance_id`: one of them ends and says why, and no record runs for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.service.kit import DOUBLE, Lab, until


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
async def test_the_one_whose_name_another_one_takes_ends(devbroker_process: str, tmp_path: Path, delivery: str) -> None:
    """The first service exits with 104 and a sentence; the second one goes on, and has every record done."""
    lab = Lab(devbroker_process, tmp_path, DOUBLE)
    await lab.prepare()
    settings = [f"pipelines.0.delivery={delivery}", "kafka.client.group_instance_id=same"]
    records = [b'{"n": %d}' % n for n in range(50)]
    async with lab.service(1, *settings) as first:
        assert await first.ready(PATIENCE), lab.logs
        await lab.produce(records)
        async with lab.service(1, *settings) as second:
            assert await second.ready(PATIENCE), lab.logs
            await until(lambda: first.supervisor.stopping)
            await lab.produce(records)
            await lab.complete()
        assert lab.exit_code == 0, lab.logs
    found = await lab.count()
    assert lab.exit_code == 104, lab.logs
    assert [line for line in lab.logs if "'same-0' and taken this one's place (FENCED_INSTANCE_ID)" in line]
    assert found.found == 100
    assert found.duplicates == 0 if delivery == "exactly_once" else found.duplicates <= 50
