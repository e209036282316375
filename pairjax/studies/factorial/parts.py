"""The parts of the study as configs, and the learning rates picked between them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from ml_collections import ConfigDict

from pairjax.analysis.results import FINAL, TrialResult, read_experiment
from pairjax.errors import UserError, unknown_name
from pairjax.studies.factorial.design import (
    Design,
    DesignCell,
    Network,
    Settings,
    base_config,
    cell_of,
    head_cells,
    sharings,
)

PILOT, FINALISTS, TRAIN_PAIRS, HEADS = '-pilot', '-finalists', '-train_pairs', '-heads'


def part_names(design: Design) -> list[str]:
    """The names of all parts: pilots, finalists, and what takes its learning rates from both."""
    names = [network.name for network in design.networks]
    smaller = [network.name + TRAIN_PAIRS for network in design.networks if network.train_pairs]
    heads = [network.name + HEADS for network in design.networks if network.heads]
    looks = [name + suffix for suffix in (PILOT, FINALISTS) for name in names + heads]
    return looks + names + smaller + heads


def pilots_of(part: str) -> list[str]:
    """The names of the parts that a part takes its learning rates from; none for a pilot."""
    if part.endswith(PILOT):
        return []
    arms = part.removesuffix(TRAIN_PAIRS).removesuffix(FINALISTS)
    return [arms + PILOT] if part.endswith(FINALISTS) else [arms + PILOT, arms + FINALISTS]


def pilot_config(design: Design, part: str) -> ConfigDict:
    """The pilot of that name: every arm with every learning rate, on the first pilot seeds."""
    network, suffix = _split(design, part)
    product = (('optimizer.learning_rate', design.learning_rates),)
    if suffix == PILOT:
        settings = [_sharing_settings(network, sharing) for sharing in sharings(network)]
        product = (('loss.aux_weight', design.aux_weights), *product)
    else:
        settings = [_arm_settings(network, cell) for cell in head_cells(design, network)]
    config = base_config(design, network, suffix, settings)
    config.seed, config.num_seeds = design.first_pilot_seed, design.num_first_looks
    config.sweep.product = product
    return config


def trained_config(
    design: Design, part: str, rates: Mapping[DesignCell, Sequence[float]]
) -> ConfigDict | None:
    """The part of that name, which follows its pilots; None where none of its arms has a rate.

    Args:
      design: what is varied.
      part: its name.
      rates: the learning rates of each cell of its pilot, best first, see `rank_learning_rates`;
        a part of finalists takes several of them, any other the first.
    """
    network, suffix = _split(design, part)
    number = design.num_finalists if suffix.endswith(FINALISTS) else 1
    arms = [
        (cell, (*_arm_settings(network, cell), ('optimizer.learning_rate', rate)))
        for cell, ranked in rates.items()
        for rate in ranked[:number]
    ]
    settings = [arm for _, arm in arms]
    if suffix == TRAIN_PAIRS:
        settings = [
            (*arm, ('data.num_train_pairs', size))
            for size in network.train_pairs
            for cell, arm in arms
            if cell.sharing != 'cut' and cell.aux_weight in (0.0, design.named_weight)
        ]
    if not settings:  # A sweep without settings is one trial: the defaults, which are no arm.
        return None
    config = base_config(design, network, suffix, settings)
    if suffix.endswith(FINALISTS):
        config.seed = design.first_pilot_seed + design.num_first_looks
        config.num_seeds = design.num_pilot_seeds - design.num_first_looks
    return config


def part_config(design: Design, part: str, workdir: str = 'runs/study') -> ConfigDict:
    """The config of the part of that name, with learning rates from the pilots in workdir.

    Raises: UserError where there is no such part, or a pilot that is not finished.
    """
    if part not in part_names(design):
        raise unknown_name('part of the study', part, part_names(design))
    if part.endswith(PILOT):
        return pilot_config(design, part)
    for pilot in (Path(workdir) / name for name in pilots_of(part)):
        if not (pilot / 'summary.json').exists():
            raise UserError(
                f'{part} takes its learning rates from {pilot}, where nothing is finished; train '
                f'{pilot.name} there first'
            )
    config = trained_config(design, part, read_rates(design, part, Path(workdir)))
    if config is None:
        raise UserError(f'{part} has no learning rates, because every run of {pilot} failed')
    return config


def read_rates(design: Design, part: str, workdir: Path) -> dict[DesignCell, list[float]]:
    """The learning rates for a part, best first, from its finished pilots below workdir."""
    network, trials = _split(design, part)[0], []
    for pilot in pilots_of(part):
        trials += read_experiment(workdir / pilot).trials
    return rank_learning_rates(pool_pilots(network, trials))


class PilotRuns(NamedTuple):
    """The pilot runs of an arm with one learning rate: accuracies by seed, fractions.

    Attributes:
      validation, test: of the seeds that did not fail.
      num_failed: seeds that failed.
    """

    validation: pd.Series
    test: pd.Series
    num_failed: int


def pool_pilots(
    network: Network, trials: Iterable[TrialResult]
) -> dict[DesignCell, dict[float, PilotRuns]]:
    """The runs of a pilot and of its finalists by cell and learning rate, in their order."""
    pooled: dict[DesignCell, dict[float, PilotRuns]] = {}
    for trial in trials:
        rates = pooled.setdefault(cell_of(network, trial.hyperparameters), {})
        rate = trial.hyperparameters['optimizer.learning_rate']
        found = [trial.values(name) for name in ('final_validation_accuracy', FINAL)]
        before = rates.get(rate, PilotRuns(*(values[:0] for values in found), 0))
        both = (pd.concat(pair) for pair in zip(before, found, strict=False))
        rates[rate] = PilotRuns(*both, before.num_failed + len(trial.failed_seeds))
    return pooled


def rank_learning_rates(
    pooled: Mapping[DesignCell, Mapping[float, PilotRuns]],
) -> dict[DesignCell, list[float]]:
    """The learning rates of each cell, best first, ranked on validation pairs alone.

    Args:
      pooled: see `pool_pilots`.

    Returns: per cell the rates with the most seeds, of these those with the fewest failed ones, and
      of these by their mean final validation accuracy, ties in the pilot's order. A rate whose
      every run failed is left out, and so is a cell without any rate.
    """

    def merit(runs: PilotRuns) -> tuple[int, int, float]:
        seeds = len(runs.validation) + runs.num_failed
        return seeds, -runs.num_failed, float(runs.validation.mean())

    ranked = {
        cell: sorted(
            (rate for rate in rates if len(rates[rate].validation)),
            key=lambda rate: merit(rates[rate]),
            reverse=True,
        )
        for cell, rates in pooled.items()
    }
    return {cell: rates for cell, rates in ranked.items() if rates}


def _split(design: Design, part: str) -> tuple[Network, str]:
    """The network of a part, and what its name adds to the network's."""
    network = next(n for n in design.networks if n.name == part.partition('-')[0])
    return network, part.removeprefix(network.name)


def _sharing_settings(network: Network, sharing: str) -> Settings:
    weight_sharing, widths = sharings(network)[sharing]
    return (('model.weight_sharing', weight_sharing), ('model.widths', widths))


def _arm_settings(network: Network, cell: DesignCell) -> Settings:
    settings = (*_sharing_settings(network, cell.sharing), ('loss.aux_weight', cell.aux_weight))
    if cell.head == 'learned':
        return settings
    return (*settings, ('model.head', cell.head), ('loss.main_weight', cell.main_weight))
