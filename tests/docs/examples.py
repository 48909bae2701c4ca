"""Find the examples of a Markdown document, run them in order in one shell, and collect their output."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWERS = ("json", "http")
RUN_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """The response that the document shows after a command: a JSON body, or with `http` all of it. `line`: its line."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Example:
    """A command of the document, with the answer shown after it, if one is."""

    command: str
    line: int
    answer: Answer | None = None


@dataclass(frozen=True)
class Printed:
    """The output of one example. `is_done`: the shell ended with success."""

    is_done: bool
    out: str = ""
    err: str = ""


def read(document: str) -> list[Example]:
    """Every `sh` block with the `json` or `http` block that follows. Raises ValueError for an answer to nothing,
    and for a curl command that stands in another kind of block, where no reader would run it."""
    found: list[Example] = []
    for language, text, line in _fences(document):
        if language == "sh":
            found.append(Example(text, line))
        elif language in ANSWERS:
            if not found or found[-1].answer is not None:
                raise ValueError(f"line {line}: an answer that no command stands before")
            found[-1] = Example(found[-1].command, found[-1].line, Answer(language, text, line))
        elif "curl" in text:
            raise ValueError(f"line {line}: a curl command outside of a `sh` block")
    return found


def _fences(document: str) -> Iterator[tuple[str, str, int]]:
    for fence in FENCE.finditer(document):
        yield fence["language"], fence["text"], document.count("\n", 0, fence.start()) + 2


def run(examples: Sequence[Example], folder: Path, environment: Mapping[str, str]) -> list[Printed]:
    """All of them in one bash, so that what one sets the next ones have; it ends at the first that fails.

    `folder` takes what they print.
    """
    script = folder / "examples.sh"
    script.write_text("set -eu -o pipefail\n" + "".join(map(_block, range(len(examples)), examples)))
    # timed out: the running example is reported as unfinished
    with contextlib.suppress(subprocess.TimeoutExpired):
        command = ["/usr/bin/env", "bash", str(script)]
        subprocess.run(command, cwd=folder, env=dict(environment), timeout=RUN_SECONDS, check=False)
    return [_printed(folder, number) for number in range(len(examples))]


def _block(number: int, example: Example) -> str:
    return f"{{\n{example.command}}} >{number}.out 2>{number}.err\ntouch {number}.done\n"


def _printed(folder: Path, number: int) -> Printed:
    out, err = (folder / f"{number}.{stream}" for stream in ("out", "err"))
    if not out.exists():
        return Printed(False)
    return Printed((folder / f"{number}.done").exists(), out.read_bytes().decode(), err.read_bytes().decode())
