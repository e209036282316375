"""The study from start to end: pilots, learning rates, arms, fewer train pairs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pairjax.analysis.results import read_experiment
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.many_experiments import run_experiments
from pairjax.runtime.multihost import on_primary
from pairjax.studies.factorial.design import Design
from pairjax.studies.factorial.parts import pick_learning_rates, pilot_configs, trained_configs


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
      callbacks: see `runtime.callbacks`.

    Returns: the workdirs of the finished parts by name. Where a pilot failed, so do the parts
      that take their learning rates from it.
    Raises: Interrupted when a signal asked to stop and the state is saved.
    """
    pilots = {network: pilot_configs(design, network) for network in design.networks}
    experiments = [item for configs in pilots.values() for item in configs.items()]
    finished = run_experiments(experiments, workdir, run, callbacks)

    def picked():
        return {
            network: pick_learning_rates(
                network,
                [
                    trial
                    for name in configs
                    if name in finished
                    for trial in read_experiment(finished[name]).trials
                ],
            )
            for network, configs in pilots.items()
        }

    picks = on_primary(picked)
    following = [
        item
        for network in design.networks
        for item in trained_configs(design, network, picks[network]).items()
    ]
    return finished | run_experiments(following, workdir, run, callbacks)
