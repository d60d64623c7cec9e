"""The reference of the configuration, made of its model."""

from __future__ import annotations

from typing import Any

from express.config.schema import keys, schema


def table(section: str) -> str:
    """Return the keys of a section as a Markdown table: name, type, default, meaning."""
    made = schema()["$defs"]
    rows = [key for key in keys() if key.name == section or key.name.startswith(f"{section}.")]
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in rows:
        field = made[key.owner]["properties"][key.name.rpartition(".")[2]]
        default = f"`{key.default}`" if key.default not in ("required", "unset") else key.default
        lines.append(f"| `{key.name}` | {_type(field)} | {default} | {field['description']} |")
    return "\n".join(lines) + "\n"


def _type(field: dict[str, Any]) -> str:
    """Return what a value has to be, in words."""
    if "$ref" in field:
        return "table"
    if "enum" in field:
        return "`" + "`, `".join(str(value) for value in field["enum"]) + "`"
    if "anyOf" in field:
        inner = [member for member in field["anyOf"] if member.get("type") != "null"]
        return "size" if len(inner) == 2 and "kKMG" in str(inner) else " or ".join(map(_type, inner))
    simple = {"boolean": "true or false", "integer": "whole number", "number": "number"}
    if field["type"] == "array":
        return f"list of {_plural(_type(field['items']))}"
    if field["type"] == "object":
        return (
            f"table of {_plural(_type(field['additionalProperties']))}" if "additionalProperties" in field else "table"
        )
    if field["type"] == "string":
        return "duration" if "(ms|s|m|h)" in field.get("pattern", "") else "text"
    return simple[field["type"]] + _range(field)


def _plural(type_: str) -> str:
    return {"text": "texts", "table": "tables", "text or table": "texts or tables"}.get(type_, type_)


def _range(field: dict[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if high is not None:
        return f", {low} to {high}"
    if "exclusiveMinimum" in field:
        return f" above {field['exclusiveMinimum']}"
    return f", at least {low}" if low else ""
