"""The recipes of CONTRIBUTING: each is followed in a copy of the tree, and what it adds is seen to work."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

RECIPES = (
    (ROOT / ".github" / "CONTRIBUTING.md")
    .read_text("utf-8")
    .partition("<!-- recipes -->")[2]
    .partition("<!-- end -->")[0]
)
"""The table of recipes."""

DRAIN = """
import asyncio
from tests.runtime.rig import Rig, until
from tests.runtime.virtual import run_virtual as run

async def drain(values, **settings):
    rig = Rig(**settings)
    for value in values:
        rig.put(value)
    worker = rig.worker()
    await until(lambda: rig.written + len(rig.dead) == len(values))
    await rig.stop()
    return rig, worker.counters
"""
"""A pipeline of the copy over a log in memory: `drain(values, settings)`."""


class Copy:
    """A copy of the package, and the files that were touched in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "express", folder / "express", ignore=shutil.ignore_patterns("__pycache__"))
        self.touched: set[str] = set()

    def add(self, path: str, text: str) -> None:
        """Write a new file."""
        (self.folder / "express" / path).write_text(textwrap.dedent(text), encoding="utf-8")
        self.touched.add(path)

    def change(self, path: str, before: str, after: str) -> None:
        """Put `after` in the place of `before`, which is there once."""
        file = self.folder / "express" / path
        text = file.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{path} has {before!r} {text.count(before)} times"
        file.write_text(text.replace(before, after), encoding="utf-8")
        self.touched.add(path)

    def run(self, *arguments: str) -> str:
        """What Python prints with the copy in the place of the package, and the tests behind it."""
        environment = {**os.environ, "PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}"}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, *arguments: str) -> str:
        """What Python says on both outputs when it ends with 1."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 1, done.stderr
        return done.stdout + done.stderr

    def follows(self, what: str, most: int) -> None:
        """Hold the files that were touched to those of a recipe, and to the number that is promised."""
        row = re.search(rf"^\| {what} \| (.+?) \|", RECIPES, re.MULTILINE)
        assert row is not None, what
        named = re.findall(r"`express/([^`]+)`", row[1])
        elsewhere = [path for path in self.touched if not any(path.startswith(place) for place in named)]
        assert len(elsewhere) <= ("and where" in row[1]), elsewhere
        assert len(self.touched) <= most, self.touched

    def python(self, code: str) -> str:
        """What a piece of code prints."""
        return self.run("-c", f"import express; assert express.__file__.startswith({str(self.folder)!r})\n{code}")


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A fresh copy."""
    return Copy(tmp_path)


def test_a_metric(copy: Copy) -> None:
    """A counter of pipelines, and the place that counts."""
    copy.change(
        "runtime/counters.py",
        "    succeeded: int = 0\n",
        '    tombstones: Annotated[int, metric("express_kafka_tombstones", "Records without a value.")] = 0\n'
        "    succeeded: int = 0\n",
    )
    copy.change(
        "runtime/records/dispatcher.py",
        "        if type(record) is Unreadable:\n",
        "        self._counters.tombstones += record.value is None\n        if type(record) is Unreadable:\n",
    )

    shown = copy.python(
        f"{DRAIN}\n"
        "import msgspec\n"
        "from express.runtime.counters import BATCH_BOUNDS, LATENCY_BOUNDS_MS\n"
        "from express.telemetry.metrics import ExpressCollector\n"
        "from express.telemetry.worker_report import PipelineReport, Report, Totals\n"
        "_, counters = run(drain([{'n': 1}, None, None]))\n"
        "totals = Totals()\n"
        "part = PipelineReport(pipeline='p', state_machine='m', counters=msgspec.to_builtins(counters))\n"
        "totals.update(Report(worker=0, pid=1, pipelines=[part]))\n"
        "for family in ExpressCollector(totals, LATENCY_BOUNDS_MS, batch_bounds=BATCH_BOUNDS).collect():\n"
        "    if 'tombstones' in family.name:\n"
        "        print(family.documentation, [(s.labels, s.value) for s in family.samples])"
    )
    assert shown.strip() == "Records without a value. [({'pipeline': 'p'}, 2.0)]"
    copy.follows("a metric", 2)


