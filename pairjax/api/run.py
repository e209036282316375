"""`run` trains what a config describes; `Results` is what came out, as data frames and plots."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pairjax.analysis.pool import pool_experiments
from pairjax.analysis.results import ExperimentResult, read_experiment
from pairjax.errors import UserError
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.preemption import Interrupted
from pairjax.workdir.workdir import FAILURES

if TYPE_CHECKING:
    from pairjax.api.network import TrainedNetwork


class Results:
    """What an experiment reached, read from its workdir.

    Attributes:
      experiment: its trials as `analysis.results` has them.
      temporary: whether its workdir is deleted with this object.
    """

    def __init__(self, experiment: ExperimentResult, directory: Path | None = None):
        """Takes an experiment and, where its workdir is temporary, the directory to delete."""
        self.experiment, self.temporary = experiment, directory is not None
        if directory is not None:
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)

    def __repr__(self) -> str:
        trials = self.experiment.trials
        return f'<Results of {self.experiment.name}: {len(trials)} trials, n = {trials[0].n}>'

    @property
    def workdir(self) -> Path:
        """Where the experiment is; deleted with this object where `run` was given none."""
        return self.experiment.workdir

    @property
    def metrics(self) -> pd.DataFrame:
        """metrics.jsonl: a row per trial, seed and epoch with losses and accuracies (fractions)."""
        return self.experiment.trials[0].log.frame.copy()

    @property
    def summary(self) -> pd.DataFrame:
        """A row per trial, indexed by its number and name.

        Columns: (statistic, 'mean' | 'std' | 'low' | 'high' | 'n'), accuracies as fractions, low
        and high the 95 % interval of the mean; and ('trial', 'params' | 'selected' | 'failed').
        """
        rows = {}
        for trial in self.experiment.trials:
            row = {
                ('trial', 'params'): trial.num_params,
                ('trial', 'selected'): trial.index == self.experiment.selected,
                ('trial', 'failed'): len(trial.failed_seeds),
            }
            for name, statistic in trial.summary.items():
                if isinstance(statistic, Mapping) and 'ci95' in statistic:
                    low, high = statistic['ci95'] or (None, None)
                    values = (statistic['mean'], statistic['std'], low, high, trial.n)
                    columns = ('mean', 'std', 'low', 'high', 'n')
                    row |= {(name, c): v for c, v in zip(columns, values, strict=True)}
            rows[trial.index, trial.name] = row
        frame = pd.DataFrame.from_dict(rows, orient='index')
        frame.columns = pd.MultiIndex.from_tuples(frame.columns, names=['statistic', 'value'])
        return frame.rename_axis(index=['trial', 'name'])

    def plot_curves(self, trial: int | None = None) -> Any:
        """Loss and accuracies of a trial, by default the selected one: a matplotlib Figure."""
        from pairjax.reporting.plots.curves import draw_training_curves

        chosen = self._trial(trial)
        return draw_training_curves(chosen.metrics, chosen.name)

    def plot_sweep(self) -> Any:
        """Every trial's final test accuracy, against a number if one was swept: a Figure."""
        from pairjax.reporting.html.sweep import sweep_plot

        return sweep_plot(self.experiment)[0]

    def load(
        self, trial: int | None = None, seed: int | None = None, **options: Any
    ) -> 'TrainedNetwork':
        """The trained network of a trial and seed, as `pairjax.load` restores it."""
        from pairjax.api.network import load

        return load(self, trial, seed, **options)

    def _trial(self, index: int | None) -> Any:
        trials = self.experiment.trials
        chosen = self.experiment.selected if index is None else index
        if chosen is None:
            raise UserError(f'every run of {self.experiment.name} failed; name a trial')
        if not 0 <= chosen < len(trials):
            raise UserError(f'trial={chosen} does not exist; there are 0 to {len(trials) - 1}')
        return trials[chosen]


def run(
    config: Any,
    *,
    num_seeds: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    workdir: Path | str | None = None,
    overwrite: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    model: Any = None,
    relation: Callable | None = None,
    loss: Callable | None = None,
    data: Any = None,
) -> Results:
    """Trains what a config describes, as launch/main.py does, and returns what came out.

    The same call with the same workdir resumes an interrupted experiment and reads a finished one;
    with a larger num_seeds only the new seeds train.

    Args:
      config: the name or path of a config, or what its get_config() returns; see `find_config`.
      num_seeds: runs of each trial, config field num_seeds.
      overrides: other fields by dotted name, such as {'train.num_epochs': 25}.
      workdir: where records and checkpoints go; by default nothing is kept beyond the results.
      overwrite: delete an earlier experiment in the workdir first.
      callbacks: objects with the methods of `pairjax.Callback`.
      progress: whether to show progress.
      model, relation, loss, data: objects in the place of names, see `customize.register`.

    Raises: UserError for a mistake; Interrupted after Ctrl-C, once everything is saved. Where
      programs failed, their tracebacks in failures.log stay, in a temporary workdir too.
    """
    # jax is imported only now, since `import pairjax` promises to be quick.
    from pairjax.api.configs import find_config
    from pairjax.api.customize import register
    from pairjax.reporting.progress import ProgressDisplay
    from pairjax.runtime.parts import run_whole_or_part
    from pairjax.runtime.vectorize import configure_or_check_jax

    fields = {} if num_seeds is None else {'num_seeds': num_seeds}
    fields |= register(model, relation, loss, data)
    checked = find_config(config, {**(overrides or {}), **fields})
    configure_or_check_jax(checked.runs.devices)
    directory = None
    if workdir is None:
        directory = Path(tempfile.mkdtemp(prefix='pairjax-'))
        workdir = directory / checked.name
    display = [ProgressDisplay()] if progress else []
    try:
        workdir = run_whole_or_part(checked, Path(workdir), overwrite, [*display, *callbacks])
        return Results(read_experiment(Path(workdir)), directory)
    except BaseException as error:
        if directory is None:
            raise
        interrupted = isinstance(error, Interrupted)
        if interrupted or not (Path(workdir) / FAILURES).exists():
            shutil.rmtree(directory, ignore_errors=True)
        if interrupted:
            raise Interrupted(f'{error}; nothing is kept, since no workdir was named') from None
        raise


def load_results(*workdirs: Path | str) -> Results:
    """The results of a finished workdir, or of several that hold different seeds, as one.

    Raises: UserError where one is none, is not finished, a file is missing or damaged, or several
      differ in more than their seeds.
    """
    if not workdirs:
        raise UserError("load_results: name a workdir, such as 'runs/auxnet2'")
    return Results(pool_experiments([read_experiment(Path(workdir)) for workdir in workdirs]))
