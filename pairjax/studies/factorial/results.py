"""The results of the factorial study, by design cell and seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pairjax.analysis.results import TrialResult, check_same_data, read_experiment
from pairjax.errors import UserError
from pairjax.studies.factorial.design import Design, DesignCell, cell_of
from pairjax.studies.factorial.parts import HEADS, PILOT, TRAIN_PAIRS


@dataclass(frozen=True)
class StudyResults:
    """The results that study.md is written from.

    Attributes:
      trials: the trained trial of each cell; pilot trials are left out.
      num_pilot_runs: number of pilot runs, which select the learning rates.
      data: source, pool sizes and fingerprint of the images.
    """

    trials: dict[DesignCell, TrialResult]
    num_pilot_runs: int
    data: Mapping[str, Any]

    def test_accuracy(self, cell: DesignCell) -> pd.Series:
        """Final test accuracies of a trained cell as fractions, by seed, without failed seeds."""
        return self.trials[cell].values('final_test_accuracy')


def read_study(design: Design, workdirs: Mapping[str, Path]) -> StudyResults:
    """Reads the finished parts of the study.

    Args:
      design: the factorial design.
      workdirs: the workdirs of the finished parts by name, see `running.run_study`.

    Raises: UserError if no part is finished, or parts were trained on different images.
    """
    parts = {name: read_experiment(path) for name, path in workdirs.items()}
    if not parts:
        raise UserError('no part of the study is finished; run it to the end of one part first')
    check_same_data(parts.values())
    trials = {}
    for network in design.networks:
        for name in (network.name, network.name + TRAIN_PAIRS, network.name + HEADS):
            for trial in parts[name].trials if name in parts else ():
                trials[cell_of(network, trial.hyperparameters)] = trial
    pilots = [trial for name in parts if name.endswith(PILOT) for trial in parts[name].trials]
    first = next(iter(parts.values()))
    return StudyResults(trials, sum(len(trial.seeds) for trial in pilots), first.data)