def test_an_api_action(copy: Copy) -> None:
    """A function, and its row with the shape of its request."""
    copy.add(
        "api/actions/echo.py",
        '''
        """An action that answers with what it was sent."""

        from express.api.context import Api, Members


        async def echo(api: Api, request: Members) -> Members:
            """Return the text."""
            return {"text": request["text"]}
        ''',
    )
    table = "api/actions/__init__.py"
    copy.change(table, "import aliases, executions", "import aliases, echo, executions")
    copy.change(table, "ACTIONS: dict[str, Action] = {\n", 'ACTIONS: dict[str, Action] = {\n    "Echo": Action(echo.echo, Object({"text*": Text(1, 5)})),\n')  # fmt: skip # noqa: E501

    shown = copy.python(
        "import asyncio\n"
        "from express.api.principals import ANYONE\n"
        "from express.api.protocol import answer\n"
        'for body in (b\'{"text": "hello"}\', b\'{"text": "too long"}\'):\n'
        "    print(asyncio.run(answer(None, ANYONE, 'Echo', body)).status)"
    )
    assert shown.split() == ["200", "400"]
    copy.follows("an API action", 2)


def test_a_command(copy: Copy) -> None:
    """A module, and its row."""
    copy.add(
        "cli/hello.py",
        '''
        """`express hello`."""

        import rich_click


        @rich_click.command("hello")
        @rich_click.argument("name")
        def command(name: str) -> None:
            """Greet somebody."""
            print(f"hello {name}")
        ''',
    )
    copy.change("cli/__init__.py", "COMMANDS: dict[str, tuple[str, str]] = {\n", 'COMMANDS: dict[str, tuple[str, str]] = {\n    "hello": ("express.cli.hello:command", "Greet somebody."),\n')  # fmt: skip # noqa: E501

    assert copy.run("-m", "express", "hello", "you") == "hello you\n"
    assert "Greet somebody." in copy.run("-m", "express", "--help")
    copy.follows("a command", 2)


def test_a_key_of_a_pipeline(copy: Copy) -> None:
    """A field of the configuration, and the place that reads it."""
    copy.change(
        "config/model.py",
        "    input: Input = field(default_factory=Input)\n",
        "    input: Input = field(default_factory=Input)\n    longest_value: Positive = 1_000\n",
    )
    copy.change(
        "runtime/records/dispatcher.py",
        "int(pipeline.settings.payload_limit)",
        "min(int(pipeline.settings.payload_limit), pipeline.settings.longest_value)",
    )
    shutil.copy(ROOT / "config" / "prices.toml", copy.folder)
    (copy.folder / "w.asl.json").write_text('{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}', encoding="utf-8")
    (copy.folder / "express.toml").write_text(
        '[[pipelines]]\nname = "p"\ntopics = ["in"]\nworkflow = "w.asl.json"\noutput = "out"\ndead_letter = "dead"\n'
        'longest_value = 7\n[metering]\nprices = "prices.toml"\n',
        encoding="utf-8",
    )

    shown = copy.run("-m", "express", "config", "show", "--config", "express.toml")
    assert re.search(r"longest_value\W+7", shown), shown
    drained = copy.python(
        f"{DRAIN}\nrig, _ = run(drain([1, 12345678], longest_value=7))\nprint(rig.written, len(rig.dead))"
    )
    assert drained.split() == ["1", "1"]
    copy.follows("a key of a pipeline", 2)


def test_an_integration(copy: Copy) -> None:
    """An adapter, and its row in the table: a definition that names it is valid, and runs."""
    copy.add(
        "integrations/echo.py",
        '''
        """`arn:express:echo:::say`."""

        from express.engine.effects import StartTask
        from express.ports import Integration, TaskContext
        from express.values import JSON


        class Echo(Integration):
            """Answers with what it is sent."""

            def start(self, task: StartTask, context: TaskContext) -> JSON:
                """Return the parameters."""
                return {"said": task.input}
        ''',
    )
    registry = "integrations/registry.py"
    copy.change(registry, "from express.integrations.kafka_produce", "from express.integrations.echo import Echo\nfrom express.integrations.kafka_produce")  # fmt: skip # noqa: E501
    copy.change(registry, '            "express:kafka": self.kafka,\n', '            "express:kafka": self.kafka,\n            "express:echo": Echo(),\n')  # fmt: skip # noqa: E501
    (copy.folder / "echo.asl.json").write_text(
        '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:express:echo:::say", "End": true}}}',
        encoding="utf-8",
    )

    assert copy.run("-m", "express", "exec", "echo.asl.json", "-i", '{"n": 1}').replace(" ", "").replace("\n", "") == '{"said":{"n":1}}'  # noqa: E501 # fmt: skip
    copy.follows("an integration", 2)


def definition(copy: Copy, state: str, **others: str) -> None:
    """Write a machine that begins with the state A."""
    states = ", ".join(f'"{name}": {text}' for name, text in {"A": state, **others}.items())
    text = f'{{"StartAt": "A", "States": {{{states}}}}}'
    (copy.folder / "m.asl.json").write_text(text, encoding="utf-8")


