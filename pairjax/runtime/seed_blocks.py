"""Adds seeds to two experiments in blocks until their difference is resolved.

A block is an ordinary workdir, DIRECTORY/NAME/seeds_10_19, so that it resumes, is compared and is
reported like any other: seed i among many is the same run as seed i alone. `pool_blocks` reads the
blocks of an arm as one trial.
"""

import dataclasses
import runpy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from pairjax.analysis.arms import ComparedTrial, check_measure, check_paired
from pairjax.analysis.paired import Comparison, ComparisonOptions, compare_trials
from pairjax.analysis.results import FINAL, ExperimentResult, TrialResult, read_experiment
from pairjax.analysis.statistics import describe
from pairjax.analysis.verdicts import UNRESOLVED
from pairjax.config import validate
from pairjax.errors import UserError, describe_error
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.multihost import is_primary, on_primary
from pairjax.runtime.plan import checked_trials, read_plan
from pairjax.workdir.schema import STATISTICS


class Settings(NamedTuple):
    """How seeds are added.

    Attributes:
      directory: of the blocks' workdirs.
      block: seeds added at a time.
      most_seeds: at which it stops, resolved or not; what is no whole block is left out.
      margin: a difference below it counts as none, a fraction; None: only a difference settles it.
    """

    directory: Path
    block: int
    most_seeds: int
    margin: float | None = None


def add_seeds_until_resolved(
    configs: Mapping[str, Any],
    settings: Settings,
    on_look: Callable[[Comparison], None],
    callbacks: Sequence[Callback] = (),
) -> Comparison | None:
    """Trains both configs with more and more seeds, until a sequential comparison settles it.

    The comparison after each block is valid however many blocks there are. Finished blocks are
    read, not trained again, so that the same command goes on where it stopped, and one with a
    larger most_seeds goes further.

    Args:
      configs: two of one trial each, by the name of the arm; seeds begin at the config's own.
      settings: how seeds are added.
      on_look: called with the comparison after each block, in process 0.
      callbacks: as for `run_experiment`.

    Returns: the last comparison in process 0, which alone reads workdirs; None in the others.
    Raises: UserError where a config has several trials, the two cannot be paired, or as
      `run_experiment`.
    """
    firsts = {name: validate(config).seed for name, config in configs.items()}
    for name, config in configs.items():
        if len(checked_trials(validate(config))) > 1:
            raise UserError(f'{name} has several trials; choose one without --config.sweep')
    if len(set(firsts.values())) > 1:
        raise UserError(
            f'the seeds of the two configs begin at {" and ".join(map(str, firsts.values()))}; let '
            'both begin at the same --config.seed, so that they are paired'
        )
    first, workdirs = next(iter(firsts.values())), {name: [] for name in configs}
    looks: list[Comparison] = []
    size = settings.block
    for start in range(0, settings.most_seeds - size + 1, size):
        for name, config in configs.items():
            workdir = block_directory(settings.directory / name, first + start, size)
            run_experiment(_with_seeds(config, first + start, size), workdir, callbacks=callbacks)
            workdirs[name].append(workdir)

        def look():
            looks.append(compare_blocks(workdirs, settings.margin))
            on_look(looks[-1])
            return looks[-1].pairs[0].verdict

        if on_primary('compare blocks', look) != UNRESOLVED:
            break
    return looks[-1] if is_primary() else None


def read_arm_configs(text: str) -> dict[str, ConfigDict]:
    """The configs of two arms, named as in --until_resolved=A,B.

    Args:
      text: two names, each of a config file, FILE.py or FILE.py:ARGUMENT, or of a workdir, WORKDIR
        for its only trial or WORKDIR:TRIAL.

    Returns: by the names of the arms.
    Raises: UserError where one is missing, or they are not two.
    """
    found: dict[str, ConfigDict] = {}
    for name in text.split(','):
        config = _read_arm_config(name.strip())
        key = config.name
        while key in found:
            key += '_2'
        found[key] = config
    if len(found) != 2:
        raise UserError(
            f'--until_resolved={text} must name two configs or workdirs, such as '
            'configs/auxnet2.py,configs/auxnet3.py'
        )
    return found


def _read_arm_config(name: str) -> ConfigDict:
    path, _, which = name.rpartition(':')
    if not path or Path(name).exists():
        path, which = name, ''
    if path.endswith('.py') and Path(path).is_file():
        try:
            return runpy.run_path(path)['get_config'](*([which] if which else []))
        except Exception as error:  # A config file is code and may raise anything.
            raise UserError(f'{name} cannot be used ({describe_error(error)})') from error
    if not Path(path).is_dir():
        raise UserError(f'--until_resolved: {name} is neither a config file nor a workdir')
    trials = read_plan(Path(path)).trials
    if which not in map(str, range(len(trials))) and (which or len(trials) > 1):
        raise UserError(
            f'--until_resolved: {path} holds trials 0 to {len(trials) - 1}; choose one, such as '
            f'{path}:0'
        )
    return ConfigDict(trials[int(which or 0)].config.to_dict())


def block_directory(arm: Path, first: int, size: int) -> Path:
    """The workdir of a block of seeds."""
    return arm / f'seeds_{first}_{first + size - 1}'


def _with_seeds(config: Any, first: int, size: int) -> ConfigDict:
    changed = ConfigDict(validate(config).to_dict())
    changed.seed, changed.num_seeds = first, size
    return changed


def compare_blocks(
    workdirs: Mapping[str, Sequence[Path]], margin: float | None = None
) -> Comparison:
    """The sequential comparison of two arms, each given as the workdirs of its blocks."""
    arms = [
        pool_blocks(name, list(map(read_experiment, paths))) for name, paths in workdirs.items()
    ]
    check_measure(arms, FINAL)
    check_paired(arms, FINAL)
    return compare_trials(arms, FINAL, ComparisonOptions(margin=margin, sequential=True))


def pool_blocks(name: str, experiments: Sequence[ExperimentResult]) -> ComparedTrial:
    """The first trials of several experiments that differ in their seeds alone, as one trial.

    Raises: UserError where they differ in anything else, or have a seed in common.
    """
    first, trials = experiments[0], [experiment.trials[0] for experiment in experiments]
    for experiment, trial in zip(experiments, trials, strict=True):
        same = trial.hyperparameters == trials[0].hyperparameters
        if not same or experiment.data != first.data:
            raise UserError(
                f'{experiment.workdir} is of another config or other digits than {first.workdir}; '
                'name another --workdir'
            )
    seeds = [seed for trial in trials for seed in trial.seeds]
    if len(set(seeds)) < len(seeds):
        raise UserError(
            f'{first.workdir.parent} holds blocks with common seeds, since the size of a block was '
            'changed; name another --workdir, or the size as before'
        )
    summary = {
        **trials[0].summary,
        'seeds': seeds,
        'failed_seeds': [seed for trial in trials for seed in trial.failed_seeds],
        **{name: _pool_statistic(trials, name) for name in STATISTICS},
    }
    pooled = TrialResult(0, trials[0].name, summary, trials[0].log)
    return ComparedTrial(name, dataclasses.replace(first, trials=[pooled]), pooled)


def _pool_statistic(trials: Sequence[TrialResult], name: str) -> dict[str, Any]:
    return describe([value for trial in trials for value in trial.summary[name]['values']])
