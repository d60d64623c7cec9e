"""The sample handlers behind a service that is away for the first few calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from express.docs.samples import documents, iot, orders

failures: Counter[str] = Counter()
"""How many more calls of each handler fail."""


class ModelUnavailable(Exception):
    pass


class ReaderBusy(Exception):
    pass


def _flaky(name: str, handler: Callable[..., Any], error: type[Exception] = ModelUnavailable) -> Callable[..., Any]:
    def call(event: Any, context: Any) -> Any:
        if failures[name] > 0:
            failures[name] -= 1
            raise error("not now")
        return handler(event, context)

    return call


HANDLERS = ["score", "charge_card", "notify_customer", "release_stock", "refund_card", "read_page"]
HANDLERS += ["classify_document", "discard_text"]

score = _flaky("score", iot.score)
charge_card = _flaky("charge_card", orders.charge, orders.GatewayUnavailable)
notify_customer = _flaky("notify_customer", orders.notify)
release_stock = _flaky("release_stock", orders.release)
refund_card = _flaky("refund_card", orders.refund)
read_page = _flaky("read_page", documents.read_page, ReaderBusy)
classify_document = _flaky("classify_document", documents.classify)
discard_text = _flaky("discard_text", documents.discard)
