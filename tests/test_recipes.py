"""The recipes of CONTRIBUTING: each is followed in a copy of the tree, and what it adds is seen to work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
        """What Python prints with the copy in the place of the package."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

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
        "from express.telemetry.metrics import COUNTERS\n"
        "from express.runtime.counters import Counters\n"
        "import msgspec\n"
        "data = msgspec.to_builtins(Counters(tombstones=7))\n"
        "print([(f.name, f.by, f.read(data)) for f in COUNTERS if 'tombstones' in f.name])"
    )
    assert shown.strip() == "[('express_kafka_tombstones', 'pipeline', 7.0)]"
    assert len(copy.touched) <= 2


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
    assert len(copy.touched) <= 2


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
    assert len(copy.touched) <= 2


def test_a_key_of_a_pipeline(copy: Copy) -> None:
    """A field of the configuration, and the place that reads it."""
    copy.change(
        "config/model.py",
        "    input: Input = field(default_factory=Input)\n",
        "    input: Input = field(default_factory=Input)\n    waiting_per_turn: Positive = 16\n",
    )
    copy.change(
        "runtime/records/dispatcher.py",
        "range(WAITING_PER_TURN)",
        "range(self._pipeline.settings.waiting_per_turn)",
    )
    shutil.copy(ROOT / "config" / "prices.toml", copy.folder)
    (copy.folder / "w.asl.json").write_text('{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}', encoding="utf-8")
    (copy.folder / "express.toml").write_text(
        '[[pipelines]]\nname = "p"\ntopics = ["in"]\nworkflow = "w.asl.json"\noutput = "out"\ndead_letter = "dead"\n'
        'waiting_per_turn = 7\n[metering]\nprices = "prices.toml"\n',
        encoding="utf-8",
    )

    shown = copy.run("-m", "express", "config", "show", "--config", "express.toml")
    assert re.search(r"waiting_per_turn\W+7", shown), shown
    assert len(copy.touched) <= 2


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
    assert len(copy.touched) <= 2
