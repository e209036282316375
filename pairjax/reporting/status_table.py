"""What `launch/main.py --status` prints: a few sentences and a table of at most 20 rows."""

import collections
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pairjax.analysis.statistics import describe
from pairjax.reporting.notebook import duration
from pairjax.reporting.tables import Cell, console_table
from pairjax.workdir.status import ProgramStatus, Status, TrialStatus

MOST_ROWS = 20
# In the order of interest: where not all rows are shown, the first states are.
STATES = ('under way', 'failed', 'begun', 'finished', 'not begun')


def show_status(status: Status, workdir: Path, console: Console) -> None:
    """Prints the state of an experiment and of its trials."""

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    say(headline(status, workdir))
    say(progress_line(status))
    rows = [(program, trial) for program in status.programs for trial in program.trials]
    shown = rows
    if len(rows) > MOST_ROWS:
        rows = sorted(rows, key=lambda row: STATES.index(row[0].state))
        shown = [row for row in rows if row[0].state in STATES[:3]][:MOST_ROWS]
    if shown:
        console.print(status_table(shown))
    if len(shown) < len(rows):
        hidden = rows[len(shown) :]
        say(f'not shown: {_counts([program for program, _ in hidden])}')
    failed = [program for program in status.programs if program.state == 'failed']
    for program in failed[:MOST_ROWS]:
        say(f'{program.trials[0].name} failed: {program.failure}')
    if failed:
        say(f'see {workdir / "failures.log"}; run the same command again to retry them')


def headline(status: Status, workdir: Path) -> str:
    """Whether the experiment runs, in which process, and when it last wrote an epoch."""
    if status.holder is not None:
        who = f'process {status.holder.process} on {status.holder.host}'
        state = f'running, {who}'
        if not status.holder.certain:
            state = f'in use by {who} by its lock file, which cannot be checked from here'
    else:
        state = 'finished' if status.complete else 'stopped; run its command again to resume'
    last = ''
    if not status.complete and status.seconds_since_epoch is not None:
        last = f'; last epoch written {duration(status.seconds_since_epoch)} ago'
    return f'{status.name} in {workdir}: {state}{last}'


def progress_line(status: Status) -> str:
    """The number of trials in each state, and the time left."""
    trials = [program for program in status.programs for _ in program.trials]
    runs = sum(program.num_runs for program in status.programs)
    plural = '' if len(trials) == 1 else 's'
    text = f'{len(trials)} trial{plural}, {runs} runs: {_counts(trials)}'
    if status.seconds_left:
        text += f'; about {duration(status.seconds_left)} of training left'
        if any(program.state == 'not begun' for program in status.programs):
            text += (
                ', if programs that have not begun need as long per run as the others; compilation '
                'comes on top'
            )
    return text


def status_table(rows: list[tuple[ProgramStatus, TrialStatus]]) -> Table:
    """One row per trial; seconds are those of its whole program."""
    programs, trials = zip(*rows, strict=True)
    columns = {
        'trial': [f'{trial.index} {trial.name}' for trial in trials],
        'state': [program.state for program in programs],
        'epochs': [Cell(f'{p.epochs}/{p.num_epochs}', p.epochs) for p in programs],
        'runs': [program.num_runs // len(program.trials) for program in programs],
        'validation': [describe(t.validation_accuracy) | {'std': None} for t in trials],
        'n': [len(trial.validation_accuracy) for trial in trials],
        'diverged': [trial.num_failed for trial in trials],
        's/epoch': [program.seconds_per_epoch for program in programs],
        'left': [duration_cell(program.seconds_left) for program in programs],
        'saved epoch': [program.saved_epoch for program in programs],
    }
    title = 'validation accuracy in percent at the latest epoch, mean [95 % interval of it] over n'
    return console_table(f'{title} seeds', columns)


def duration_cell(seconds: float | None) -> Cell | None:
    """A duration for a table."""
    return None if seconds is None else Cell(duration(seconds), seconds)


def _counts(programs: list[ProgramStatus]) -> str:
    counts = collections.Counter(program.state for program in programs)
    return ', '.join(f'{counts[state]} {state}' for state in STATES if counts[state])
