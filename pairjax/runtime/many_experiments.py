"""Many experiments, one after another, each in a workdir of its own below a common one."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pairjax.config import flatten, upgrade, validate
from pairjax.errors import UserError
from pairjax.runtime.callbacks import Callback, CallbackList
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.multihost import any_process, is_primary, on_primary
from pairjax.runtime.preemption import Interrupted, StopRequest
from pairjax.workdir.workdir import read_config, read_summary


def run_experiments(
    experiments: Iterable[tuple[str, Any]],
    workdir: Path,
    run: Callable[..., Any] = run_experiment,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Path]:
    """Runs each experiment in workdir/NAME, or goes on where an earlier call stopped.

    A failure is noted and the next experiment runs; a finished experiment is skipped.

    Args:
      experiments: (name, config) of each.
      workdir: the directory of their workdirs.
      run: takes config, workdir and callbacks, as `run_experiment` does.
      callbacks: are told in process 0 how they go on.

    Returns: the workdirs of the finished ones by name.
    Raises: Interrupted when a signal asked to stop and the state is saved.
    """
    told = CallbackList(callbacks if is_primary() else ())
    experiments = list(experiments)
    workdirs = {}
    with StopRequest() as stop:
        for number, (name, config) in enumerate(experiments, 1):
            where = f'{name} ({number}/{len(experiments)})'
            if any_process(stop.requested):
                raise Interrupted(f'stopped before {where}')
            try:
                if on_primary(partial(is_finished, config, workdir / name)):
                    told.on_message(f'{where}: finished before')
                else:
                    told.on_message(where)
                    run(config, workdir / name, callbacks=callbacks)
                workdirs[name] = workdir / name
            except Interrupted:
                raise
            # Whatever ends one experiment, hours of others need not be lost with it.
            except Exception as error:
                kind = '' if isinstance(error, UserError) else f'{type(error).__name__}: '
                told.on_message(f'{where} failed: {kind}{error}')
    return workdirs


def is_finished(config: Any, workdir: Path) -> bool:
    """Whether workdir holds the results of exactly this config, with no trial that failed.

    Raises: UserError where its config.json or summary.json is damaged, or the config is wrong.
    """
    if not (workdir / 'summary.json').exists():
        return False
    if any(trial.get('failure') for trial in read_summary(workdir)['trials']):
        return False
    return upgrade(read_config(workdir)['config']) == flatten(validate(config))
