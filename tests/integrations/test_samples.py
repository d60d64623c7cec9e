"""The sample workflows, as they are shipped: success, failure, retry and compensation of each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from express.compiler import compile_definition
from express.config import Function, load
from express.docs.samples import shipped
from tests.integrations import unreliable
from tests.integrations.machine import Ran, run, workflow

FUNCTIONS = load([shipped("express.toml")], environ={}).config.function_table()

READING = {
    "id": "r-1",
    "kind": "reading",
    "device": "sensor-7",
    "temperature": 85.5,
    "humidity": 40,
    "battery": 60,
    "faults": [],
    "gps": {"lat": 1.5, "lon": 2.5},
    "site": {"name": "plant-4", "zone": "north"},
    "firmware": {"version": "3.1"},
}
ORDER = {
    "id": "o-1",
    "customer": "ada@example.org",
    "address": "Main Street 1",
    "card": "4242",
    "lines": [{"sku": "lamp", "quantity": 2, "price": 10.25}],
}
INVOICE = {"id": "d-1", "pages": ["Invoice total 120 due now", "VAT included"]}

Run = Callable[..., Ran]


@pytest.fixture
def unreliable_functions() -> dict[str, Function]:
    """The shipped functions with some replaced by ones that fail a few times first."""
    unreliable.failures.clear()
    return {
        **FUNCTIONS,
        **{
            name.replace("_", "-"): Function(handler=f"tests.integrations.unreliable:{name}", mode="inline")
            for name in unreliable.HANDLERS
        },
    }


def iot(change: dict[str, Any] | None = None, functions: dict[str, Function] = FUNCTIONS) -> Ran:
    return run(compile_definition(workflow("iot-routing")), {**READING, **(change or {})}, functions)


def order(change: dict[str, Any] | None = None, functions: dict[str, Function] = FUNCTIONS) -> Ran:
    data = {**copy.deepcopy(ORDER), **(change or {})}
    return run(compile_definition(workflow("order-fulfilment")), data, functions)


def document(change: dict[str, Any] | None = None, functions: dict[str, Function] = FUNCTIONS) -> Ran:
    return run(compile_definition(workflow("document-processing")), {**INVOICE, **(change or {})}, functions)


# IoT routing -------------------------------------------------------------------------------------------


def test_a_hot_reading_is_an_alert() -> None:
    """A reading that scores high ends as an alert, with labels of its site and firmware."""
    ran = iot()

    assert ran.finish.status == "SUCCEEDED"
    assert ran.finish.output == {
        "id": "r-1",
        "device": "sensor-7",
        "severity": "high",
        "level": 0.855,
        "reason": "temperature",
        "message": "sensor-7 in plant-4 reads 85.5 °C at 40 % humidity",
        "labels": {"name": "plant-4", "zone": "north", "version": "3.1"},
        "position": {"lat": 1.5, "lon": 2.5},
    }


@pytest.mark.parametrize(
    ("change", "calls", "score"),
    [
        ({"temperature": 21}, [], None),
        ({"kind": "heartbeat"}, [], None),
        ({"temperature": 50}, ["Score"], {"level": 0.5, "reason": "temperature"}),
        ({"temperature": 21, "faults": ["E-TILT"]}, ["Score"], {"level": 0.6, "reason": "E-TILT"}),
    ],
)
def test_other_readings_are_kept(change: dict[str, Any], calls: list[str], score: Any) -> None:
    """What is normal, or scores low, passes through as it is, scored only where there was reason to."""
    ran = iot(change)

    assert (ran.finish.status, ran.calls) == ("SUCCEEDED", calls)
    assert ran.finish.output.get("score") == score


def test_an_impossible_reading_fails() -> None:
    """What no sensor can report is a failure with the handler's own error name."""
    ran = iot({"temperature": 999})

    assert (ran.finish.status, ran.finish.error) == ("FAILED", "ReadingImpossible")


def test_scoring_is_retried(unreliable_functions: dict[str, Function]) -> None:
    """A model that is away for a moment is asked again."""
    unreliable.failures["score"] = 2
    ran = iot(functions=unreliable_functions)

    assert (ran.finish.output["severity"], ran.calls) == ("high", ["Score"] * 3)


def test_readings_survive_without_a_score(unreliable_functions: dict[str, Function]) -> None:
    """A model that stays away costs the score, not the reading."""
    unreliable.failures["score"] = 99
    ran = iot(functions=unreliable_functions)

    assert (ran.finish.status, ran.calls) == ("SUCCEEDED", ["Score"] * 3)
    assert ran.finish.output["unscored"]["Error"] == "ModelUnavailable"


