"""Variables of the Serverless Framework: `${self:custom.name}`, `${file(x.yml):key}`, `${opt:stage, 'dev'}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from express.deploy.cloudformation import ACCOUNT, REGION
from express.deploy.files import Files, is_yaml
from express.deploy.nodes import Node, Unseen, Weave, as_text

_ADDRESS = re.compile(r"(?!AWS::)(?:file\(|strToBool\(|[A-Za-z]\w*(?:\([^()]*\))?:(?!:))")
_FILE = re.compile(r"file\(([^()]+)\)(?::(.*))?\Z", re.DOTALL)
_LITERALS = {"true": True, "false": False, "null": None}


class Variables:
    """The variables of a service. `given` has what the command line says: `opt:stage`, `env:NAME`."""

    def __init__(self, root: Node, files: Files, given: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self.root = root
        self.files = files
        self.given = given
        self.environ = environ
        self.reasons: dict[str, str] = {}

    def value(self, node: Node) -> Node:
        """A value with the variables of its own text filled in, but not those inside of it."""
        if node.text is None or "${" not in node.text:
            return node
        budget = self.files.budget
        budget.deeper(node)
        found = self._expanded(node)
        budget.depth -= 1
        return found

    def whole(self, node: Node) -> Node:
        """A value with every variable in it filled in."""
        budget = self.files.budget
        node = self.value(node)
        budget.read(node)
        if node.members is None:
            return node
        budget.deeper(node)
        if type(node.members) is list:
            found = node.holding([self.whole(item) for item in node.items])
        else:
            found = node.holding({name: self.whole(item).named(item.key) for name, item in node.fields.items()})
        budget.depth -= 1
        return found

    def field(self, dotted: str) -> Node | None:
        """Return what stands at a path of the service; None where nothing does."""
        return self._inside(self.root, dotted)

    def _inside(self, node: Node, dotted: str) -> Node | None:
        for name in dotted.split(".") if dotted else ():
            self.files.budget.take(node)
            here = self.value(node)
            if type(here.members) is list:
                inside = here.items[int(name)] if _index(name) < len(here.items) else None
            else:
                inside = here.fields.get(name)
            if inside is None:
                return None
            node = inside
        return self.value(node)

    def _expanded(self, node: Node) -> Node:
        text = node.text or ""
        self.files.budget.read(node)
        weave, at = Weave(self.files.budget, node), 0
        for start, end in spans(text):
            self.files.budget.take(node)
            address = as_text(self.value(node.like(text[start + 2 : end - 1])).value)
            if not _ADDRESS.match(address.strip()):
                continue
            found = self._chosen(address, node)
            if (start, end) == (0, len(text)):
                return found
            if found.members is not None:
                node.fail(f"${{{address}}} is {found.kind}, which can't stand in a text")
            weave.cut(node, at, start)
            weave.put(as_text(found.value), node, start, found.unknown)
            at = end
        weave.cut(node, at, len(text))
        return weave.node()

    def _chosen(self, address: str, node: Node) -> Node:
        """The first of several addresses that has a value."""
        parts = [part.strip() for part in _split(address)]
        for part in parts:
            found = self._found(part, node)
            if found is not None and not (found.members is None and found.value is None and len(parts) > 1):
                return found
        return node.like(f"${{{parts[0]}}}", frozenset(parts[:1]))

    def _found(self, address: str, node: Node) -> Node | None:
        if address in self.given:
            return node.like(self.given[address])
        if address[:1] in ("'", '"') and address[-1:] == address[:1]:
            return node.like(address[1:-1])
        if address in _LITERALS:
            return node.like(_LITERALS[address])
        file = _FILE.match(address)
        if file is not None:
            return self._of_file(file[1].strip(), file[2] or "", address, node)
        if address.startswith("strToBool(") and address.endswith(")"):
            return node.like(address[10:-1].strip().lower() in ("true", "1"))
        source, _, name = address.partition(":")
        return self._of_source(source, name, node)

    def _of_source(self, source: str, name: str, node: Node) -> Node | None:
        if source == "self":
            return self.field(name) or self._default(name, node)
        if source == "env":
            return node.like(self.environ[name]) if name in self.environ else None
        if source == "sls" and name == "stage":
            return self._stage(node)
        if source == "aws":
            known = {"accountId": ACCOUNT, "region": self._text("provider.region", REGION), "partition": "aws"}
            return node.like(known[name]) if name in known else None
        if source == "param":
            stage = self._stage(node).text or ""
            return self.field(f"params.{stage}.{name}") or self.field(f"params.default.{name}")
        return None

    def _default(self, name: str, node: Node) -> Node | None:
        """Return what the framework takes for what a service does not say."""
        defaults = {"provider.stage": "dev", "provider.region": REGION}
        return node.like(defaults[name]) if name in defaults else None

    def _stage(self, node: Node) -> Node:
        return node.like(self.given.get("opt:stage") or self._text("provider.stage", "dev"))

    def _text(self, dotted: str, default: str) -> str:
        found = self.field(dotted)
        return found.text if found is not None and found.text else default

    def _of_file(self, name: str, dotted: str, address: str, node: Node) -> Node | None:
        try:
            if not (is_yaml(name) or name.endswith(".json")):
                if name.endswith((".js", ".cjs", ".mjs", ".ts")):
                    raise Unseen(f"{name} is a program, which is not run")
                return self.files.text(name, node)
            return self._inside(self.files.tree(name, node), dotted)
        except Unseen as unseen:
            self.reasons[address] = str(unseen)
            return None


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Return where the outermost `${…}` of a text begin and end.

    >>> list(spans("a-${b.${c}}-${d}${"))
    [(2, 11), (12, 16)]
    """
    start, depth, at = 0, 0, 0
    while at < len(text):
        if text.startswith("${", at):
            start = start if depth else at
            depth, at = depth + 1, at + 2
            continue
        if text[at] == "}" and depth:
            depth -= 1
            if not depth:
                yield start, at + 1
        at += 1


def _split(address: str) -> list[str]:
    """The parts between commas that stand outside of quotes and brackets."""
    parts, quote, depth = [""], "", 0
    for char in address:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
        if char == "," and not quote and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _index(name: str) -> int:
    return int(name) if name.isascii() and name.isdigit() and len(name) < 9 else 1 << 40
