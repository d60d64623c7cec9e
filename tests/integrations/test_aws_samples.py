"""The sample workflows over AWS services, as they are shipped, against moto's server with local functions."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from express.config import Aws, Config, load
from express.engine.effects import Finish
from express.integrations.aws import AwsCalls
from express.service.single_run import run_once
from express.values import JSON, loads
from tests.integrations.calling import CONTEXT, task
from tests.integrations.test_aws import _credentials, emulator

__all__ = ["_credentials", "emulator"]  # fixtures

FOLDER = Path(__file__).parents[2] / "config" / "aws"
ORDER = {
    "id": "o-1",
    "customer": "ada@example.org",
    "address": "Main Street 1",
    "card": "4242",
    "lines": [{"sku": "lamp", "quantity": 2, "price": 10.25}],
}
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/"


class Shop:
    """The workflows of the folder, and the services that they leave things in."""

    def __init__(self, config: Config, url: str) -> None:
        self._config = config
        self._services = AwsCalls(Aws(allow=["*:*"], region="us-east-1", endpoint_url=url))

    async def run(self, workflow: str, data: JSON) -> Finish:
        text = (FOLDER / f"{workflow}.asl.json").read_bytes()
        once = await run_once(workflow, text, data, self._config.function_table(), config=self._config)
        return once.finish

    async def ask(self, resource: str, **request: Any) -> Any:
        """What a service holds."""
        return await self._services.start(task(f"aws-sdk:{resource}", request), CONTEXT)

    async def queued(self, queue: str) -> list[JSON]:
        """Take what lies in a queue."""
        found = await self.ask("sqs:receiveMessage", QueueUrl=QUEUE + queue, MaxNumberOfMessages=10)
        return [loads(message["Body"]) for message in found.get("Messages", [])]

    async def order(self, id_: str) -> JSON:
        """An order as it is stored."""
        found = await self.ask("dynamodb:getItem", TableName="orders", Key={"id": {"S": id_}})
        return {member: next(iter(typed.values())) for member, typed in found.get("Item", {}).items()}

    async def object(self, key: str) -> JSON:
        """What is filed under a key."""
        return loads((await self.ask("s3:getObject", Bucket="archive", Key=key))["Body"])

    async def close(self) -> None:
        await self._services.close()


def _reset(url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()


@pytest.fixture
async def shop(emulator: str) -> AsyncIterator[Shop]:
    """Everything set up by the workflow that does it, from nothing."""
    await asyncio.to_thread(_reset, emulator)
    config = load([FOLDER / "express.toml"], environ={"AWS_ENDPOINT_URL": emulator}).config
    made = Shop(config, emulator)
    assert (await made.run("setup", {})).output == {"made": "ready"}
    yield made
    await made.close()


async def test_an_order_is_fulfilled(shop: Shop) -> None:
    """Stored once, charged, filed, queued, told; and the same order again changes nothing."""
    first, again = [await shop.run("orders", ORDER) for _ in range(2)]

    assert first.output["outcome"] == "FULFILLED"
    assert again.output == {"order": "o-1", "outcome": "KNOWN"}
    assert await shop.order("o-1") == {"id": "o-1", "total": "20.5", "status": "FULFILLED"}
    assert await shop.object("receipts/o-1.json") == {"order": "o-1", "charge": "ch-o-1", "amount": 20.5}
    assert await shop.queued("deliveries") == [{"order": "o-1", "address": "Main Street 1"}]


@pytest.mark.parametrize(
    ("change", "error", "status"),
    [
        ({"lines": []}, "OrderInvalid", {}),
        ({"card": "declined-1"}, "CardDeclined", {"id": "o-1", "total": "20.5", "status": "CANCELLED"}),
    ],
)
async def test_an_order_that_fails(shop: Shop, change: JSON, error: str, status: JSON) -> None:
    """What was stored is marked as cancelled; nothing is delivered."""
    finish = await shop.run("orders", {**ORDER, **change})

    assert finish.error == error
    assert await shop.order("o-1") == status
    assert await shop.queued("deliveries") == []


async def test_a_service_that_fails_late_is_made_good(shop: Shop) -> None:
    """Without its queue the order is refunded and cancelled, and fails with the service's own error."""
    await shop.ask("sqs:deleteQueue", QueueUrl=f"{QUEUE}deliveries")
    finish = await shop.run("orders", ORDER)

    assert finish.error in ("SQS.QueueDoesNotExistException", "SQS.AmazonSQSException")
    assert (await shop.order("o-1"))["status"] == "CANCELLED"


async def scanned(shop: Shop, id_: str, *pages: str) -> JSON:
    """A document whose pages lie in S3."""
    keys = [f"scans/{id_}/{number}" for number in range(len(pages))]
    for key, page in zip(keys, pages, strict=True):
        await shop.ask("s3:putObject", Bucket="archive", Key=key, Body=page)
    return {"id": id_, "pages": keys}


async def test_an_invoice_is_filed(shop: Shop) -> None:
    """Its pages come from S3, its digest goes into DynamoDB, and its text is filed under its kind."""
    document = await scanned(shop, "d-1", "Invoice total 120 due now", "VAT included")
    finish = await shop.run("documents", document)
    filed = await shop.object("invoice/d-1.json")

    assert finish.output == {"id": "d-1", "kind": "invoice", "outcome": "FILED", "pages": 2}
    assert [page["page"] for page in filed["text"]] == [0, 1]


async def test_doubtful_documents_go_to_review(shop: Shop) -> None:
    """A copy of one that is known under another id, and one of no kind: both queued, with the reasons."""
    await shop.run("documents", await scanned(shop, "d-1", "Invoice total vat"))
    copy = await shop.run("documents", await scanned(shop, "d-2", "Invoice total vat"))
    poem = await shop.run("documents", await scanned(shop, "d-3", "a poem about the sea"))
    replay = await shop.run("documents", await scanned(shop, "d-1", "Invoice total vat"))

    assert copy.output == {"id": "d-2", "kind": "invoice", "outcome": "REVIEW", "notes": ["complete", "seen before"]}
    assert (poem.output["outcome"], poem.output["notes"]) == ("REVIEW", ["unknown kind", "new"])
    assert replay.output["outcome"] == "FILED"
    assert sorted(message["id"] for message in await shop.queued("reviews")) == ["d-2", "d-3"]


async def test_a_page_that_is_missing_fails_the_document(shop: Shop) -> None:
    """S3's own error name ends the execution."""
    finish = await shop.run("documents", {"id": "d-9", "pages": ["scans/none"]})

    assert (finish.status, finish.error) == ("FAILED", "S3.NoSuchKeyException")
