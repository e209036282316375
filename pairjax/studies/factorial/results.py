"""What the runs of the study reached, arm by arm and seed by seed. No jax in here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pairjax.errors import UserError
from pairjax.studies.factorial.design import Design, Network, arm_of
from pairjax.studies.factorial.parts import HEADS, PILOT, TRAIN_PAIRS
from pairjax.workdir.workdir import read_summary


class Cell(NamedTuple):
    """One arm of one network at one number of train pairs."""

    network: str
    sharing: str
    aux_weight: float
    train_pairs: int
    head: str = 'learned'
    main_weight: float = 1.0


class Outcome(NamedTuple):
    """What the seeds of a cell reached.

    Attributes:
      test, validation: final accuracies, fractions by seed, without failed seeds.
      failed_seeds: which runs diverged.
      num_params: of the network.
      learning_rate: picked for the arm.
    """

    test: pd.Series
    validation: pd.Series
    failed_seeds: list[int]
    num_params: int
    learning_rate: float


class Results(NamedTuple):
    """Everything that the document is made from.

    Attributes:
      cells: see `Cell` and `Outcome`.
      pilots: summary.json of each pilot.
      data: source and sizes of the digits.
    """

    cells: dict[Cell, Outcome]
    pilots: dict[str, dict[str, Any]]
    data: dict[str, Any]


def read_results(design: Design, workdirs: Mapping[str, Path]) -> Results:
    """Reads the finished parts of the study.

    Args:
      design: what was varied.
      workdirs: of the finished parts by name, as `study.run_study` returns them.

    Raises: UserError where nothing is finished, or where parts saw different digits.
    """
    summaries = {name: read_summary(path) for name, path in workdirs.items()}
    if not summaries:
        raise UserError('no part of the study is finished, so there is nothing to write')
    first, *others = summaries
    for name in others:
        if summaries[name]['data'] != summaries[first]['data']:
            raise UserError(
                f'{workdirs[name]} was trained on other digits than {workdirs[first]}; name '
                'another --workdir'
            )
    cells = {}
    for network in design.networks:
        for name in (network.name, network.name + TRAIN_PAIRS, network.name + HEADS):
            for trial in summaries.get(name, {'trials': []})['trials']:
                cells[_cell(network, trial)] = _outcome(trial)
    pilots = {name.removesuffix(PILOT): s for name, s in summaries.items() if name.endswith(PILOT)}
    return Results(cells, pilots, summaries[first]['data'])


def _cell(network: Network, trial: Mapping[str, Any]) -> Cell:
    hyper = trial['hyperparameters']
    sharing, aux_weight, *head = arm_of(network, hyper)
    return Cell(network.name, sharing, aux_weight, hyper['data.num_train_pairs'], *head)


def _outcome(trial: Mapping[str, Any]) -> Outcome:
    def by_seed(name):
        return pd.Series(trial[name]['values'], index=trial['seeds'], dtype=float).dropna()

    return Outcome(
        by_seed('final_test_accuracy'),
        by_seed('final_validation_accuracy'),
        trial['failed_seeds'],
        trial['num_params'],
        trial['hyperparameters']['optimizer.learning_rate'],
    )
