"""Call the command through its entry point, in this process."""

from dataclasses import dataclass

import pytest

from simulator.commands.main import main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


class Cli:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Result:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Result(int(stop.value.code or 0), captured.out, captured.err)
