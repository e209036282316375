"""launch/evaluate.py --out: a row for every test pair of every run, as Parquet or CSV."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from pairjax.data.pairs import PairIndices, Pools, draw_test_pairs
from pairjax.inference.pair_predictions import predict_one_run
from pairjax.inference.restore import RestoredRuns
from pairjax.system import NAME_WRITABLE_FILE, replacing, writing
from pairjax.training.state import Purpose, RunState, run_key

COLUMNS = (
    *('trial', 'seed', 'index_a', 'index_b', 'class_a', 'class_b', 'digit_a', 'digit_b'),
    *('probability', 'right'),
)


def answers_of(restored: RestoredRuns, pools: Pools) -> pd.DataFrame:
    """What every run that did not fail predicts for the test pairs that its seed draws.

    Args:
      restored: the runs of one program.
      pools: the images; those of the training, or others.

    Returns: a row per trial, seed and pair: trial, seed; index_a, index_b of the images in the test
      pool; class_a, class_b; digit_a, digit_b, what is read, missing for a model without digit
      heads; probability that the relation holds; right, whether the answer is.
    """
    config = restored.config
    found = restored.apply(partial(_predict_drawn_pairs, config), pools)
    frames = []
    for place, (trial, seed) in enumerate(restored.runs):
        if restored.state.failed[place]:
            continue
        log_odds, digits = found['log_odds'][place].astype(np.float64), found['digits']
        read = None if digits is None else digits.predicted[place].astype(np.int32)
        columns: dict[str, Any] = {'trial': np.int32(trial.index), 'seed': np.int32(seed)}
        columns |= _of_both('index', found['pairs'][place] - pools.num_train)
        columns |= _of_both('class', found['classes'][place])
        columns |= _of_both('digit', read)
        columns['probability'] = expit(log_odds)
        columns['right'] = (log_odds > 0) == found['targets'][place]
        frames.append(pd.DataFrame(columns).astype({'digit_a': 'Int32', 'digit_b': 'Int32'}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def joined(frames: Sequence[pd.DataFrame], seed: int | None = None) -> pd.DataFrame:
    """The rows of several programs, by trial and seed; of one seed if it is named."""
    frame = pd.concat(frames, ignore_index=True)
    if seed is not None:
        frame = frame[frame.seed == seed]
    return frame.sort_values(['trial', 'seed'], kind='stable', ignore_index=True)


def write_answers(frame: pd.DataFrame, out: Path) -> None:
    """Writes the table, as its name ends.

    Raises: UserError where it cannot be written.
    """
    with writing(f'--out={out}', NAME_WRITABLE_FILE), replacing(out) as file:
        if out.suffix.lower() == '.csv':
            frame.to_csv(file, index=False)
        else:
            frame.to_parquet(file, index=False)


def _of_both(name: str, values: np.ndarray | None) -> dict[str, Any]:
    """Columns of the first and the second image from (n, 2), or missing values."""
    columns = (None, None) if values is None else values.T
    return {f'{name}_{which}': column for which, column in zip('ab', columns, strict=True)}


def _predict_drawn_pairs(config: Any, pools: Pools, state: RunState) -> dict[str, Any]:
    key = run_key(state.seed, Purpose.PAIRS)
    pairs = draw_test_pairs(key, config.data.num_test_pairs, pools)
    state = state.replace(pairs=PairIndices(None, None, pairs))
    return {'pairs': pairs, **predict_one_run(config, pools, state)}
