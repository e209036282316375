"""Finds trained networks: those of the package by name, saved files, and runs of a workdir."""

from pathlib import Path
from typing import TYPE_CHECKING

from pairjax.errors import UserError, did_you_mean
from pairjax.inference.restore import RestoredRuns, restore_trial
from pairjax.inference.saved_network import SUFFIX, read_network
from pairjax.runtime.plan import read_plan

if TYPE_CHECKING:
    from pairjax.analysis.results import ExperimentResult

PRETRAINED = Path(__file__).parent / 'pretrained'
DEFAULT_NETWORK = 'pairnet'


def pretrained_names() -> list[str]:
    """The networks that come with the package."""
    return sorted(path.stem for path in PRETRAINED.glob(f'*{SUFFIX}'))


def find_networks(
    source: Path | str, trial: int | None = None, seed: int | None = None, ensemble: bool = False
) -> RestoredRuns:
    """Restores one seed of a trial, or several.

    Args:
      source: the name of a network that comes with the package; the path of a saved file; or what
        launch/main.py made.
      trial: its number in a workdir; by default the one that validation accuracy selects.
      seed: by default the first that did not fail; of a saved file all that are in it.
      ensemble: all seeds that did not fail.

    Raises: UserError where there is no such network.
    """
    path = Path(source)
    is_pretrained = isinstance(source, str) and source in pretrained_names()
    if not is_pretrained and path.suffix != SUFFIX:
        _check_exists(path)
        return restore_runs(path, trial, seed, ensemble)
    if trial is not None:
        raise UserError(f'trial={trial} is of a workdir; {source} has one trial, leave it out')
    if seed is not None and ensemble:
        raise UserError(f'an ensemble takes all seeds; leave out seed={seed}, or ensemble')
    if not is_pretrained:
        return read_network(path, seed)
    if seed is None and not ensemble:
        seed = 0
    restored = read_network(PRETRAINED / f'{source}{SUFFIX}', seed)
    # What a person sees should not be where the package is installed.
    return restored._replace(workdir=Path(source))


def _check_exists(path: Path) -> None:
    if path.exists():
        return
    beside = [
        p for p in path.parent.glob('*') if p.suffix == SUFFIX or (p / 'config.json').exists()
    ]
    known = [*pretrained_names(), *map(str, beside)]
    raise UserError(
        f'{path} does not exist; {did_you_mean(str(path), known)}name a workdir of launch/main.py, '
        f'a saved {SUFFIX} file or a network of the package ({", ".join(pretrained_names())})'
    )


def restore_runs(
    workdir: Path, trial: int | None = None, seed: int | None = None, ensemble: bool = False
) -> RestoredRuns:
    """Restores one seed of a trial, or all of its seeds that did not fail.

    Args:
      workdir: what launch/main.py made.
      trial: its number; by default the one that validation accuracy selects.
      seed: by default the first that did not fail.
      ensemble: all seeds that did not fail.

    Raises: UserError where there is no such trained run.
    """
    # pandas takes half a second to import, which networks of the package need not wait for.
    from pairjax.analysis.results import read_experiment

    plan = read_plan(workdir)
    num_trials = len(plan.trials)
    finished = read_experiment(workdir) if (workdir / 'summary.json').exists() else None
    index = _selected_trial(workdir, finished, num_trials) if trial is None else trial
    if not 0 <= index < num_trials:
        raise UserError(f'trial={index} does not exist; {workdir} has 0 to {num_trials - 1}')
    restored = restore_trial(plan, workdir, index)
    failed = {s for s, bad in zip(restored.seeds, restored.state.failed, strict=True) if bad}
    failed |= set(finished.trials[index].failed_seeds) if finished else set()
    seeds = _selected_seeds(workdir, restored.seeds, failed, seed, ensemble)
    return restored.select(lambda _, seed: seed in seeds)


def _selected_trial(workdir: Path, finished: 'ExperimentResult | None', num_trials: int) -> int:
    if finished is not None:
        if finished.selected is None:
            raise UserError(f'every run in {workdir} failed; no network can predict')
        return finished.selected
    if num_trials > 1:
        raise UserError(
            f'{workdir} has {num_trials} trials and its training is not finished, so none is '
            'selected; name one with trial'
        )
    return 0


def _selected_seeds(
    workdir: Path, seeds: list[int], failed: set[int], seed: int | None, ensemble: bool
) -> list[int]:
    good = [s for s in seeds if s not in failed]
    if seed is None:
        if not good:
            raise UserError(f'every seed of that trial in {workdir} failed; name another trial')
        return good if ensemble else good[:1]
    if ensemble:
        raise UserError(f'an ensemble takes all seeds; leave out seed={seed}, or ensemble')
    if seed not in seeds:
        raise UserError(f'seed={seed} was not trained; {workdir} has the seeds {seeds}')
    if seed in failed:
        raise UserError(f'seed={seed} failed in training; of {workdir} {good} did not')
    return [seed]
