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
    head_cells,
    sharings,
)

PILOT, TRAIN_PAIRS, HEADS = '-pilot', '-train_pairs', '-heads'


def part_names(design: Design) -> list[str]:
    """The names of all parts, pilots first."""
    names = [network.name for network in design.networks]
    smaller = [network.name + TRAIN_PAIRS for network in design.networks if network.train_pairs]
    heads = [network.name + HEADS for network in design.networks if network.heads]
    return [name + PILOT for name in names + heads] + names + smaller + heads


def pilot_of(part: str) -> str:
    """The name of the pilot that a part takes its learning rates from."""
    return part.removesuffix(TRAIN_PAIRS) + PILOT


def pilot_config(design: Design, part: str) -> ConfigDict:
    """The pilot of that name: every arm with every learning rate, on seeds of their own."""
    network, suffix = _split(design, part)
    product = (('optimizer.learning_rate', design.learning_rates),)
    if suffix == PILOT:
        settings = [_sharing_settings(network, sharing) for sharing in sharings(network)]
        product = (('loss.aux_weight', design.aux_weights), *product)
    else:
        settings = [_arm_settings(network, cell) for cell in head_cells(design, network)]
    config = base_config(design, network, suffix, settings)
    config.seed, config.num_seeds = design.first_pilot_seed, design.num_pilot_seeds
    config.sweep.product = product
    return config


def trained_config(
    design: Design, part: str, picks: Mapping[DesignCell, float]
) -> ConfigDict | None:
    """The part of that name, which follows its pilot; None where none of its arms has a pick.

    Args:
      design: what is varied.
      part: its name.
      picks: the learning rate of each cell of its pilot, see `pick_learning_rates`.
    """
    network, suffix = _split(design, part)
    arms = {
        cell: (*_arm_settings(network, cell), ('optimizer.learning_rate', rate))
        for cell, rate in picks.items()
    }
    settings = list(arms.values())
    if suffix == TRAIN_PAIRS:
        settings = [
            (*arm, ('data.num_train_pairs', size))
            for size in network.train_pairs
            for cell, arm in arms.items()
            if cell.sharing != 'cut' and cell.aux_weight in (0.0, design.named_weight)
        ]
    # Without settings a sweep is one trial: the defaults, which are no arm.
    return base_config(design, network, suffix, settings) if settings else None


def part_config(design: Design, part: str, workdir: str = 'runs/study') -> ConfigDict:
    """The config of the part of that name, with learning rates from the pilot in workdir.

    Raises: UserError where there is no such part, or no finished pilot.
    """
    if part not in part_names(design):
        raise unknown_name('part of the study', part, part_names(design))
    if part.endswith(PILOT):
        return pilot_config(design, part)
    pilot = Path(workdir) / pilot_of(part)
    if not (pilot / 'summary.json').exists():
        raise UserError(
            f'{part} takes its learning rates from {pilot}, where nothing is finished; train '
            f'{pilot.name} there first'
        )
    config = trained_config(design, part, read_picks(design, part, Path(workdir)))
    if config is None:
        raise UserError(f'{part} has no learning rates, because every run of {pilot} failed')
    return config


def read_picks(design: Design, part: str, workdir: Path) -> dict[DesignCell, float]:
    """The learning rates for a part from its finished pilot below workdir."""
    pilot = read_experiment(workdir / pilot_of(part))
    return pick_learning_rates(_split(design, part)[0], pilot.trials)


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
