"""failures.log: the tracebacks of programs that failed."""

import re
import traceback
from pathlib import Path

from pairjax.system import writing
from pairjax.workdir.workdir import FAILURES

# The name of a program, which ends in its number, above the traceback.
_FAILED_PROGRAM = re.compile(r'^.+ (\d+)/\d+\n(?=Traceback )', re.MULTILINE)


def append_failure(workdir: Path, program_name: str) -> None:
    """Appends the traceback of the exception being handled, under the program's name."""
    with writing(workdir / FAILURES), (workdir / FAILURES).open('a') as file:
        file.write(f'{program_name}\n{traceback.format_exc()}\n')


def read_failure_log(workdir: Path) -> dict[int, str]:
    """Why programs failed, by number from 0: the latest attempt's last exception, one line each.

    Includes programs whose later attempts succeeded.
    """
    if not (workdir / FAILURES).exists():
        return {}
    failures = {}
    _, *parts = _FAILED_PROGRAM.split((workdir / FAILURES).read_text())
    for number, trace in zip(parts[::2], parts[1::2], strict=True):
        # Of chained exceptions the last one counts; its first line is left of the frames.
        lines = trace.rpartition('Traceback ')[2].splitlines()[1:]
        reason = next((line for line in lines if line[:1].strip()), 'for an unknown reason')
        failures[int(number) - 1] = reason
    return failures
