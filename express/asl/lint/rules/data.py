"""E04: paths and payload templates. E05: JSONata."""

from express.asl.lint.rules.rule import Rule

_PASS = '{{"Type": "Pass", {}, "End": true}}'
_JSONATA = '{{"Type": "Pass", "QueryLanguage": "JSONata", {}, "End": true}}'

DATA: dict[str, Rule] = {
    "E0401": Rule(
        title="Not a path",
        cause="A path starts with $ (the state's data), $$ (the Context object) or $name (a variable) and goes on "
        "with .name, ['name'], [0], and in most fields with wildcards, slices, filters and '..'.",
        bad=_PASS.format('"InputPath": "order.items"'),
        good=_PASS.format('"InputPath": "$.order.items"'),
        spec="Amazon States Language, Paths; asl.md §5",
    ),
    "E0402": Rule(
        title="Not a Reference Path",
        cause="This field must name exactly one place: names and list positions only. ResultPath and the …Path "
        "fields of Map start with $; ItemsPath may start with $$ too.",
        bad=_PASS.format('"ResultPath": "$.items[*]"'),
        good=_PASS.format('"ResultPath": "$.items[0]"'),
        spec="Amazon States Language, Reference Paths; asl.md §5",
    ),
    "E0403": Rule(
        title="Template field can't be evaluated",
        cause="The value of a field whose name ends in '.$' is a path or an intrinsic function call, as a string, "
        "without blanks around it.",
        bad=_PASS.format('"Parameters": {"id.$": "order.id"}'),
        good=_PASS.format('"Parameters": {"id.$": "$.order.id"}'),
        spec="Amazon States Language, Payload Template; asl.md §5, §17",
    ),
    "E0404": Rule(
        title="Not a text-valued call",
        cause="ErrorPath and CausePath take a Reference Path or one of the intrinsic functions that give a text: "
        "Format, JsonToString, ArrayGetItem, Base64Encode, Base64Decode, Hash, UUID.",
        bad='{"Type": "Fail", "ErrorPath": "States.MathAdd($.a, 1)"}',
        good='{"Type": "Fail", "ErrorPath": "States.Format(\'Code{}\', $.a)"}',
        spec="Amazon States Language, Fail State; asl.md §5, §8",
    ),
    "W0410": Rule(
        title="'.$' forgotten?",
        code="NO_DOLLAR",
        severity="WARNING",
        cause="The value looks like a path or an intrinsic call, but without '.$' at the end of the field's name it "
        "is plain text.",
        bad=_PASS.format('"Parameters": {"id": "$.order.id"}'),
        good=_PASS.format('"Parameters": {"id.$": "$.order.id"}'),
        spec="API Reference, ValidateStateMachineDefinitionDiagnostic; asl.md §5",
    ),
    "W0411": Rule(
        title="'Path' forgotten?",
        code="NO_PATH",
        severity="WARNING",
        cause="The value looks like a path, but only fields whose name ends in 'Path' are evaluated.",
        bad='{"Type": "Fail", "Error": "$.error"}',
        good='{"Type": "Fail", "ErrorPath": "$.error"}',
        spec="API Reference, ValidateStateMachineDefinitionDiagnostic",
    ),
    "W0412": Rule(
        title="Path in a static result",
        code="PASS_RESULT_IS_STATIC",
        severity="WARNING",
        cause="Result of a Pass state is taken as it stands; nothing in it is evaluated.",
        bad=_PASS.format('"Result": {"id.$": "$.order.id"}'),
        good=_PASS.format('"Parameters": {"id.$": "$.order.id"}'),
        spec="API Reference, ValidateStateMachineDefinitionDiagnostic; asl.md §8",
    ),
}

