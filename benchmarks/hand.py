"""The workloads as a careful Python programmer writes them by hand: the yardstick of every ratio.

Each function does what the definition of the same name does and nothing else: no engine, no history, no limits.
Tasks are local coroutines, awaited where the definition has a Task.
"""

from __future__ import annotations

from typing import Any

JSON = Any


class Transient(Exception):
    """What the flaky task raises on two calls of three."""


class Boom(Exception):
    """What the bad task always raises."""


async def score(payload: JSON) -> JSON:
    """The task of w2: a level from a value."""
    return {"level": payload["value"] / 100, "model": "m1"}


class Flaky:
    """The first task of w5: two calls of three fail."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, payload: JSON) -> JSON:
        """Fail twice, then answer."""
        self.calls += 1
        if self.calls % 3:
            raise Transient("try again")
        return {"ok": 1}


async def bad(payload: JSON) -> JSON:
    """The second task of w5."""
    raise Boom("never")


def w1(event: JSON) -> JSON:
    """Ten steps that each add an object."""
    data = {**event}
    for step in range(1, 11):
        data[f"s{step}"] = {"step": step, "id": data["id"], "n": data["n"]}
    return data


async def w2(event: JSON, task: Any = score) -> JSON:
    """Classify, enrich, score, route, alert."""
    kind = event["type"]
    value = event["value"]
    if kind == "humidity" and value > 90:
        return event
    if not (kind == "temperature" and (value > 80 or event["battery"] < 10)):
        return event
    message = f"device {event['deviceId']} reported {value} {event['unit']}"
    labels = {**event["attrs"], **event["site"]}
    result = await task({"deviceId": event["deviceId"], "value": value})
    level = result["level"]
    if level >= 0.8:
        return {"id": event["id"], "message": message, "labels": labels, "level": level, "severity": "high"}
    return {**event, "enriched": {"message": message, "labels": labels}, "score": {"level": level}}


def w3(event: JSON) -> JSON:
    """Each of fifty items reshaped and marked."""
    out = []
    for item in event["items"]:
        shaped = {"id": item["id"], "v": item["v"], "kind": "item"}
        if shaped["v"] <= 1_000_000:
            shaped["status"] = "ok"
        out.append(shaped)
    return {**event, "out": out}


def w4(event: JSON) -> JSON:
    """Four branches over one input."""
    n = event["n"]
    return {**event, "p": [{"x": {"b": b, "n": n}, "y": {"ok": True}} for b in range(4)]}


async def w5(event: JSON, flaky: Any) -> JSON:
    """A retried call, then a caught one."""
    for attempt in range(4):
        try:
            r = await flaky(event)
            break
        except Transient:
            if attempt == 3:
                raise
    data = {**event, "r": r}
    try:
        return await bad(data)
    except Boom as error:
        caught = {"Error": "Boom", "Cause": str(error)}
        return {"id": data["id"], "err": caught["Error"], "r": data["r"]}


def w1j(event: JSON) -> JSON:
    """Ten steps that each count up."""
    data = event
    for step in range(1, 11):
        n = data["n"] + 1
        data = {"step": step, "id": data["id"], "n": n}
    return data


async def w2j(event: JSON, task: Any = score) -> JSON:
    """w2 as its JSONata definition has it."""
    kind = event["type"]
    value = event["value"]
    if kind == "humidity" and value > 90:
        return event
    if not (kind == "temperature" and (value > 80 or event["battery"] < 10)):
        return event
    message = f"device {event['deviceId']} reported {value} {event['unit']}"
    labels = {**event["attrs"], **event["site"]}
    result = await task({"deviceId": event["deviceId"], "value": value})
    data = {"level": result["level"]}
    if data["level"] >= 0.8:
        return {
            "id": event["id"],
            "message": message,
            "labels": labels,
            "level": data["level"],
            "severity": "high",
        }
    return data