def test_an_intrinsic_function(copy: Copy) -> None:
    """One row: lint knows it and its number of arguments, and both tiers run it."""
    copy.change(
        "expr/intrinsics/functions.py",
        '        Function("States.ArrayLength", 1, 1, array_length, _fixed(20)),\n',
        '        Function("States.ArrayLength", 1, 1, array_length, _fixed(20)),\n'
        '        Function("States.Shout", 1, 1, lambda text: text.upper() + "!", _first(2, 1), text=True),\n',
    )
    shout = '{"Type": "Pass", "Parameters": {"said.$": "States.Shout($.word)"}, "End": true}'
    definition(copy, shout)

    done = copy.run("-m", "express", "exec", "m.asl.json", "-i", '{"word": "hi"}')
    assert json.loads(done) == {"said": "HI!"}
    assert tiers(copy, '{"word": "hi"}') == ["{'said': 'HI!'}"] * 2
    definition(copy, shout.replace("Shout($.word)", "Shout()"))
    refused = copy.fails("-m", "express", "validate", "m.asl.json")
    assert "States.Shout" in refused
    copy.follows("an intrinsic function", 1)


def test_a_choice_operator(copy: Copy) -> None:
    """One row: lint knows it and the type of its operand, and both tiers run it."""
    copy.change(
        "expr/operators.py",
        '        Operator("IsPresent", BOOLEAN, _is_present, _emit_present),\n',
        '        Operator("IsPresent", BOOLEAN, _is_present, _emit_present),\n'
        '        tested("StringIsUpper", BOOLEAN, lambda wanted: lambda v: str(v).isupper() is wanted),\n',
    )
    rule = '{"Variable": "$.word", "StringIsUpper": true, "Next": "Yes"}'
    choice = f'{{"Type": "Choice", "Choices": [{rule}], "Default": "No"}}'
    ends = {name: f'{{"Type": "Pass", "Result": "{name}", "End": true}}' for name in ("Yes", "No")}
    definition(copy, choice, **ends)

    assert [tiers(copy, f'{{"word": "{word}"}}') for word in ("HI", "hi")] == [["Yes"] * 2, ["No"] * 2]
    definition(copy, choice.replace("true", '"true"'), **ends)
    assert "StringIsUpper" in copy.fails("-m", "express", "validate", "m.asl.json")
    copy.follows("a Choice operator", 1)


def tiers(copy: Copy, given: str) -> list[str]:
    """The outputs of the optimized tier, which takes every state of the machine, and of the interpreter."""
    printed = copy.python(
        "import json, msgspec\n"
        "from express.compiler import compile_definition\n"
        "from express.engine import About, start\n"
        "from express.engine.segments import begin\n"
        "from express.engine.program import END\n"
        "program = compile_definition(open('m.asl.json').read())\n"
        f"data = json.loads({given!r})\n"
        "point = begin(program, program.segments, data, 100, None)\n"
        "assert point[0] == END, point\n"
        "print(point[1])\n"
        "x, _ = start(msgspec.structs.replace(program, segments=None), data, 0.0)\n"
        "print(x.finished.output)\n"
    )
    return printed.splitlines()


def test_a_field_of_a_task(copy: Copy) -> None:
    """The model checks it by its type, the row hands it to the effect, and segments leave it to the row."""
    copy.change(
        "asl/model.py",
        "    heartbeat_seconds: Number = UNSET\n",
        "    heartbeat_seconds: Number = UNSET\n    urgency: Number = UNSET\n",
    )
    copy.change(
        "engine/effects.py", "    credentials: JSON = None\n", "    credentials: JSON = None\n    urgency: float = 0\n"
    )
    row = "states/task.py"
    copy.change(row, '        "timeout",\n    )', '        "timeout",\n        "urgency",\n    )')
    copy.change(row, "    return Row(\n        name=low.name,\n        kind=\"Task\"", '    plan.urgency = _seconds("Urgency", state.urgency, UNSET)\n    return Row(\n        name=low.name,\n        kind="Task"')  # fmt: skip # noqa: E501
    copy.change(row, "        frame.token,\n        credentials,\n    )", "        frame.token,\n        credentials,\n        urgency=plan.urgency(frame) if plan.urgency is not None else 0,\n    )")  # fmt: skip # noqa: E501
    task = '{"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "Urgency": 7, "End": true}'
    definition(copy, task)

    shown = copy.python(
        "from express.compiler import compile_definition\n"
        "from express.engine import start\n"
        "program = compile_definition(open('m.asl.json').read())\n"
        "_, effects = start(program, {}, 0.0)\n"
        "print(effects[0].urgency, program.segments and program.segments.enter[program.scope.start])"
    )
    assert shown.split() == ["7", "None"]
    definition(copy, task.replace("7", '"high"'))
    assert "Urgency" in copy.fails("-m", "express", "validate", "m.asl.json")
    copy.follows("a field of a Task", 3)