# Order fulfilment --------------------------------------------------------------------------------------

FORWARD = ["Validate", "Charge", "Reserve", "Confirm", "Notify", "Schedule"]


def test_an_order_is_fulfilled() -> None:
    """The straight way: every step once, confirmation and notice side by side."""
    ran = order()

    assert ran.calls == FORWARD
    assert ran.finish.output == {
        "order": "o-1",
        "total": 20.5,
        "charge": "ch-o-1",
        "confirmation": "cf-o-1",
        "delivery": "2030-01-02",
    }


@pytest.mark.parametrize(
    ("change", "error", "calls"),
    [
        ({"lines": []}, "OrderInvalid", ["Validate"]),
        ({"card": "declined-1"}, "CardDeclined", ["Validate", "Charge"]),
        ({"card": "offline-1"}, "GatewayUnavailable", ["Validate"] + ["Charge"] * 4),
    ],
)
def test_nothing_to_undo(change: dict[str, Any], error: str, calls: list[str]) -> None:
    """An order that fails before money moved fails at once; only what may pass is retried."""
    ran = order(change)

    assert (ran.finish.status, ran.finish.error, ran.calls) == ("FAILED", error, calls)


@pytest.mark.parametrize(
    ("change", "error", "undone"),
    [
        ({"lines": [{"sku": "gone-1", "quantity": 1, "price": 5}]}, "OutOfStock", ["Refund"]),
        ({"address": "nowhere"}, "AddressUnknown", ["Release", "Refund"]),
    ],
)
def test_what_was_done_is_undone(change: dict[str, Any], error: str, undone: list[str]) -> None:
    """A failure after the charge releases and refunds what there is, and ends with the failure's own name."""
    ran = order(change)

    assert (ran.finish.status, ran.finish.error) == ("FAILED", error)
    assert ran.calls[-len(undone) :] == undone
    assert ran.calls.count("Refund") == 1


def test_charging_is_retried(unreliable_functions: dict[str, Function]) -> None:
    """A gateway that comes back charges once and the order goes on; waiting is jittered and bounded."""
    unreliable.failures["charge_card"] = 3
    ran = order(functions=unreliable_functions)

    assert ran.finish.status == "SUCCEEDED"
    assert ran.calls.count("Charge") == 4
    assert 0 < ran.seconds <= 1 + 2 + 4


def test_compensation_is_retried_until_it_holds(unreliable_functions: dict[str, Function]) -> None:
    """Undoing does not give up at the first obstacle."""
    unreliable.failures.update(notify_customer=99, release_stock=2, refund_card=1)
    ran = order(functions=unreliable_functions)

    assert (ran.finish.status, ran.finish.error) == ("FAILED", "ModelUnavailable")
    assert ran.calls[-5:] == ["Release"] * 3 + ["Refund"] * 2


# Document processing -----------------------------------------------------------------------------------


def test_an_invoice_is_filed() -> None:
    """Pages are read one by one, then the document is classified, checked three ways and filed."""
    ran = document()

    assert ran.finish.output == {"id": "d-1", "kind": "invoice", "outcome": "FILED", "pages": 2}
    assert ran.calls == ["Read page"] * 2 + ["Classify", "Complete?", "Plausible?", "New?"]


@pytest.mark.parametrize(
    "change",
    [
        {"pages": ["a poem about the sea"]},
        {"pages": ["invoice vat due"]},
        {"pages": ["invoice total vat 99999999"]},
        {"id": "d-1-copy"},
    ],
)
def test_doubtful_documents_go_to_review(change: dict[str, Any]) -> None:
    """An unknown kind, or one failed check, and somebody has to look."""
    assert document(change).finish.output["outcome"] == "REVIEW"


def test_an_unreadable_page_fails_the_document() -> None:
    """A page without text fails the whole document, and what was read of it is discarded."""
    ran = document({"pages": ["Invoice total", "   ", "vat"]})

    assert (ran.finish.status, ran.finish.error) == ("FAILED", "PageUnreadable")
    assert ran.calls[-1] == "Discard"
    assert "Classify" not in ran.calls


def test_pages_and_undoing_are_retried(unreliable_functions: dict[str, Function]) -> None:
    """A busy reader is asked again; a check that breaks discards the text, as often as it takes."""
    unreliable.failures.update(read_page=2)
    assert document(functions=unreliable_functions).finish.output["outcome"] == "FILED"

    unreliable.failures.update(classify_document=99, discard_text=3)
    ran = document(functions=unreliable_functions)
    assert (ran.finish.error, ran.calls[-4:]) == ("ModelUnavailable", ["Discard"] * 4)
