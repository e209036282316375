"""From metrics.jsonl to summary.json: pure functions of the records."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pairjax.analysis.statistics import describe


def summarize(
    records: Sequence[Mapping[str, Any]] | pd.DataFrame, trials: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The part of summary.json that comes from the metrics.

    Args:
      records: the lines of metrics.jsonl, also as a frame.
      trials: per trial its hyperparameters and num_params.

    Returns: trials, selected_trial (see `select_trial`), and timing without devices.
    """
    frame = records if isinstance(records, pd.DataFrame) else pd.DataFrame.from_records(records)
    rows = [{**trial, **summarize_trial(frame[frame.trial == i])} for i, trial in enumerate(trials)]
    num_runs = len(frame[['trial', 'seed']].drop_duplicates())
    train_seconds = float(frame.train_seconds.sum())
    # Only a run's last line has it, and in workdirs of early versions none.
    all_pairs_seconds = float(frame.get('whole_pool_seconds', pd.Series(dtype=float)).sum())
    return {
        'trials': rows,
        'selected_trial': select_trial(rows),
        'timing': {
            'compile_seconds': float(frame.compile_seconds.sum()),
            'train_seconds': train_seconds,
            'all_pairs_seconds': all_pairs_seconds,
            'seconds_per_run': (train_seconds + all_pairs_seconds) / num_runs,
        },
    }


def select_trial(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """The index of the best trial by validation accuracy; None where every run failed.

    A trial with failed seeds is selected only where every trial has some, and then one with the
    fewest: the mean of the seeds that survive says little of a setting that others do not survive.
    Among these trials the best mean final validation accuracy decides, the first on ties.
    """
    means = [row['final_validation_accuracy']['mean'] for row in rows]
    valid = [i for i, mean in enumerate(means) if mean is not None]
    return max(valid, key=lambda i: (-len(rows[i]['failed_seeds']), means[i]), default=None)


def summarize_trial(frame: pd.DataFrame) -> dict[str, Any]:
    """One trial's statistics over its seeds, from its rows of the metrics.

    The best epoch is chosen per seed among those that were evaluated, the first on ties. A seed
    whose loss became NaN is listed in failed_seeds and counts nowhere.
    """
    failed = sorted(int(s) for s in frame[frame.train_loss.isna()].seed.unique())
    seeds = sorted(int(s) for s in frame.seed.unique())

    def curve(name):
        wide = frame.pivot(index='seed', columns='epoch', values=name).astype(float)
        return wide.loc[[s for s in seeds if s not in failed]].dropna(axis='columns', how='all')

    def statistic(values):
        return describe([float(values[s]) if s in values.index else None for s in seeds])

    def final(name):
        values = curve(name)
        return statistic(values.iloc[:, -1] if values.size else pd.Series(dtype=float))

    test, validation = curve('test_accuracy'), curve('validation_accuracy')
    at_best_validation = (
        pd.Series(
            {s: test.loc[s, epoch] for s, epoch in validation.idxmax(axis='columns').items()},
            dtype=float,
        )
        if test.size
        else pd.Series(dtype=float)
    )

    def final_where_there(name):
        # Workdirs of earlier versions lack some fields.
        return final(name) if name in frame and frame[name].notna().any() else None

    return {
        'seeds': seeds,
        'final_test_accuracy': final('test_accuracy'),
        'best_epoch_test_accuracy': statistic(test.max(axis='columns')),
        'best_validation_epoch_test_accuracy': statistic(at_best_validation),
        'final_validation_accuracy': final('validation_accuracy'),
        'final_train_accuracy': final('train_accuracy'),
        'final_digit_accuracy': final_where_there('test_digit_accuracy'),
        'exact_pair_accuracy': final_where_there('exact_pair_accuracy'),
        'sampled_pair_accuracy': final_where_there('sampled_pair_accuracy'),
        'failed_seeds': failed,
    }
