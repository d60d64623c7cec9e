"""`Fn::ForEach` of a template: members that are written once and made for each item of a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from express.deploy.nodes import Node, Weave

if TYPE_CHECKING:
    from express.deploy.cloudformation import Stack

LOOP = "Fn::ForEach::"
_REFERENCE = re.compile(r"[$&]\{([^{}]+)\}")


def expanded(stack: Stack, node: Node) -> dict[str, Node]:
    """The members of an object, with those that its loops make."""
    if not any(name.startswith("Fn::ForEach") for name in node.fields):
        return node.fields
    found: dict[str, Node] = {}
    for name, member in node.fields.items():
        if name.startswith(LOOP):
            found |= _made(stack, member)
        elif name.startswith("Fn::ForEach"):
            member.fail("a loop is named Fn::ForEach::NAME")
        else:
            found[name] = member
    return found


def _made(stack: Stack, loop: Node) -> dict[str, Node]:
    if len(loop.items) != 3 or loop.items[0].text is None or type(loop.items[2].members) is not dict:
        loop.fail("Fn::ForEach wants a name, a list and an object")
    name, written, body = loop.items
    collection = stack.resolve(written)
    if type(collection.members) is not list:
        if collection.unknown:
            return {}
        written.fail(f"Fn::ForEach wants a list, and this is {collection.kind}")
    found: dict[str, Node] = {}
    stack.budget.deeper(loop)
    for item in collection.items:
        value = stack.text(item).text or ""
        instance = _instance(stack, body, name.text or "", value)
        found |= expanded(stack, instance)
    stack.budget.depth -= 1
    return found


def _instance(stack: Stack, node: Node, name: str, value: str) -> Node:
    """A copy in which the loop's name is the item's value."""
    stack.budget.take(node)
    if node.text is not None:
        return _filled(stack, node, name, value)
    if node.members is None:
        return node
    stack.budget.deeper(node)
    if type(node.members) is list:
        made = node.holding([_instance(stack, item, name, value) for item in node.items])
    elif list(node.fields) == ["Ref"] and node.fields["Ref"].text == name:
        made = node.like(value)
    else:
        fields = {}
        for key, item in node.fields.items():
            filled = _REFERENCE.sub(lambda match: _put(match, name, value), key)
            fields[filled] = _instance(stack, item, name, value).named(item.key)
        made = node.holding(fields)
    stack.budget.depth -= 1
    return made


def _filled(stack: Stack, node: Node, name: str, value: str) -> Node:
    text = node.text or ""
    if f"{{{name}}}" not in text:
        return node
    weave, at = Weave(stack.budget, node), 0
    for match in _REFERENCE.finditer(text):
        weave.cut(node, at, match.start())
        weave.put(_put(match, name, value), node, match.start())
        at = match.end()
    weave.cut(node, at, len(text))
    return weave.node()


def _put(match: re.Match[str], name: str, value: str) -> str:
    """The item's value; behind `&` letters and digits alone, as a logical id has them."""
    if match[1] != name:
        return match[0]
    return re.sub(r"[^0-9A-Za-z]", "", value) if match[0][0] == "&" else value
