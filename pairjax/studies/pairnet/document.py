"""What PairNet reaches and what each of its ingredients is worth, as a document."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pairjax.analysis.results import ExperimentResult, TrialResult, pair_by_seed, read_experiment
from pairjax.analysis.statistics import PairedComparison, holm
from pairjax.config import REMOVED_FIELDS
from pairjax.errors import UserError
from pairjax.reporting.format import format_difference, format_statistic
from pairjax.reporting.markdown import render
from pairjax.reporting.plots.augmentation import draw_augmentations
from pairjax.reporting.plots.curves import save_figure
from pairjax.system import replace_text

# The experiments of the page.
NAMES = ('pairnet', 'pairnet_ensemble', 'pairnet_ablation')
# The measures in which arms are compared; p-values are of the first.
MEASURES = ('final_validation_accuracy', 'exact_pair_accuracy', 'final_digit_accuracy')


def write_pairnet(
    workdirs: Mapping[str, Path],
    out: Path,
    originals: np.ndarray,
    distorted: Mapping[str, np.ndarray],
) -> Path:
    """Writes out/pairnet.md, and a plot of the distortions in out/figures.

    Args:
      workdirs: of those of NAMES that are finished.
      out: the directory; made where it is missing.
      originals, distorted: images, see `plots.augmentation.draw_augmentations`.

    Returns: the path of pairnet.md.
    Raises: UserError where a file cannot be read or written.
    """
    experiments = {name: read_experiment(path) for name, path in workdirs.items()}
    networks = [experiments[n] for n in ('pairnet', 'pairnet_ensemble') if n in experiments]
    ablation = experiments.get('pairnet_ablation')
    plot, path = out / 'figures' / 'pairnet_augmentations.png', out / 'pairnet.md'
    text = render(
        'pairjax.studies.pairnet',
        'pairnet.md',
        data=next(iter(experiments.values())).data,
        missing=[name for name in NAMES if name not in experiments],
        networks=networks,
        ablation=ablation,
        ablation_rows=ablation_rows(ablation) if ablation else [],
        plot=plot.name,
        format_statistic=format_statistic,
    )
    save_figure(draw_augmentations(originals, distorted), plot)
    replace_text(path, text)
    return path


def ablation_rows(experiment: ExperimentResult) -> list[list[str]]:
    """Per trial what it changes, and its paired differences from the first trial.

    Trials of options that no longer exist have no row; Holm's correction counts them all the same.
    """
    first, *others = experiment.trials
    columns = [differences(experiment.trials, measure) for measure in MEASURES]
    adjusted = holm([columns[0][trial.index].p_value for trial in others])
    rows = []
    for trial, p in zip(others, adjusted, strict=True):
        fields = {k: v for k, v in trial.hyperparameters.items() if v != first.hyperparameters[k]}
        if not fields.keys() & REMOVED_FIELDS.keys():
            compared = [column.get(trial.index) for column in columns]
            changed = ', '.join(
                f'`{field}={value:g}`' if isinstance(value, float) else f'`{field}={value}`'
                for field, value in fields.items()
            )
            cells = [format_difference(one) if one else '-' for one in compared]
            rows.append([changed, f'{trial.num_params:,}', *cells, f'{p:.2g}'])
    return rows


def differences(trials: Sequence[TrialResult], measure: str) -> dict[int, PairedComparison]:
    """By index, each trial minus the first, without the trials that lack the measure.

    Raises: UserError where fewer than two seeds succeeded in all trials.
    """
    values = {t.index: t.values(measure) for t in trials if t.statistic(measure)}
    common = pd.DataFrame(values).dropna()
    if values and len(common) < 2:
        raise UserError(
            'the ablation needs two seeds that failed in none of its trials; train more with '
            '--config.num_seeds'
        )
    return {index: pair_by_seed(common[index], common[0]) for index in values if index}
