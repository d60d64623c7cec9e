"""Handlers as they are written for AWS Lambda with Powertools: nothing here knows where it runs."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent, SQSRecord, event_source
from aws_lambda_powertools.utilities.typing import LambdaContext
from aws_lambda_powertools.utilities.validation import validator

logger = Logger(service="shop")
metrics = Metrics(namespace="shop", service="orders")
processor = BatchProcessor(event_type=EventType.SQS)

SCHEMA = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}


class CardDeclined(Exception):
    """The bank says no."""


@logger.inject_lambda_context(log_event=True, correlation_id_path="order", clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def charge(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Charge a card."""
    metrics.add_metric(name="charged", unit=MetricUnit.Count, value=1)
    if event.get("card") == "declined":
        logger.error("declined")
        raise CardDeclined("the card was declined")
    with single_metric(name="amount", unit=MetricUnit.Count, value=event["total"], namespace="shop") as metric:
        metric.add_dimension(name="function", value=context.function_name)
    logger.info("charged", extra={"left": context.get_remaining_time_in_millis()})
    return {"charge": f"ch-{event['order']}", "request": context.aws_request_id}


@event_source(data_class=EventBridgeEvent)
def told(event: EventBridgeEvent, context: LambdaContext) -> str:
    """What an event is about."""
    return f"{event.source}/{event.detail_type}: {event.detail['order']}"


def _one(record: SQSRecord) -> int:
    return len(record.json_body["order"])


def batch(event: dict[str, Any], context: LambdaContext) -> Any:
    """Messages of a queue, those that fail by their ids."""
    return process_partial_response(event=event, record_handler=_one, processor=processor, context=context)


@validator(inbound_schema=SCHEMA)
def checked(event: dict[str, Any], context: LambdaContext) -> float:
    """The total, of an event that has been checked."""
    return float(event["total"])
