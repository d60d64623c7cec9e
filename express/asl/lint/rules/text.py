"""E00: the text itself."""

from express.asl.lint.rules.rule import Rule

TEXT: dict[str, Rule] = {
    "E0001": Rule(
        title="Not JSON",
        code="INVALID_JSON_DESCRIPTION",
        cause="The text does not parse as JSON (or YAML). The message names line and column of the first place "
        "that can't be read; a missing comma or quote just before it is the usual reason.",
        bad='{"StartAt": "A" "States": {}}',
        good='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
        spec="Amazon States Language, Structure of a State Machine; asl.md §20",
    ),
    "E0002": Rule(
        title="Not an object",
        code="SCHEMA_VALIDATION_FAILED",
        cause="A definition is one JSON object. An empty text, a list or a plain value is none.",
        bad="[]",
        good='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
        spec="Amazon States Language, Structure of a State Machine; asl.md §20",
    ),
    "E0003": Rule(
        title="Definition too large",
        code="INVALID_JSON_DESCRIPTION",
        cause="A definition has at most 1,048,576 characters. Move parts into state machines of their own and "
        "start them as nested executions, or move long constant texts into the tasks.",
        bad='{"Comment": "… 1,048,577 characters …"}',
        good='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
        spec="Step Functions service quotas; asl.md §19",
    ),
    "E0004": Rule(
        title="JSON nested too deeply",
        code="TOO_DEEPLY_NESTED",
        cause="Objects and lists may be nested at most 200 levels deep, choice tests 100.",
        bad='{"Type": "Pass", "Result": [[[["… 201 levels …"]]]], "End": true}',
        good='{"Type": "Pass", "Result": [[["three levels"]]], "End": true}',
        spec="asl.md §20 (TOO_DEEPLY_NESTED)",
    ),
    "E0005": Rule(
        title="States nested too deeply",
        code="TOO_DEEPLY_NESTED",
        cause="Parallel and Map states may be nested at most 50 levels deep.",
        bad='{"Type": "Parallel", "Branches": ["… 51 levels of Parallel …"], "End": true}',
        good='{"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}], "End": true}',
        spec="asl.md §20 (TOO_DEEPLY_NESTED)",
    ),
    "E0006": Rule(
        title="Too many findings",
        cause="The definition has so many findings that the rest is left out. Fix the ones shown and run again.",
        bad="a definition with more than 10,000 findings",
        good='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
        spec="a limit of express",
    ),
    "W0007": Rule(
        title="The same field twice",
        code="DUPLICATE_FIELD",
        severity="WARNING",
        cause="One object has the same field name twice. A JSON parser keeps the last one and drops the others "
        "without a word.",
        bad='{"Type": "Pass", "Comment": "one", "Comment": "two", "End": true}',
        good='{"Type": "Pass", "Comment": "one", "End": true}',
        spec="RFC 8259 §4",
    ),
    "W0008": Rule(
        title="Not checked",
        code="NOT_CHECKED",
        severity="WARNING",
        cause="The template has no definition here that could be read: it lies in S3, in a file that is not beside the "
        "template, or hangs on values that only a deployment knows. Values can be given with -s NAME=VALUE.",
        bad='{"Resources": {"M": {"Type": "AWS::Serverless::StateMachine", "Properties": '
        '{"DefinitionUri": "s3://bucket/key"}}}}',
        good='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
        spec="AWS SAM Developer Guide, AWS::Serverless::StateMachine",
    ),
    "E0009": Rule(
        title="Template that can't be read",
        code="INVALID_TEMPLATE",
        cause="A part of the template does not have the shape that its tool wants, refers to itself, or makes more "
        "values or text than a template may.",
        bad='{"Resources": {"M": {"Type": "AWS::Serverless::StateMachine", "Properties": {"DefinitionUri": 1}}}}',
        good='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
        spec="AWS CloudFormation User Guide, Template anatomy",
    ),
}
