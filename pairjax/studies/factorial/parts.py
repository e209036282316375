"""The parts of the study as configs, and the learning rates picked between them. No jax in here."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from pairjax.config import default_config
from pairjax.errors import UserError, unknown_name
from pairjax.studies.factorial.design import Arm, Design, Network, arm_of, head_arms, sharings
from pairjax.workdir.workdir import read_summary

PILOT, TRAIN_PAIRS, HEADS = '-pilot', '-train_pairs', '-heads'

Picks = Mapping[Arm, float]


def full_train_pairs(design: Design, network: Network) -> int:
    """The number of train pairs of every part but that with fewer."""
    return _base_config(design, network).data.num_train_pairs


def num_test_pairs(design: Design) -> int:
    """The number of test pairs of every run."""
    return _base_config(design, design.networks[0]).data.num_test_pairs


def pilot_config(design: Design, network: Network) -> ConfigDict:
    """Every arm that learns to compare with every learning rate, on seeds of its own."""
    config = _pilot_base(design, network, PILOT)
    config.sweep.settings = tuple(_sharing_settings(network, name) for name in sharings(network))
    config.sweep.product = (
        ('loss.aux_weight', design.aux_weights),
        ('optimizer.learning_rate', design.learning_rates),
    )
    return config


def heads_pilot_config(design: Design, network: Network) -> ConfigDict:
    """The same for the arms that compare without parameters."""
    config = _pilot_base(design, network, HEADS + PILOT)
    config.sweep.settings = tuple(_arm_settings(network, arm) for arm in head_arms(design, network))
    config.sweep.product = (('optimizer.learning_rate', design.learning_rates),)
    return config


def main_config(design: Design, network: Network, picks: Picks) -> ConfigDict:
    """Every arm with a pick that learns to compare, with the learning rate picked for it."""
    learned = [arm for arm in picks if arm.head == 'learned']
    return _picked_config(design, network, '', picks, learned)


def heads_config(design: Design, network: Network, picks: Picks) -> ConfigDict:
    """Every arm with a pick that compares without parameters."""
    others = [arm for arm in picks if arm.head != 'learned']
    return _picked_config(design, network, HEADS, picks, others)


def train_pairs_config(design: Design, network: Network, picks: Picks) -> ConfigDict:
    """Shared and separate with fewer train pairs, without and with the auxiliary loss."""
    config = _base_config(design, network, TRAIN_PAIRS)
    wanted = [Arm(name, w) for name in ('shared', 'separate') for w in (0.0, design.named_weight)]
    config.sweep.settings = tuple(
        (*_picked_settings(network, picks, arm), ('data.num_train_pairs', num_pairs))
        for num_pairs in network.train_pairs
        for arm in wanted
        if arm in picks
    )
    return config


def part_names(design: Design) -> list[str]:
    """The names of all parts, pilots first."""
    names = [network.name for network in design.networks]
    smaller = [network.name + TRAIN_PAIRS for network in design.networks if network.train_pairs]
    heads = [network.name + HEADS for network in design.networks if network.heads]
    return [name + PILOT for name in names + heads] + names + smaller + heads


def pilot_configs(design: Design, network: Network) -> dict[str, ConfigDict]:
    """The network's pilots by name."""
    configs = {network.name + PILOT: pilot_config(design, network)}
    if network.heads:
        configs[network.name + HEADS + PILOT] = heads_pilot_config(design, network)
    return configs


def trained_configs(
    design: Design, network: Network, picks: Picks
) -> Iterator[tuple[str, ConfigDict]]:
    """Names and configs of the network's parts that follow its pilots and have trials."""
    parts = {
        network.name: main_config(design, network, picks),
        network.name + TRAIN_PAIRS: train_pairs_config(design, network, picks),
        network.name + HEADS: heads_config(design, network, picks),
    }
    for name, config in parts.items():
        # Without settings a sweep is one trial: the defaults, which are no arm.
        if config.sweep.settings:
            yield name, config


def part_config(design: Design, part: str, workdir: str = 'runs/study') -> ConfigDict:
    """The config of the part of that name, with learning rates from the pilot in workdir.

    Raises: UserError where there is no such part, or no pilot's summary.json.
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
    picks = pick_learning_rates(network, read_summary(pilot))
    configs = dict(trained_configs(design, network, picks))
    if part not in configs:
        raise UserError(f'{part} has no learning rates: every run that {pilot} tells of failed')
    return configs[part]


def pick_learning_rates(network: Network, pilot: Mapping[str, Any]) -> dict[Arm, float]:
    """The learning rate of each arm, picked on validation pairs alone.

    Args:
      network: whose pilot it is.
      pilot: its summary.json.

    Returns: per arm, in the pilot's order, the rate with the fewest failed seeds and of these the
      one with the highest mean final validation accuracy, the first on ties. An arm of which
      every run failed has no pick.
    """
    best: dict[Arm, tuple[int, float]] = {}
    picks: dict[Arm, float] = {}
    for trial in pilot['trials']:
        arm = arm_of(network, trial['hyperparameters'])
        accuracy = trial['final_validation_accuracy']['mean']
        if accuracy is None:
            continue
        score = (-len(trial['failed_seeds']), accuracy)
        if arm not in best or score > best[arm]:
            best[arm], picks[arm] = score, trial['hyperparameters']['optimizer.learning_rate']
    return picks


def _base_config(design: Design, network: Network, suffix: str = '') -> ConfigDict:
    config = default_config()
    config.name = f'study-{network.name}{suffix}'
    config.num_seeds = network.num_seeds
    config.model.name, config.model.widths = network.name, network.widths
    config.loss.main_weight = 1.0
    config.update_from_flattened_dict(dict((*network.settings, *design.settings)))
    return config


def _pilot_base(design: Design, network: Network, suffix: str) -> ConfigDict:
    config = _base_config(design, network, suffix)
    config.seed, config.num_seeds = design.first_pilot_seed, design.num_pilot_seeds
    return config


def _picked_config(
    design: Design, network: Network, suffix: str, picks: Picks, arms: Iterable[Arm]
) -> ConfigDict:
    config = _base_config(design, network, suffix)
    config.sweep.settings = tuple(_picked_settings(network, picks, arm) for arm in arms)
    return config


def _sharing_settings(network: Network, name: str) -> tuple[tuple[str, Any], ...]:
    weight_sharing, widths = sharings(network)[name]
    return (('model.weight_sharing', weight_sharing), ('model.widths', widths))


def _arm_settings(network: Network, arm: Arm) -> tuple[tuple[str, Any], ...]:
    settings = (*_sharing_settings(network, arm.sharing), ('loss.aux_weight', arm.aux_weight))
    if arm.head == 'learned':
        return settings
    return (*settings, ('model.head', arm.head), ('loss.main_weight', arm.main_weight))


def _picked_settings(network: Network, picks: Picks, arm: Arm) -> tuple[tuple[str, Any], ...]:
    return (*_arm_settings(network, arm), ('optimizer.learning_rate', picks[arm]))
