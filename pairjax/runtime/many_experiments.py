"""Runs several experiments in turn, each in a subdirectory of one workdir."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pairjax.analysis.results import read_experiment
from pairjax.config import flatten, upgrade, validate
from pairjax.errors import UserError
from pairjax.runtime.callback_list import CallbackList
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.multihost import ProcessesApart, any_process, is_raised_on_all, on_primary
from pairjax.runtime.preemption import Interrupted, StopRequest


def run_experiments(
    experiments: Iterable[tuple[str, Any]],
    workdir: Path,
    run: Callable[..., Any] = run_experiment,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Path]:
    """Runs each experiment in workdir/NAME, resuming unfinished and skipping finished ones.

    An experiment that fails is reported, and the next one runs.

    Args:
      experiments: (name, config) of each.
      workdir: parent directory of the experiments' workdirs.
      run: takes config, workdir and callbacks, as `run_experiment` does.
      callbacks: called in process 0 as training proceeds.

    Returns: the workdirs of the finished experiments by name.
    Raises: Interrupted after SIGINT or SIGTERM, once checkpoints are saved.
    """
    callback_list = CallbackList(callbacks)
    experiments = list(experiments)
    workdirs = {}
    with StopRequest() as stop:
        for number, (name, config) in enumerate(experiments, 1):
            label = f'{name} ({number}/{len(experiments)})'
            if any_process('stop before an experiment', stop.requested):
                raise Interrupted(f'stopped before {label}')
            try:
                if on_primary('finished before', partial(is_finished, config, workdir / name)):
                    callback_list.on_message(f'{label}: finished before')
                else:
                    callback_list.on_message(label)
                    run(config, workdir / name, callbacks=callbacks)
                workdirs[name] = workdir / name
            except (Interrupted, ProcessesApart):
                raise
            # One failed experiment must not cost the hours of training of the others.
            except Exception as error:
                if not is_raised_on_all(error):
                    raise
                kind = '' if isinstance(error, UserError) else f'{type(error).__name__}: '
                callback_list.on_message(f'{label} failed: {kind}{error}')
    return workdirs


def is_finished(config: Any, workdir: Path) -> bool:
    """Whether workdir holds the results of exactly this config, with no trial that failed.

    Raises: UserError where its config.json or summary.json is damaged, or the config is wrong.
    """
    if not (workdir / 'summary.json').exists():
        return False
    result = read_experiment(workdir)
    if any(trial.failure for trial in result.trials):
        return False
    return upgrade(result.config) == flatten(validate(config))
