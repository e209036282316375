"""The parts of the study as configs, and the learning rates picked between them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from ml_collections import ConfigDict

from pairjax.analysis.results import TrialResult, read_experiment
from pairjax.errors import UserError, unknown_name
from pairjax.studies.factorial.design import (
    Design,
    DesignCell,
    Network,
    Settings,
    base_config,
    cell_of,
    full_train_pairs,
    head_cells,
    sharings,
)

PILOT, TRAIN_PAIRS, HEADS = '-pilot', '-train_pairs', '-heads'

Picks = Mapping[DesignCell, float]


def part_names(design: Design) -> list[str]:
    """The names of all parts, pilots first."""
    names = [network.name for network in design.networks]
    smaller = [network.name + TRAIN_PAIRS for network in design.networks if network.train_pairs]
    heads = [network.name + HEADS for network in design.networks if network.heads]
    return [name + PILOT for name in names + heads] + names + smaller + heads


def pilot_configs(design: Design, network: Network) -> dict[str, ConfigDict]:
    """The network's pilots by name: every arm with every learning rate, on seeds of their own."""
    rates = ('optimizer.learning_rate', design.learning_rates)
    learned = [_sharing_settings(network, sharing) for sharing in sharings(network)]
    heads = [_cell_settings(network, cell) for cell in head_cells(design, network)]
    pilots = {PILOT: (learned, (('loss.aux_weight', design.aux_weights), rates))}
    if heads:
        pilots[HEADS + PILOT] = (heads, (rates,))
    configs = {}
    for suffix, (settings, product) in pilots.items():
        config = base_config(design, network, suffix, settings)
        config.seed, config.num_seeds = design.first_pilot_seed, design.num_pilot_seeds
        config.sweep.product = product
        configs[network.name + suffix] = config
    return configs


def trained_configs(design: Design, network: Network, picks: Picks) -> dict[str, ConfigDict]:
    """The network's parts that follow its pilots, by name; those without a pick are left out.

    Args:
      design, network: what is varied.
      picks: the learning rate of each cell with all train pairs.
    """
    settings = {
        cell: (*_cell_settings(network, cell), ('optimizer.learning_rate', rate))
        for cell, rate in picks.items()
    }
    full = full_train_pairs(design, network)
    small = [
        DesignCell(network.name, sharing, weight, full)
        for sharing in ('shared', 'separate')
        for weight in (0.0, design.named_weight)
    ]
    parts = {
        '': [settings[cell] for cell in picks if cell.head == 'learned'],
        TRAIN_PAIRS: [
            (*settings[cell], ('data.num_train_pairs', num_pairs))
            for num_pairs in network.train_pairs
            for cell in small
            if cell in picks
        ],
        HEADS: [settings[cell] for cell in picks if cell.head != 'learned'],
    }
    # Without settings a sweep is one trial: the defaults, which are no arm.
    return {
        network.name + suffix: base_config(design, network, suffix, mine)
        for suffix, mine in parts.items()
        if mine
    }


def part_config(design: Design, part: str, workdir: str = 'runs/study') -> ConfigDict:
    """The config of the part of that name, with learning rates from the pilot in workdir.

    Raises: UserError where there is no such part, or no finished pilot.
    """
    if part not in part_names(design):
        raise unknown_name('part of the study', part, part_names(design))
    network = next(n for n in design.networks if n.name == part.partition('-')[0])
    if part.endswith(PILOT):
        return pilot_configs(design, network)[part]
    pilot = Path(workdir) / (part.removesuffix(TRAIN_PAIRS) + PILOT)
    if not (pilot / 'summary.json').exists():
        raise UserError(
            f'{part} takes its learning rates from {pilot}, where nothing is finished; train '
            f'{pilot.name} there first'
        )
    picks = pick_learning_rates(network, read_experiment(pilot).trials)
    configs = trained_configs(design, network, picks)
    if part not in configs:
        raise UserError(f'{part} has no learning rates, because every run of {pilot} failed')
    return configs[part]


def pick_learning_rates(network: Network, trials: Iterable[TrialResult]) -> dict[DesignCell, float]:
    """The learning rate of each cell, picked on validation pairs alone.

    Args:
      network: the network of the pilot.
      trials: of the pilot.

    Returns: per cell, in the pilot's order, the rate with the fewest failed seeds and of these the
      one with the highest mean final validation accuracy, the first on ties. A cell whose every
      run failed has no pick.
    """
    scores: dict[DesignCell, dict[float, tuple[int, float]]] = {}
    for trial in trials:
        accuracy = trial.statistic('final_validation_accuracy')['mean']
        if accuracy is not None:
            cell = cell_of(network, trial.hyperparameters)
            rate = trial.hyperparameters['optimizer.learning_rate']
            scores.setdefault(cell, {})[rate] = (-len(trial.failed_seeds), accuracy)
    return {cell: max(rates, key=rates.get) for cell, rates in scores.items()}


def _sharing_settings(network: Network, sharing: str) -> Settings:
    weight_sharing, widths = sharings(network)[sharing]
    return (('model.weight_sharing', weight_sharing), ('model.widths', widths))


def _cell_settings(network: Network, cell: DesignCell) -> Settings:
    settings = (*_sharing_settings(network, cell.sharing), ('loss.aux_weight', cell.aux_weight))
    if cell.head == 'learned':
        return settings
    return (*settings, ('model.head', cell.head), ('loss.main_weight', cell.main_weight))
