"""Adds seeds to two experiments until their difference is resolved.

Each is an ordinary workdir, DIRECTORY/NAME, that gets more and more seeds (`added_seeds`), so that
it resumes, is compared and is reported like any other.
"""

import runpy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from pairjax.analysis.paired import Comparison, ComparisonOptions, compare_workdirs
from pairjax.analysis.results import FINAL
from pairjax.analysis.verdicts import UNRESOLVED
from pairjax.config import validate
from pairjax.errors import UserError, describe_error
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.multihost import any_process, is_primary, on_primary
from pairjax.runtime.plan import checked_trials, read_plan
from pairjax.runtime.preemption import Interrupted, StopRequest
from pairjax.workdir.workdir import begun_blocks, read_config


class Settings(NamedTuple):
    """How seeds are added.

    Attributes:
      directory: of the two workdirs.
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

    The comparison after each block is valid however many blocks there are. Seeds that are there are
    not trained again, so that the same command goes on where it stopped, and one with a larger
    most_seeds goes further.

    Args:
      configs: two of one trial each, by the name of the arm; seeds begin at the config's own.
      settings: how seeds are added.
      on_look: called with the comparison after each block, in process 0.
      callbacks: as for `run_experiment`.

    Returns: the last comparison in process 0, which alone reads workdirs; None in the others.
    Raises: UserError where a config has several trials or the two cannot be paired; Interrupted
      after a signal; or as `run_experiment`.
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
    workdirs = {name: settings.directory / name for name in configs}

    def seeds_there():
        return {name: _num_seeds(workdir) for name, workdir in workdirs.items()}

    there = on_primary('seeds there', seeds_there)
    num_seeds, verdict = max(settings.block, *there.values()), UNRESOLVED
    looks: list[Comparison] = []

    def look():
        looks.append(_compare(workdirs, settings.margin))
        on_look(looks[-1])
        return looks[-1].pairs[0].verdict

    last = max(num_seeds, settings.most_seeds)
    with StopRequest() as stop:
        while verdict == UNRESOLVED and num_seeds <= last:
            for name, config in configs.items():
                # A signal in the last epoch of an experiment left nothing unfinished there.
                if any_process('stop before an arm', stop.requested):
                    raise Interrupted(f'stopped before {name} with {num_seeds} seeds')
                config = ConfigDict({**validate(config).to_dict(), 'num_seeds': num_seeds})
                run_experiment(config, workdirs[name], callbacks=callbacks)
            verdict = on_primary('compare blocks', look)
            num_seeds += settings.block
    return looks[-1] if is_primary() else None


def _num_seeds(workdir: Path) -> int:
    """How many seeds a workdir has with those being added, 0 where there is none."""
    if not (workdir / 'config.json').exists():
        return 0
    config = read_config(workdir)['config']
    ends = (first + num - config['seed'] for first, num in begun_blocks(workdir))
    return max([config['num_seeds'], *ends])


def _compare(workdirs: Mapping[str, Path], margin: float | None) -> Comparison:
    options = ComparisonOptions(margin=margin, sequential=True)
    return compare_workdirs(list(map(str, workdirs.values())), FINAL, options)


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
