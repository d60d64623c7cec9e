"""The `Conditions` of a template: true, false, or the names that decide and are unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from express.deploy.nodes import Node, as_text

if TYPE_CHECKING:
    from express.deploy.cloudformation import Stack

Truth = bool | frozenset[str]
"""The value of a condition, or the unknown names that it hangs on."""

_GIVEN = {"true": True, "false": False}


class Conditions:
    """The conditions of a template by name, each worked out once."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        section = stack.template.fields.get("Conditions")
        self._conditions = section.fields if section is not None else {}
        self._known: dict[str, Truth] = {}
        self._open: list[str] = []

    def begin(self) -> None:
        """Start anew with what is known, after a condition that could not be read."""
        self._open.clear()

    def holds(self, name: Node) -> Truth:
        """Return whether the condition that a text names holds."""
        text = name.text or ""
        if text in self._stack.given and self._stack.given[text].lower() in _GIVEN:
            return _GIVEN[self._stack.given[text].lower()]
        if text not in self._conditions:
            return frozenset((text,))
        if text in self._open:
            name.fail(f"the condition {text} depends on itself")
        if text not in self._known:
            self._open.append(text)
            self._known[text] = self._judge(self._conditions[text])
            self._open.pop()
        return self._known[text]

    def _judge(self, node: Node) -> Truth:
        stack = self._stack
        stack.budget.take(node)
        stack.budget.deeper(node)
        found = self._function(node)
        stack.budget.depth -= 1
        return found

    def _function(self, node: Node) -> Truth:
        if type(node.value) is bool:
            return node.value
        ((function, argument),) = node.fields.items() if len(node.fields) == 1 else (("", node),)
        if function == "Condition":
            return self.holds(argument)
        if function == "Fn::Equals" and len(argument.items) == 2:
            left, right = (self._stack.resolve(item) for item in argument.items)
            return left.unknown | right.unknown or _same(left, right)
        if function == "Fn::Not" and len(argument.items) == 1:
            inner = self._judge(argument.items[0])
            return not inner if isinstance(inner, bool) else inner
        if function in ("Fn::And", "Fn::Or") and argument.items:
            return _either([self._judge(item) for item in argument.items], stops=function == "Fn::Or")
        return node.fail("a condition is Fn::Equals, Fn::Not, Fn::And, Fn::Or or Condition")


def _same(left: Node, right: Node) -> bool:
    if left.members is not None or right.members is not None:
        return bool(left.plain() == right.plain())
    return as_text(left.value) == as_text(right.value)


def _either(values: list[Truth], *, stops: bool) -> Truth:
    """Of an Or (`stops` True) or an And: one that stops decides, an unknown one leaves the rest open."""
    if stops in values:
        return stops
    unknown = [value for value in values if not isinstance(value, bool)]
    return frozenset().union(*unknown) if unknown else not stops
