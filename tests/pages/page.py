"""A page's blocks, run in order in the current folder: commands, and Python in one session."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from umlip_bench.cli import PROGRAM
from umlip_bench.cli.finetune import PROGRAM as FINETUNE

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = {"umlip-bench": PROGRAM, "umlip-finetune": FINETUNE}
SHELL = ("python", "python3", "dask", "pip", "make", "source", "for")
"""Words with which other command lines begin; a block without a language that begins otherwise is output."""
ELSEWHERE = ("pip install", "python3 -m venv", "source .venv", "make ")
"""How lines begin that install, or run what CI runs besides: they are left out."""
FINDINGS = ("data check",)
"""Commands whose exit status of 1 is a finding."""


@dataclass
class Ran:
    """What of a page was run, and what was not.

    Parameters
    ----------
    count
        Commands and snippets that were run.
    left_out
        Command lines and snippets that were not run.
    """

    count: int = 0
    left_out: list[str] = field(default_factory=list)

    def took(self, what: str, began: float) -> None:
        """Count a command or a snippet, and print the seconds that it took."""
        self.count += 1
        print(f"{time.perf_counter() - began:7.1f} s  {what.splitlines()[0]}")


def lines(block: str) -> Iterator[str]:
    """Command lines, joined where one goes on in an indented line; a loop of the shell is one."""
    if block.startswith("for "):
        yield block
        return
    for line in re.sub(r"\n {4}(?=--)", " ", block).splitlines():
        if line:
            yield line.removeprefix(".venv/bin/")


def are_commands(block: str) -> bool:
    """False for what a command prints."""
    return next(lines(block), "").split(" ")[0] in (*PROGRAMS, *SHELL)


def until(there: Callable[[], bool]) -> None:
    """Wait, as somebody would who looks at what a scheduler says."""
    for _ in range(600):
        if there():
            return
        time.sleep(0.1)
    raise AssertionError("the scheduler did not begin in a minute")


@dataclass
class Page:
    """A page that is run in the current folder.

    Parameters
    ----------
    path
        Of README or a page of the documentation.
    names
        What snippets find defined.
    files
        Names of the files that blocks of a language are the content of.
    modules
        Names of the files that blocks of Python with a certain line are the content of.
    stands_for
        Words of commands that are exchanged.
    left_out
        Parts of the command lines and snippets that are not run.
    """

    path: Path
    names: dict[str, object]
    files: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    stands_for: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def run(self) -> Ran:
        """Run all blocks."""
        ran = Ran()
        background: list[subprocess.Popen[bytes]] = []
        try:
            for language, block in BLOCK.findall(self.path.read_text(encoding="utf-8")):
                self._block(language, block, ran, background)
        finally:
            for process in background:
                process.terminate()
                process.wait()
        return ran

    def _block(
        self, language: str, block: str, ran: Ran, background: list[subprocess.Popen[bytes]]
    ) -> None:
        if language == "python" and any(part in block for part in self.left_out):
            ran.left_out.append(f"python: {block.splitlines()[0]}")
            return
        module = next((name for mark, name in self.modules.items() if mark in block), None)
        if language == "python" and module:
            Path(module).write_text(block, encoding="utf-8")
        elif language == "python":
            began = time.perf_counter()
            exec(compile(block, str(self.path), "exec"), self.names)
            ran.took(f"python: {block.splitlines()[0]}", began)
        elif language in self.files:
            Path(self.files[language]).write_text(block, encoding="utf-8")
        elif language in ("", "bash"):
            for line in lines(block) if are_commands(block) else ():
                if line.startswith(ELSEWHERE) or any(part in line for part in self.left_out):
                    ran.left_out.append(line)
                    continue
                began = time.perf_counter()
                self._line(line, background)
                ran.took(line, began)
        else:
            raise AssertionError(f"{self.path.name}: what is a block of {language}?")

    def _line(self, line: str, background: list[subprocess.Popen[bytes]]) -> None:
        program = line.split(" ")[0]
        if program in PROGRAMS:
            words = [self.stands_for.get(word, word) for word in shlex.split(line, comments=True)]
            allowed = (0, 1) if " ".join(words[1:]).startswith(FINDINGS) else (0,)
            assert PROGRAMS[program].main(words[1:]) in allowed, shlex.join(words)
            return
        here = str(Path(sys.executable).parent)
        env = {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}
        if program == "dask":
            words = shlex.split(line, comments=True)
            background.append(subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL))
            until(Path(words[words.index("--scheduler-file") + 1]).exists)
            return
        subprocess.run(["bash", "-euo", "pipefail", "-c", line], env=env, check=True)
