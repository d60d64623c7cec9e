"""From what the parser read to the final tree: paths become lists of steps with their predicates.

Finds the errors that only the whole shape shows: literals as steps, predicates after a group, `%` without
a parent. The rules are those of the reference implementation's second pass.
"""

from __future__ import annotations

from collections.abc import Callable

from express.expr.jsonata import nodes as n
from express.expr.jsonata.errors import syntax_error


def resolve_top(node: n.Node) -> n.Node:
    """Refuse a `%` that is left over at the top; `node` has been resolved."""
    if type(node) is n.Parent or node.seeking is not None:
        raise syntax_error("S0217", node.position, node.kind)
    return node


def resolve(node: n.Node) -> n.Node:
    """The final form of `node`. A chain of infix operators is walked in a loop, not by recursion."""
    spine: list[n.Infix] = []
    while type(node) is n.Infix:
        spine.append(node)
        node = node.lhs
    result = _RESOLVE[type(node)](node)
    _keep(node, result)
    for infix in reversed(spine):
        result = _INFIX.get(infix.op, _binary)(infix, result)
        _keep(infix, result)
    return result


def _keep(node: n.Node, result: n.Node) -> None:
    if node.keep_array:
        result.keep_array = True


# single nodes


def _same(node: n.Node) -> n.Node:
    return node


def _name(node: n.Name) -> n.Node:
    return n.Path(node.position, [node], keep_singleton=node.keep_array)


def _end(node: n.End) -> n.Node:
    raise syntax_error("S0207", node.position, node.token)


def _negate(node: n.Negate) -> n.Node:
    operand = resolve(node.operand)
    if type(operand) is n.Number:
        operand.value = -operand.value
        return operand
    node.operand = operand
    _push(node, operand)
    return node


def _array(node: n.Array) -> n.Node:
    node.items = [_pushed(node, item) for item in node.items]
    return node


def _object(node: n.Object) -> n.Node:
    node.pairs = [(_pushed(node, key), _pushed(node, value)) for key, value in node.pairs]
    return node


def _block(node: n.Block) -> n.Node:
    node.expressions = [_pushed(node, part) for part in node.expressions]
    return node


def _call(node: n.Call) -> n.Node:
    node.arguments = [_pushed(node, argument) for argument in node.arguments]
    node.procedure = resolve(node.procedure)
    return node


def _lambda(node: n.Lambda) -> n.Node:
    node.body = resolve(node.body)
    return node


def _condition(node: n.Condition) -> n.Node:
    node.condition = _pushed(node, node.condition)
    node.then = _pushed(node, node.then)
    if node.otherwise is not None:
        node.otherwise = _pushed(node, node.otherwise)
    return node


def _transform(node: n.Transform) -> n.Node:
    node.pattern = resolve(node.pattern)
    node.update = resolve(node.update)
    if node.delete is not None:
        node.delete = resolve(node.delete)
    return node


# infix operators


def _operand(infix: n.Infix) -> n.Node:
    assert infix.rhs is not None, "the parser gives every operator but ^ and { a right side"
    return resolve(infix.rhs)


def _binary(infix: n.Infix, lhs: n.Node) -> n.Node:
    rhs = _operand(infix)
    result = n.Binary(infix.position, infix.op, lhs, rhs, infix.span)
    _push(result, lhs)
    _push(result, rhs)
    return result


def _apply(infix: n.Infix, lhs: n.Node) -> n.Node:
    return n.Apply(infix.position, lhs, _operand(infix))


def _bind(infix: n.Infix, lhs: n.Node) -> n.Node:
    assert type(lhs) is n.Variable
    result = n.Bind(infix.position, lhs.name, _operand(infix))
    _push(result, result.value)
    return result


def _dot(infix: n.Infix, lhs: n.Node) -> n.Node:
    path = lhs if type(lhs) is n.Path else n.Path(lhs.position, [lhs])
    if type(lhs) is n.Parent:
        path.seeking = [lhs.slot]
    rest = _operand(infix)
    more = rest.steps if type(rest) is n.Path else [rest]
    if type(lhs) is not n.Path:
        path.steps[0] = _step(lhs)
    ends = [path.steps[0], path.steps[-1]]  # what is between them was looked at when it came
    more = [_step(step) for step in more]
    path.steps += more
    if any(step.keep_array for step in (*ends, *more)):
        path.keep_singleton = True
    _resolve_parents(path)
    return path


def _step(step: n.Node) -> n.Node:
    """A step of a path: a string is a name there, another literal is a mistake."""
    if isinstance(step, n.Number | n.Constant):
        raise syntax_error("S0213", step.position, value=step.value)
    if type(step) is not n.Text:
        return step
    name = n.Name(step.position, step.value)
    name.keep_array, name.stages, name.group = step.keep_array, step.stages, step.group
    return name


