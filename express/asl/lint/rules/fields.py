"""E01: fields and their values."""

from express.asl.lint.rules.rule import Rule

FIELDS: dict[str, Rule] = {
    "E0101": Rule(
        title="Required field missing",
        cause="The object lacks a field that its type needs: a machine StartAt and States, a state Type, a Task "
        "Resource, a Choice Choices, a Parallel Branches, a Map ItemProcessor, a Wait one of its four timers, and "
        "every state that does not end by itself Next or End.",
        bad='{"Type": "Task", "End": true}',
        good='{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}',
        spec="Amazon States Language, table of state types and fields; asl.md §2",
    ),
    "E0102": Rule(
        title="Field not supported",
        cause="The object has no such field. Often it is a slip of the pen, a field of another state type, or "
        "one that belongs one level deeper.",
        bad='{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Retrry": [], "End": true}',
        good='{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Retry": [], "End": true}',
        spec="Amazon States Language, table of state types and fields; asl.md §2",
    ),
    "E0103": Rule(
        title="Field of the other query language",
        cause="JSONPath states shape data with InputPath, Parameters, ResultSelector, ResultPath, OutputPath and "
        "…Path fields; JSONata states with Arguments, Output, Items, Condition. A state uses one language. A state "
        "inside a Map or Parallel takes the machine's language, not that of the Map or Parallel.",
        bad='{"Type": "Pass", "Output": {"ok": true}, "End": true}',
        good='{"Type": "Pass", "QueryLanguage": "JSONata", "Output": {"ok": true}, "End": true}',
        spec="Developer Guide, Transforming data with JSONata; asl.md §3",
    ),
    "E0104": Rule(
        title="Fields that exclude each other",
        cause="Only one field of the list may be there, such as Next or End, a value or its …Path form, a "
        "name with or without '.$', one operator per choice test.",
        bad='{"Type": "Wait", "Seconds": 5, "SecondsPath": "$.delay", "End": true}',
        good='{"Type": "Wait", "SecondsPath": "$.delay", "End": true}',
        spec="Amazon States Language, Wait State, Task State; asl.md §2, §9–11",
    ),
    "E0105": Rule(
        title="Wrong type",
        cause="The value has another JSON type than the field takes.",
        bad='{"Type": "Wait", "Seconds": "5", "End": true}',
        good='{"Type": "Wait", "Seconds": 5, "End": true}',
        spec="asl.md §1–2",
    ),
    "E0106": Rule(
        title="Not one of the allowed values",
        cause="The field takes a fixed set of words, in exactly this spelling.",
        bad='{"Type": "Taks", "Resource": "arn:aws:states:::lambda:invoke", "End": true}',
        good='{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}',
        spec="asl.md §2, §20",
    ),
    "E0107": Rule(
        title="Number out of range",
        cause="The number is below the least or above the greatest value of the field.",
        bad='{"Type": "Wait", "Seconds": -1, "End": true}',
        good='{"Type": "Wait", "Seconds": 0, "End": true}',
        spec="asl.md §9, §11, §13, §15",
    ),
    "E0108": Rule(
        title="Value must not be empty",
        cause="The list or object needs at least one entry, the text at least one character.",
        bad='{"Type": "Parallel", "Branches": [], "End": true}',
        good='{"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}], "End": true}',
        spec="asl.md §12, §20",
    ),
    "E0109": Rule(
        title="End must be true",
        cause="End has one value, true. A state that goes on has Next and no End.",
        bad='{"Type": "Pass", "End": false}',
        good='{"Type": "Pass", "End": true}',
        spec="Amazon States Language, Transitions; asl.md §2",
    ),
    "E0110": Rule(
        title="Not a timestamp",
        cause="A timestamp is ISO-8601 as RFC 3339 profiles it: a capital T between date and time, and a capital Z "
        "or an offset at the end.",
        bad='{"Type": "Wait", "Timestamp": "2030-01-31 08:00:00", "End": true}',
        good='{"Type": "Wait", "Timestamp": "2030-01-31T08:00:00Z", "End": true}',
        spec="Amazon States Language, Timestamps; asl.md §9",
    ),
    "E0111": Rule(
        title="JSONPath state in a JSONata machine",
        cause="A machine whose QueryLanguage is JSONata has JSONata states only. The other way round is fine: a "
        "JSONPath machine may have single JSONata states.",
        bad='{"QueryLanguage": "JSONata", "StartAt": "A", "States": '
        '{"A": {"Type": "Pass", "QueryLanguage": "JSONPath", "End": true}}}',
        good='{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}',
        spec="asl.md §3",
    ),
    "W0113": Rule(
        title="Inner JSONPath state in a JSONata machine",
        code="SCHEMA_VALIDATION_FAILED",
        severity="WARNING",
        disputed=True,
        cause="A machine whose QueryLanguage is JSONata has JSONata states only, inside Map and Parallel too. Some "
        "tools let inner states fall back to JSONPath; AWS refuses it.",
        bad='{"QueryLanguage": "JSONata", "StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": '
        '[{"StartAt": "A", "States": {"A": {"Type": "Pass", "QueryLanguage": "JSONPath", "End": true}}}], '
        '"End": true}}}',
        good='{"QueryLanguage": "JSONata", "StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": '
        '[{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}], "End": true}}}',
        spec="asl.md §3",
    ),
    "W0114": Rule(
        title="Result of a last JSONata state",
        code="SCHEMA_VALIDATION_FAILED",
        severity="WARNING",
        disputed=True,
        cause="A JSONata Pass state has Output in place of Result, and AWS refuses Result. In a state with End some "
        "engines ignore it silently, and definitions written for them carry it: here it is ignored, too, and the "
        "state's output is that of Output, or its input. Elsewhere it is E0103.",
        bad='{"Type": "Pass", "QueryLanguage": "JSONata", "Result": "end", "End": true}',
        good='{"Type": "Pass", "QueryLanguage": "JSONata", "Output": "end", "End": true}',
        spec="asl.md §3",
    ),
    "E0112": Rule(
        title="Heartbeat not shorter than the timeout",
        cause="A heartbeat that may take as long as the whole task can never be missed.",
        bad='{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", '
        '"TimeoutSeconds": 60, "HeartbeatSeconds": 60, "End": true}',
        good='{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", '
        '"TimeoutSeconds": 60, "HeartbeatSeconds": 20, "End": true}',
        spec="Amazon States Language, Task State; asl.md §11",
    ),
}
