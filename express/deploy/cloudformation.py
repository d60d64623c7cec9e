"""CloudFormation's functions, worked out without a stack: what `Ref`, `Fn::GetAtt`, `Fn::Sub` and others come to here.

Names that only AWS could give (the name of a bucket made by a stack) are made as CloudFormation would be told to make
them: the name in the properties, or else the logical id. What can't be known is collected rather than guessed, so
that everything missing is told at once; a value from outside (`-s NAME=VALUE`) goes before everything here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping

from express.deploy.conditions import Conditions
from express.deploy.loops import expanded
from express.deploy.nodes import NOTHING, Budget, Node, Weave, as_text
from express.deploy.resources import Resources
from express.values import JSON, text

REGION, ACCOUNT = "us-east-1", "123456789012"
_VARIABLE = re.compile(r"\$\{([^{}]+)\}")
_DYNAMIC = re.compile(r"\{\{(resolve:[^{}]+)\}\}")


class Stack:
    """A template whose functions are worked out. What stays unknown is in `unknown` of the values it makes."""

    def __init__(self, template: Node, given: Mapping[str, str], budget: Budget, *, second: bool = False) -> None:
        """`second`: of an Fn::If over an unknown condition its second value is looked at, not its first."""
        self._second = second
        self.given = given
        self.budget = budget
        self.template = template
        self.region, self.account = given.get("AWS::Region", REGION), given.get("AWS::AccountId", ACCOUNT)
        parameters = template.fields.get("Parameters")
        self._parameters = parameters.fields if parameters is not None else {}
        self._mappings = template.fields.get("Mappings")
        self._pseudo: dict[str, JSON] = {
            "AWS::Region": self.region,
            "AWS::AccountId": self.account,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": "express",
            "AWS::StackId": f"arn:aws:cloudformation:{self.region}:{self.account}:stack/express/express",
            "AWS::NotificationARNs": [],
        }
        self.conditions = Conditions(self)
        self.resources = Resources(self)

    def begin(self) -> None:
        """Start with another machine, whatever became of the last."""
        self.budget.depth = 0
        self.conditions.begin()
        self.resources.begin()

    def resolve(self, node: Node) -> Node:
        """A value of a template with every function in it worked out; NOTHING for `AWS::NoValue`."""
        self.budget.read(node)
        if node.members is None:
            return self._dynamic(node)
        self.budget.deeper(node)
        found = self._structure(node)
        self.budget.depth -= 1
        return found

    def _structure(self, node: Node) -> Node:
        if type(node.members) is list:
            return node.holding([item for item in map(self.resolve, node.items) if item is not NOTHING])
        if len(node.members or ()) == 1:
            ((name, argument),) = node.fields.items()
            work = FUNCTIONS.get(name)
            if work is not None:
                return work(self, node, argument)
            if name.startswith("Fn::") and not name.startswith("Fn::ForEach"):
                return self.unknown(node, name)
        found = {}
        for name, item in expanded(self, node).items():
            value = self.resolve(item)
            if value is not NOTHING:
                found[name] = value.named(item.key)
        return node.holding(found)

    def whole(self, node: Node) -> Node | None:
        """A property, worked out; None for `AWS::NoValue`."""
        found = self.resolve(node)
        return None if found is NOTHING else found

    def text(self, node: Node) -> Node:
        """A value where a text has to stand."""
        found = self.resolve(node)
        if found is NOTHING:
            node.fail("AWS::NoValue can't stand in a text")
        if found.members is not None:
            node.fail(f"{found.kind} can't stand in a text")
        return found if found.text is not None else found.like(as_text(found.value), found.unknown)

    def unknown(self, node: Node, name: str) -> Node:
        """A value that is not known here: a placeholder, by the name under which it can be given."""
        if name in self.given:
            return node.like(self.given[name])
        return node.like(f"${{{name}}}", frozenset((name,)))

    def _dynamic(self, node: Node) -> Node:
        """A text without `{{resolve:…}}`: parameters and secrets of an account, which have to be given."""
        if node.text is None or "{{resolve:" not in node.text:
            return node
        weave, at = Weave(self.budget, node), 0
        for match in _DYNAMIC.finditer(node.text):
            weave.cut(node, at, match.start())
            value = self.unknown(node, match[1])
            weave.put(as_text(value.value), node, match.start(), value.unknown)
            at = match.end()
        weave.cut(node, at, len(node.text))
        return weave.node()

    # references

    def ref(self, node: Node, argument: Node) -> Node:
        """`Ref`: a parameter, a pseudo parameter or a resource."""
        if argument.text is None:
            argument.fail("Ref wants the name of a parameter or a resource")
        return self.named(node, argument.text)

    def named(self, node: Node, name: str) -> Node:
        """Return what `Ref` gives for a name."""
        if name in self._parameters:
            return self._parameter(node, name, self._parameters[name])
        if name in self.given:
            return node.like(self.given[name])
        if name == "AWS::NoValue":
            return NOTHING
        if name in self._pseudo:
            value = self._pseudo[name]
            return node.holding([]) if value == [] else node.like(value)
        return self.resources.ref(node, name)

    def _parameter(self, node: Node, name: str, parameter: Node) -> Node:
        """A parameter's value: a text, and a list for the types of lists."""
        kind = parameter.fields["Type"].text or "" if "Type" in parameter.fields else ""
        default = parameter.fields.get("Default")
        if name in self.given:
            value = self.given[name]
        elif default is None or default.members is not None or kind.startswith("AWS::SSM::Parameter::Value<"):
            return self.unknown(node, name)
        else:
            value = as_text(default.value)
        self.budget.take(node, value.count(",") + 1, len(value))
        if "CommaDelimitedList" in kind or "List<" in kind:
            return node.holding([node.like(item.strip()) for item in value.split(",")] if value.strip() else [])
        return node.like(value)

    def attribute(self, node: Node, argument: Node) -> Node:
        """`Fn::GetAtt`, as a list or with a dot."""
        if argument.text is not None:
            name, _, attribute = argument.text.partition(".")
        elif len(argument.items) == 2 and argument.items[0].text is not None:
            inner = self.text(argument.items[1])
            name, attribute = argument.items[0].text, inner.text or ""
        else:
            argument.fail("Fn::GetAtt wants a resource and an attribute")
        return self.attribute_of(node, name, attribute)

    def attribute_of(self, node: Node, name: str, attribute: str) -> Node:
        """Return what `Fn::GetAtt` gives for a name and an attribute."""
        dotted = f"{name}.{attribute}"
        return (
            node.like(self.given[dotted]) if dotted in self.given else self.resources.attribute(node, name, attribute)
        )

    # texts

    def sub(self, node: Node, argument: Node) -> Node:
        """`Fn::Sub`: `${Name}`, `${Name.Attribute}`, own variables first; `${!Literal}` stays as `${Literal}`."""
        pattern, own = argument, {}
        if argument.members is not None:
            if len(argument.items) != 2 or type(argument.items[1].members) is not dict:
                argument.fail("Fn::Sub wants a text, or a text and an object")
            pattern, own = argument.items[0], argument.items[1].fields
        if pattern.text is None:
            pattern.fail("Fn::Sub wants a text")
        return self.woven(pattern, _VARIABLE, lambda name: self._variable(pattern, name.strip(), own))

    def woven(self, pattern: Node, form: re.Pattern[str], value: Callable[[str], Node | str | None]) -> Node:
        """A text with every match of `form` replaced by the value of its name; where that is None, it stays."""
        source = pattern.text or ""
        weave, at = Weave(self.budget, pattern), 0
        for match in form.finditer(source):
            found = value(match[1])
            if found is None:
                continue
            weave.cut(pattern, at, match.start())
            if isinstance(found, str):
                weave.put(found, pattern, match.start())
            else:
                weave.put(as_text(found.value), pattern, match.start(), found.unknown)
            at = match.end()
        weave.cut(pattern, at, len(source))
        return weave.node()

    def _variable(self, node: Node, name: str, own: Mapping[str, Node]) -> Node | str:
        if name.startswith("!"):
            return f"${{{name[1:]}}}"
        if name in own:
            return self.text(own[name])
        found = self.reference(node, name)
        if found is NOTHING or found.members is not None:
            node.fail(f"${{{name}}} is {'nothing' if found is NOTHING else found.kind}, which can't stand in a text")
        return found

    def reference(self, node: Node, name: str) -> Node:
        """A name as `Fn::Sub` has it: of a parameter or resource, or with an attribute behind a dot."""
        first, dot, attribute = name.partition(".")
        if not dot or name in self.given or self.resources.is_generated(name):
            return self.named(node, name)
        return self.attribute_of(node, first, attribute)

    def join(self, node: Node, argument: Node) -> Node:
        """`Fn::Join`."""
        if len(argument.items) != 2 or argument.items[0].text is None:
            argument.fail("Fn::Join wants a text and a list")
        separator, parts = argument.items[0], self.resolve(argument.items[1])
        if parts.unknown and parts.members is None:
            return parts
        if type(parts.members) is not list:
            argument.items[1].fail(f"Fn::Join wants a list, and this is {parts.kind}")
        weave = Weave(self.budget, node)
        for index, part in enumerate(parts.items):
            if index:
                weave.put(separator.text or "", separator, 0)
            if part.members is not None:
                part.fail(f"{part.kind} can't be joined")
            made = part if part.text is not None else part.like(as_text(part.value), part.unknown)
            weave.cut(made, 0, len(made.text or ""))
        return weave.node()

    def split(self, node: Node, argument: Node) -> Node:
        """`Fn::Split`."""
        if len(argument.items) != 2 or not argument.items[0].text:
            argument.fail("Fn::Split wants a text to split at, and a text")
        separator, source = argument.items[0].text or "", self.text(argument.items[1])
        if source.unknown:
            return source
        self.budget.take(node, (source.text or "").count(separator) + 1, len(source.text or ""))
        return node.holding([node.like(part) for part in (source.text or "").split(separator)])

    def base64(self, node: Node, argument: Node) -> Node:
        """`Fn::Base64`."""
        made = self.text(argument)
        return made if made.unknown else node.like(base64.b64encode((made.text or "").encode()).decode())

    def json(self, node: Node, argument: Node) -> Node:
        """`Fn::ToJsonString`."""
        made = self.resolve(argument)
        written = text(made.plain())
        self.budget.take(node, characters=len(written))
        return node.like(written, made.unknown)

    # lists, maps, conditions

    def select(self, node: Node, argument: Node) -> Node:
        """`Fn::Select`."""
        if len(argument.items) != 2:
            argument.fail("Fn::Select wants a number and a list")
        index, items = self.text(argument.items[0]), self.resolve(argument.items[1])
        if index.unknown or (items.unknown and items.members is None):
            return index if index.unknown else items
        number = index.text or ""
        if type(items.members) is not list:
            argument.items[1].fail(f"Fn::Select wants a list, and this is {items.kind}")
        if not (number.isascii() and number.isdigit() and len(number) < 9 and int(number) < len(items.items)):
            argument.items[0].fail(f"there is no item {number[:40]} of {len(items.items)}")
        return items.items[int(number)]

    def find(self, node: Node, argument: Node) -> Node:
        """`Fn::FindInMap`, with a `DefaultValue` too."""
        keys = [self.text(item) for item in argument.items[:3]]
        if len(keys) != 3:
            argument.fail("Fn::FindInMap wants a map and two keys")
        names = [key.text or "" for key in keys]
        found = self._mappings
        for name in names:
            found = found.fields.get(name) if found is not None else None
        if found is not None:
            return self.resolve(found)
        more = argument.items[3].fields.get("DefaultValue") if len(argument.items) > 3 else None
        return self.resolve(more) if more is not None else self.unknown(node, f"Fn::FindInMap {'.'.join(names)}")

    def choose(self, node: Node, argument: Node) -> Node:
        """`Fn::If`."""
        if len(argument.items) != 3 or argument.items[0].text is None:
            argument.fail("Fn::If wants a condition and two values")
        name, yes, no = argument.items
        holds = self.conditions.holds(name)
        if isinstance(holds, bool):
            return self.resolve(yes if holds else no)
        found = self.resolve(no if self._second else yes)
        if found is NOTHING or found.members is None:
            return node.like(f"${{{name.text}}}", holds)
        assumed = found.named(found.key)
        assumed.unknown |= holds
        return assumed

    def length(self, node: Node, argument: Node) -> Node:
        """`Fn::Length`."""
        items = self.resolve(argument)
        if items.unknown and items.members is None:
            return items
        if type(items.members) is not list:
            argument.fail(f"Fn::Length wants a list, and this is {items.kind}")
        return node.like(len(items.items))

    def imported(self, node: Node, argument: Node) -> Node:
        """`Fn::ImportValue`: another stack's, so it has to be given."""
        return self.unknown(node, self.text(argument).text or "")


FUNCTIONS: dict[str, Callable[[Stack, Node, Node], Node]] = {
    "Ref": Stack.ref,
    "Fn::GetAtt": Stack.attribute,
    "Fn::Sub": Stack.sub,
    "Fn::Join": Stack.join,
    "Fn::Select": Stack.select,
    "Fn::Split": Stack.split,
    "Fn::FindInMap": Stack.find,
    "Fn::ImportValue": Stack.imported,
    "Fn::If": Stack.choose,
    "Fn::Base64": Stack.base64,
    "Fn::ToJsonString": Stack.json,
    "Fn::Length": Stack.length,
}