def _predicate(infix: n.Infix, lhs: n.Node) -> n.Node:
    step = lhs.steps[-1] if type(lhs) is n.Path else lhs
    if step.group is not None:
        raise syntax_error("S0209", infix.position)
    predicate = _operand(infix)
    if predicate.seeking is not None:
        for slot in predicate.seeking:
            if slot.level == 1:
                _seek(step, slot)
            else:
                slot.level -= 1
        _push(step, predicate)
    step.stages = [*(step.stages or ()), n.Filter(infix.position, predicate)]
    return lhs


def _group(infix: n.Infix, lhs: n.Node) -> n.Node:
    if lhs.group is not None:
        raise syntax_error("S0210", infix.position)
    lhs.group = [(resolve(key), resolve(value)) for key, value in infix.pairs or ()]
    return lhs


def _sort(infix: n.Infix, lhs: n.Node) -> n.Node:
    path = lhs if type(lhs) is n.Path else n.Path(lhs.position, [lhs])
    sort = n.Sort(infix.position, [])
    sort.terms = [(descending, _pushed(sort, term)) for descending, term in infix.terms or ()]
    path.steps.append(sort)
    _resolve_parents(path)
    return path


def _focus(infix: n.Infix, lhs: n.Node) -> n.Node:
    step = lhs.steps[-1] if type(lhs) is n.Path else lhs
    if step.stages is not None:
        raise syntax_error("S0215", infix.position)
    if type(step) is n.Sort:
        raise syntax_error("S0216", infix.position)
    assert type(infix.rhs) is n.Variable
    step.focus = infix.rhs.name
    step.keep_array = step.keep_array or infix.keep_array
    return lhs


def _index(infix: n.Infix, lhs: n.Node) -> n.Node:
    path = lhs if type(lhs) is n.Path else n.Path(lhs.position, [lhs])
    step = path.steps[-1]
    assert type(infix.rhs) is n.Variable
    if step.stages is None:
        step.index = infix.rhs.name
    else:
        step.stages = [*step.stages, n.Position(infix.position, infix.rhs.name)]
    return path


# parents


def _pushed(result: n.Node, part: n.Node) -> n.Node:
    resolved = resolve(part)
    _push(result, resolved)
    return resolved


def _push(result: n.Node, part: n.Node) -> None:
    """Hand the open `%` of a part up to the node it is in."""
    if part.seeking is None and type(part) is not n.Parent:
        return
    slots = part.seeking if part.seeking is not None else []
    if type(part) is n.Parent:
        slots.append(part.slot)
    if result.seeking is None:
        result.seeking = slots
    else:
        result.seeking.extend(slots)


def _resolve_parents(path: n.Path) -> None:
    """Let every open `%` of the last step find its step further left, or leave it to what is around."""
    last = path.steps[-1]
    slots = last.seeking if last.seeking is not None else []
    if type(last) is n.Parent:
        slots.append(last.slot)
    for slot in list(slots):
        at = len(path.steps) - 2
        while slot.level > 0:
            if at < 0:
                path.seeking = [*(path.seeking or ()), slot]
                break
            step = path.steps[at]
            at -= 1
            while at >= 0 and step.focus and path.steps[at].focus:  # bindings side by side are one step
                step = path.steps[at]
                at -= 1
            _seek(step, slot)


def _seek(node: n.Node, slot: n.Slot) -> None:
    """Count `slot` down by the steps that `node` is worth."""
    if isinstance(node, n.Name | n.Wildcard):
        slot.level -= 1
    elif type(node) is n.Parent:
        slot.level += 1
    elif type(node) is n.Block:
        if node.expressions:
            _seek(node.expressions[-1], slot)
    elif type(node) is n.Path:
        at = len(node.steps) - 1
        _seek(node.steps[at], slot)
        while slot.level > 0 and at > 0:
            at -= 1
            _seek(node.steps[at], slot)
    else:
        raise syntax_error("S0217", node.position, node.kind)


_INFIX: dict[str, Callable[[n.Infix, n.Node], n.Node]] = {
    ".": _dot,
    "[": _predicate,
    "{": _group,
    "^": _sort,
    "@": _focus,
    "#": _index,
    ":=": _bind,
    "~>": _apply,
}

_RESOLVE: dict[type[n.Node], Callable[..., n.Node]] = {
    n.Text: _same,
    n.Number: _same,
    n.Constant: _same,
    n.Pattern: _same,
    n.Variable: _same,
    n.Wildcard: _same,
    n.Descendant: _same,
    n.Parent: _same,
    n.Placeholder: _same,
    n.Name: _name,
    n.End: _end,
    n.Negate: _negate,
    n.Array: _array,
    n.Object: _object,
    n.Block: _block,
    n.Call: _call,
    n.Lambda: _lambda,
    n.Condition: _condition,
    n.Transform: _transform,
}
