"""The study from start to end: pilots, finalists among learning rates, arms, fewer pairs."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pairjax.config import validate
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.many_experiments import run_experiments
from pairjax.runtime.multihost import on_primary
from pairjax.studies.factorial.design import Design
from pairjax.studies.factorial.parts import (
    FINALISTS,
    PILOT,
    part_names,
    pilot_config,
    pilots_of,
    read_rates,
    trained_config,
)


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
    pilots = [(p, pilot_config(design, p)) for p in part_names(design) if p.endswith(PILOT)]
    finished = run_experiments(pilots, workdir, run, callbacks)

    def following(finalists: bool):
        """The parts whose pilots are finished, and their configs."""
        parts = [
            part
            for part in part_names(design)
            if part.endswith(FINALISTS) == finalists
            and pilots_of(part)
            and set(pilots_of(part)) <= set(finished)
        ]
        rates = {part: read_rates(design, part, workdir) for part in parts}
        configs = {part: trained_config(design, part, rates[part]) for part in parts}
        return [(part, config.to_dict()) for part, config in configs.items() if config]

    for finalists in (True, False):
        found = on_primary('parts of the study', partial(following, finalists))
        named = [(part, validate(config)) for part, config in found]
        finished |= run_experiments(named, workdir, run, callbacks)
    return finished
