"""The order fulfilment workflow's functions. What an order is to fail at stands in its `trouble`."""

from __future__ import annotations

from typing import Any

LARGEST_ORDER = 10_000


class OrderInvalid(Exception):
    """An order that nobody could fulfil."""


class CardDeclined(Exception):
    """The bank says no; asking again would not help."""


class GatewayUnavailable(Exception):
    """The payment service does not answer; it may later."""


class OutOfStock(Exception):
    """The warehouse has too few."""


class AddressUnknown(Exception):
    """No carrier delivers there."""


def validate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The order with its total; refuses empty and absurd ones."""
    lines = event.get("lines") or []
    if not lines:
        raise OrderInvalid("an order needs at least one line")
    total = sum(line["price"] * line["quantity"] for line in lines)
    if not 0 < total <= LARGEST_ORDER:
        raise OrderInvalid(f"a total of {total:.2f} is out of range")
    return {"id": event["id"], "total": round(total, 2), "lines": lines}


def charge(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Charge the card once per reference."""
    if event["card"].startswith("declined"):
        raise CardDeclined(f"card {event['card']} was declined")
    if event["card"].startswith("offline"):
        raise GatewayUnavailable("the gateway does not answer")
    return {"id": f"ch-{event['order']}", "amount": event["amount"]}


def refund(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Give the money back."""
    return {"id": f"rf-{event['charge']}", "amount": event["amount"]}


def reserve(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Put the goods aside."""
    missing = [line["sku"] for line in event["lines"] if line["sku"].startswith("gone-")]
    if missing:
        raise OutOfStock(", ".join(missing))
    return {"id": f"rs-{event['id']}"}


def release(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Put the goods back."""
    return {"released": event["reservation"]}


def confirm(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Number the order."""
    return {"number": f"cf-{event['order']}"}


async def notify(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Tell the customer."""
    return {"channel": "mail" if "@" in event["customer"] else "letter"}


def schedule(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Find a day for the delivery."""
    if event["address"].startswith("nowhere"):
        raise AddressUnknown(event["address"])
    return {"date": "2030-01-02", "carrier": "van"}
