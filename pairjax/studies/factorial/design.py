"""What the study varies: networks, and the arms that are compared."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from pairjax.config import default_config

Settings = tuple[tuple[str, Any], ...]


class Network(NamedTuple):
    """One network of the study.

    Attributes:
      name: in `models.MODELS`.
      widths: layer widths of the shared and of the separate branches.
      cut_widths: widths at which separate branches have the shared network's number of
        parameters; None where there are none.
      num_seeds: of every part but the pilots, seeds 0, 1, ...
      why_not_cut: the reason, where cut_widths is None.
      settings: (field, value) of what differs from default_config().
      train_pairs: numbers of train pairs besides the default one.
      heads: (model.head, main weight) of heads without parameters, tried at the named aux weight.
    """

    name: str
    widths: tuple[int, ...]
    cut_widths: tuple[int, ...] | None
    num_seeds: int
    why_not_cut: str = ''
    settings: Settings = ()
    train_pairs: tuple[int, ...] = ()
    heads: tuple[tuple[str, float], ...] = ()


class Design(NamedTuple):
    """What the whole study varies; the summary of the document is about the first network.

    Attributes:
      networks: see `Network`.
      aux_weights: weights of the auxiliary loss beside a main weight of 1; 0 must be among them.
      named_weight: the aux weight that, beside 0, is tried with fewer train pairs and with heads
        without parameters.
      learning_rates: those that the pilots try.
      first_pilot_seed: larger than every seed of the other parts.
      num_first_looks: pilot seeds with every learning rate.
      num_finalists: of the learning rates of each arm, the best after these seeds.
      num_pilot_seeds: pilot seeds of the finalists, those of the first look included.
      settings: (field, value) of every config.
    """

    networks: tuple[Network, ...]
    aux_weights: tuple[float, ...]
    named_weight: float
    learning_rates: tuple[float, ...]
    first_pilot_seed: int
    num_first_looks: int
    num_finalists: int
    num_pilot_seeds: int
    settings: Settings = ()


class DesignCell(NamedTuple):
    """One arm of one network at one number of train pairs; a pilot picks a learning rate for it."""

    network: str
    sharing: str
    aux_weight: float
    train_pairs: int
    head: str = 'learned'
    main_weight: float = 1.0


def base_config(
    design: Design, network: Network, suffix: str = '', settings: Iterable[Settings] = ()
) -> ConfigDict:
    """The network with all of its seeds, and a trial for each of the settings."""
    config = default_config()
    config.name = f'study-{network.name}{suffix}'
    config.num_seeds = network.num_seeds
    config.model.name, config.model.widths = network.name, network.widths
    config.loss.main_weight = 1.0
    config.update_from_flattened_dict(dict((*network.settings, *design.settings)))
    config.sweep.settings = tuple(settings)
    return config


def full_train_pairs(design: Design, network: Network) -> int:
    """The number of train pairs of every part but that with fewer."""
    return base_config(design, network).data.num_train_pairs


def sized_cells(design: Design, network: Network) -> list[DesignCell]:
    """The shared cells whose train pairs vary: weight 0 and the named one, sizes ascending."""
    sizes = sorted((*network.train_pairs, full_train_pairs(design, network)))
    return [
        DesignCell(network.name, 'shared', weight, size)
        for weight in (0.0, design.named_weight)
        for size in (sizes if network.train_pairs else ())
    ]


def sharings(network: Network) -> dict[str, tuple[bool, tuple[int, ...]]]:
    """weight_sharing and widths of the shared, separate and (where there is one) cut network."""
    ways = {'shared': (True, network.widths), 'separate': (False, network.widths)}
    return ways | ({'cut': (False, network.cut_widths)} if network.cut_widths else {})


def cell_of(network: Network, hyperparameters: Mapping[str, Any]) -> DesignCell:
    """The cell of a trial with these hyperparameters (sequences as lists)."""
    found = (hyperparameters['model.weight_sharing'], tuple(hyperparameters['model.widths']))
    sharing = next(name for name, way in sharings(network).items() if way == found)
    fields = ('loss.aux_weight', 'data.num_train_pairs', 'model.head', 'loss.main_weight')
    return DesignCell(network.name, sharing, *(hyperparameters[field] for field in fields))


def head_cells(design: Design, network: Network) -> list[DesignCell]:
    """The cells with a head without parameters, with branches shared and separate."""
    full = full_train_pairs(design, network)
    return [
        DesignCell(network.name, sharing, design.named_weight, full, *head)
        for sharing in ('shared', 'separate')
        for head in network.heads
    ]