JSONATA: dict[str, Rule] = {
    "E0501": Rule(
        title="JSONata does not parse",
        code="INVALID_JSONATA_EXPRESSION",
        cause="The expression between {% and %} is no JSONata 2.0.6.",
        bad=_JSONATA.format('"Output": "{% 1 + %}"'),
        good=_JSONATA.format('"Output": "{% 1 + 1 %}"'),
        spec="Developer Guide, Transforming data with JSONata; asl.md §7, §20",
    ),
    "E0502": Rule(
        title="Bare name in JSONata",
        code="UNSUPPORTED_JSONATA_EXPRESSION",
        cause="A JSONata state has no context item: the input is $states.input, a variable $name. Bare names, $ and "
        "$$ mean something inside predicates, paths and functions only.",
        bad=_JSONATA.format('"Output": "{% phone %}"'),
        good=_JSONATA.format('"Output": "{% $states.input.phone %}"'),
        spec="asl.md §7, §20",
    ),
    "E0503": Rule(
        title="$states member of another phase",
        code="UNSUPPORTED_JSONATA_EXPRESSION",
        cause="$states.result is there in Output and Assign of Task, Parallel and Map; $states.errorOutput in those "
        "of a Catcher.",
        bad=_JSONATA.format('"Output": "{% $states.errorOutput %}"'),
        good=_JSONATA.format('"Output": "{% $states.input %}"'),
        spec="asl.md §7",
    ),
    "E0504": Rule(
        title="Half a JSONata delimiter",
        code="INVALID_JSONATA_EXPRESSION",
        cause="An expression begins with exactly {% and ends with exactly %}; there is nothing before or behind.",
        bad=_JSONATA.format('"Output": "1 + 1 %}"'),
        good=_JSONATA.format('"Output": "{% 1 + 1 %}"'),
        spec="asl.md §7",
    ),
    "W0505": Rule(
        title="Unknown $states member",
        code="UNKNOWN_STATES_MEMBER",
        severity="WARNING",
        cause="$states has input, context, result and errorOutput. Anything else is undefined, and an undefined "
        "value fails the state.",
        bad=_JSONATA.format('"Output": "{% $states.inptu %}"'),
        good=_JSONATA.format('"Output": "{% $states.input %}"'),
        spec="asl.md §7",
    ),
    "W0506": Rule(
        title="JSONata in a JSONPath state",
        code="NO_DOLLAR",
        severity="WARNING",
        cause="In a JSONPath state {% … %} is plain text.",
        bad=_PASS.format('"Parameters": {"id": "{% $states.input.id %}"}'),
        good=_JSONATA.format('"Output": {"id": "{% $states.input.id %}"}'),
        spec="asl.md §3",
    ),
    "W0507": Rule(
        title="'.$' in a JSONata state",
        code="NO_DOLLAR",
        severity="WARNING",
        cause="Names that end in '.$' belong to JSONPath; in a JSONata state they are ordinary names.",
        bad=_JSONATA.format('"Output": {"id.$": "$.id"}'),
        good=_JSONATA.format('"Output": {"id": "{% $states.input.id %}"}'),
        spec="asl.md §3",
    ),
    "W0509": Rule(
        title="Unknown JSONata function",
        code="UNKNOWN_FUNCTION",
        severity="WARNING",
        cause="The expression calls a function that neither JSONata 2.0.6 nor Step Functions has, and that it does "
        "not define itself. $eval is removed; $parse reads JSON text.",
        bad=_JSONATA.format('"Output": "{% $eval($states.input.text) %}"'),
        good=_JSONATA.format('"Output": "{% $parse($states.input.text) %}"'),
        spec="asl.md §7",
    ),
    "W0510": Rule(
        title="JSONPath in a JSONata state",
        code="NO_DOLLAR",
        severity="WARNING",
        cause="A JSONata state evaluates what stands in {% %} and nothing else; a text that looks like a path or an "
        "intrinsic call stays a text.",
        bad=_JSONATA.format('"Output": {"id": "$.order.id"}'),
        good=_JSONATA.format('"Output": {"id": "{% $states.input.order.id %}"}'),
        spec="asl.md §3, §7",
    ),
    "E0508": Rule(
        title="Neither value nor expression",
        cause="The field takes a value of its own type or a JSONata expression in {% %}.",
        bad='{"Type": "Wait", "QueryLanguage": "JSONata", "Seconds": "5", "End": true}',
        good='{"Type": "Wait", "QueryLanguage": "JSONata", "Seconds": "{% $states.input.delay %}", "End": true}',
        spec="asl.md §7",
    ),
}
