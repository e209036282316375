"""The study from start to end: pilots, learning rates, arms, fewer train pairs."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.many_experiments import run_experiments
from pairjax.runtime.multihost import on_primary
from pairjax.studies.factorial.design import Design
from pairjax.studies.factorial.parts import pick_learning_rates, pilot_configs, trained_configs
from pairjax.workdir.workdir import read_summary


def run_study(
    design: Design,
    workdir: Path,
    run: Callable[..., Any] = run_experiment,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Path]:
    """Runs every part of the study below workdir; parts of an earlier call are skipped.

    Args:
      design: what is varied.
      workdir: the directory of the parts' workdirs.
      run: takes config, workdir and callbacks, as `run_experiment` does.
      callbacks: are told how they go on.

    Returns: the workdirs of the finished parts by name. Where a pilot failed, so do the parts
      which take their learning rates from it.
    Raises: Interrupted when a signal asked to stop and the state is saved.
    """
    pilots = {network: pilot_configs(design, network) for network in design.networks}
    experiments = [item for configs in pilots.values() for item in configs.items()]
    finished = run_experiments(experiments, workdir, run, callbacks)
    following = []
    for network, configs in pilots.items():
        picks = {}
        for name in configs:
            if name in finished:
                summary = on_primary(partial(read_summary, finished[name]))
                picks |= pick_learning_rates(network, summary)
        following += trained_configs(design, network, picks)
    return finished | run_experiments(following, workdir, run, callbacks)
