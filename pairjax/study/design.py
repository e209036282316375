"""What the study varies, and the configs of its parts. No jax in here."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from pairjax.config import default_config
from pairjax.errors import UserError, unknown_name
from pairjax.records import read_summary

PILOT, TRAIN_PAIRS = '-pilot', '-train_pairs'


class Network(NamedTuple):
    """One network of the study.

    Attributes:
      name: in `models.MODELS`.
      widths: of the shared and of the separate branches.
      cut_widths: with which separate branches have the shared network's number of
        parameters; None where no widths give that.
      num_seeds: of the main part, seeds 0, 1, ...
      why_not_cut: the reason, where cut_widths is None.
      settings: (field, value) of what differs from default_config().
      train_pairs: numbers of train pairs besides the default one.
    """

    name: str
    widths: tuple[int, ...]
    cut_widths: tuple[int, ...] | None
    num_seeds: int
    why_not_cut: str = ''
    settings: tuple[tuple[str, Any], ...] = ()
    train_pairs: tuple[int, ...] = ()


class Design(NamedTuple):
    """What the whole study varies; the first network is the one its sentences speak of.

    Attributes:
      networks: see `Network`.
      aux_weights: beside a main weight of 1; 0 must be among them.
      named_weight: the aux weight which, beside 0, is tried with fewer train pairs.
      learning_rates: those that the pilot tries.
      first_pilot_seed: lies past every seed of the main parts.
      num_pilot_seeds: how many seeds the pilot has.
      settings: (field, value) of every config.
    """

    networks: tuple[Network, ...]
    aux_weights: tuple[float, ...]
    named_weight: float
    learning_rates: tuple[float, ...]
    first_pilot_seed: int
    num_pilot_seeds: int
    settings: tuple[tuple[str, Any], ...] = ()


class Arm(NamedTuple):
    """What one learning rate is picked for."""

    sharing: str
    aux_weight: float


Picks = Mapping[Arm, float]


def sharings(network: Network) -> dict[str, tuple[bool, tuple[int, ...]]]:
    """The network's ways to share, by name: weight_sharing and widths of each."""
    ways = {'shared': (True, network.widths), 'separate': (False, network.widths)}
    return ways | ({'cut': (False, network.cut_widths)} if network.cut_widths else {})


def sharing_of(network: Network, hyperparameters: Mapping[str, Any]) -> str:
    """Which of `sharings` a trial of summary.json has."""
    found = (hyperparameters['model.weight_sharing'], tuple(hyperparameters['model.widths']))
    return next(name for name, way in sharings(network).items() if way == found)


def arm_of(network: Network, hyperparameters: Mapping[str, Any]) -> Arm:
    """The arm that a trial of summary.json belongs to."""
    return Arm(sharing_of(network, hyperparameters), hyperparameters['loss.aux_weight'])


def full_train_pairs(design: Design, network: Network) -> int:
    """The number of train pairs of the pilot and the main part."""
    return _base_config(design, network).data.num_train_pairs


def num_test_pairs(design: Design) -> int:
    """The number of test pairs of every run."""
    return _base_config(design, design.networks[0]).data.num_test_pairs


def pilot_config(design: Design, network: Network) -> ConfigDict:
    """Every arm with every learning rate, on seeds of its own."""
    config = _base_config(design, network, PILOT)
    config.seed, config.num_seeds = design.first_pilot_seed, design.num_pilot_seeds
    config.sweep.settings = tuple(_sharing_settings(network, name) for name in sharings(network))
    config.sweep.product = (
        ('loss.aux_weight', design.aux_weights),
        ('optimizer.learning_rate', design.learning_rates),
    )
    return config


def main_config(design: Design, network: Network, picks: Picks) -> ConfigDict:
    """Every arm that has a pick, with the learning rate picked for it."""
    config = _base_config(design, network)
    config.sweep.settings = tuple(_arm_settings(network, picks, arm) for arm in picks)
    return config


def train_pairs_config(design: Design, network: Network, picks: Picks) -> ConfigDict:
    """Shared and separate with fewer train pairs, without and with the auxiliary loss."""
    config = _base_config(design, network, TRAIN_PAIRS)
    wanted = [Arm(name, w) for name in ('shared', 'separate') for w in (0.0, design.named_weight)]
    config.sweep.settings = tuple(
        (*_arm_settings(network, picks, arm), ('data.num_train_pairs', num_pairs))
        for num_pairs in network.train_pairs
        for arm in wanted
        if arm in picks
    )
    return config


def part_names(design: Design) -> list[str]:
    """The names of all parts, pilots first."""
    names = [network.name for network in design.networks]
    smaller = [network.name + TRAIN_PAIRS for network in design.networks if network.train_pairs]
    return [name + PILOT for name in names] + names + smaller


def trained_configs(
    design: Design, network: Network, picks: Picks
) -> Iterator[tuple[str, ConfigDict]]:
    """Names and configs of the network's parts that follow its pilot and have trials."""
    parts = {
        network.name: main_config(design, network, picks),
        network.name + TRAIN_PAIRS: train_pairs_config(design, network, picks),
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
        return pilot_config(design, network)
    pilot = Path(workdir) / (network.name + PILOT)
    if not (pilot / 'summary.json').exists():
        raise UserError(
            f'{part} takes its learning rates from {pilot}, where nothing is finished; train '
            f'{network.name}{PILOT} there first'
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


def _sharing_settings(network: Network, name: str) -> tuple[tuple[str, Any], ...]:
    weight_sharing, widths = sharings(network)[name]
    return (('model.weight_sharing', weight_sharing), ('model.widths', widths))


def _arm_settings(network: Network, picks: Picks, arm: Arm) -> tuple[tuple[str, Any], ...]:
    return (
        *_sharing_settings(network, arm.sharing),
        ('loss.aux_weight', arm.aux_weight),
        ('optimizer.learning_rate', picks[arm]),
    )
