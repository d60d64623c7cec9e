"""Workflow files of a server: what they call and nothing performs is told, not refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from express.config import Api
from express.service.api import ApiServer
from express.service.workflow_reload import LOOK_SECONDS, Watch, deploy_file
from express.values import dumps
from tests.integrations.calling import machine


async def test_what_nothing_performs_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file is deployed though its tasks can't be called, as on AWS; each is named with what would have to change."""
    file = tmp_path / "orders.asl.json"
    file.write_bytes(dumps(machine("sqs:sendMessage", Parameters={"QueueUrl": "q", "MessageBody": "m"})))
    server = ApiServer(Api(port=0, store=""), {})
    await server.start()
    try:
        arn, changed = await deploy_file(server.api, str(file))
    finally:
        await server.stop()

    assert (arn.endswith(":stateMachine:orders"), changed) == (True, True)
    assert "nothing here performs arn:aws:states:::sqs:sendMessage" in caplog.text


def test_a_save_is_seen_at_the_next_look(tmp_path: Path) -> None:
    """Once, and not while the file is away; a tenth of the second that a save may take is spent on waiting."""
    file = tmp_path / "a.asl.json"
    file.write_text("{}")
    watched = Watch({"a": file})

    assert watched.changed() == []
    file.write_text("{} ")
    assert (watched.changed(), watched.changed()) == (["a"], [])
    file.unlink()
    assert watched.changed() == []
    (tmp_path / "b").write_text("{}  ")
    (tmp_path / "b").rename(file)
    assert watched.changed() == ["a"]
    assert LOOK_SECONDS <= 0.1
