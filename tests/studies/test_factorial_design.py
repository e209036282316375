"""The arms of the study, their parameters, and learning rates picked on validation alone."""

import itertools
import runpy
from pathlib import Path

import pytest
from fake_study import DEEP, DESIGN, SMALL, train_nothing

from pairjax.analysis.results import TrialResult, read_experiment
from pairjax.config import validate
from pairjax.errors import UserError
from pairjax.models.registry import check_model_config, count_params
from pairjax.studies.factorial.design import (
    DesignCell,
    cell_of,
    full_train_pairs,
    head_cells,
    sharings,
)
from pairjax.studies.factorial.parts import (
    part_config,
    part_names,
    pick_learning_rates,
    pilot_config,
    trained_config,
)
from pairjax.trials import expand_trials

CONFIG_FILE = runpy.run_path(str(Path(__file__).parents[2] / 'configs' / 'study.py'))
STUDY, QUICK = CONFIG_FILE['DESIGN'], CONFIG_FILE['QUICK']


def trials_of(config):
    return [trial.hyperparameters for trial in expand_trials(validate(config))]


def num_params(network, weight_sharing, widths):
    config = pilot_config(STUDY, f'{network.name}-pilot')
    config.model.weight_sharing, config.model.widths = weight_sharing, widths
    return count_params(config.model, num_classes=10)


def every_pick(network, rate=1e-3):
    return {
        DesignCell(network.name, s, w, 1000): rate
        for s in sharings(network)
        for w in DESIGN.aux_weights
    }


# ------------------------------------------------------------------ arms and parameters


def test_the_study_is_as_large_as_announced():
    assert [(n.name, n.num_seeds) for n in STUDY.networks] == [
        ('AuxNet2', 50),
        ('AuxNet1', 20),
        ('AuxNet3', 20),
        ('DeepModel', 20),
    ]
    assert STUDY.aux_weights == (0, 0.25, 0.5, 1, 2, 4)
    assert STUDY.learning_rates == (5e-4, 1e-3, 2e-3, 5e-3, 1e-2)
    assert STUDY.first_pilot_seed >= max(network.num_seeds for network in STUDY.networks)


@pytest.mark.parametrize('network', [n for n in STUDY.networks if n.cut_widths], ids=lambda n: n[0])
def test_cut_widths_come_nearest_to_the_shared_parameters(network):
    """Of all common factors on the widths, none comes nearer; the count grows with the factor."""
    scaled = {
        tuple(max(1, int(factor / 4096 * width + 0.5)) for width in network.widths)
        for factor in range(2048, 4097)
    }
    scaled = sorted(scaled)
    shared = num_params(network, True, network.widths)
    place = scaled.index(network.cut_widths)
    below, cut, above = (num_params(network, False, w) for w in scaled[place - 1 : place + 2])
    assert below < cut < above
    assert abs(cut - shared) <= min(abs(below - shared), abs(above - shared))
    assert cut <= 1.02 * shared


def test_no_hidden_width_gives_deep_model_the_shared_parameters():
    network = next(n for n in STUDY.networks if n.name == 'DeepModel')
    shared = num_params(network, True, network.widths)
    assert num_params(network, False, (1,)) > 1.4 * shared  # As its reason says.
    assert network.cut_widths is None and '1.4 times' in network.why_not_cut


@pytest.mark.parametrize('design', [STUDY, QUICK], ids=['study', 'quick'])
def test_every_trial_of_every_part_is_sound(design):
    for network in design.networks:
        picks = {
            DesignCell(network.name, s, w, 1000): 1e-3
            for s in sharings(network)
            for w in design.aux_weights
        }
        heads = dict.fromkeys(head_cells(design, network), 1e-3)
        parts = [part for part in part_names(design) if part.startswith(network.name)]
        configs = [
            pilot_config(design, part)
            if part.endswith('-pilot')
            else trained_config(design, part, heads if part.endswith('-heads') else picks)
            for part in parts
        ]
        for config in configs:
            for trial in expand_trials(validate(config)):
                check_model_config(trial.config)
                compares = trial.config.model.head == 'learned'
                assert trial.config.loss.main_weight == 1 or not compares


def test_a_pilot_tries_every_rate_in_every_arm_on_seeds_of_its_own():
    config = pilot_config(STUDY, 'AuxNet2-pilot')
    trials = trials_of(config)
    tried = {(cell_of(STUDY.networks[0], t), t['optimizer.learning_rate']) for t in trials}
    assert len(trials) == len(tried) == 3 * 6 * 5
    assert (config.seed, config.num_seeds) == (1000, 3)
    assert len({t.structure for t in expand_trials(validate(config))}) == 3  # Programs.


def test_the_deep_model_has_the_second_reports_inputs():
    config = pilot_config(STUDY, 'DeepModel-pilot')
    assert config.data.standardize is False
    assert (config.model.dropout_rate, config.train.batch_size) == (0.0, 10)


def test_the_main_part_has_each_arm_once_with_its_pick():
    picks = {arm: 1e-3 * (i + 1) for i, arm in enumerate(every_pick(SMALL))}
    config = trained_config(DESIGN, 'AuxNet2', picks)
    trials = trials_of(config)
    assert {cell_of(SMALL, t): t['optimizer.learning_rate'] for t in trials} == picks
    assert len(trials) == len(picks) == 6
    assert (config.seed, config.num_seeds) == (0, 6)
    widths = {cell_of(SMALL, t).sharing: tuple(t['model.widths']) for t in trials}
    assert widths == {'shared': SMALL.widths, 'separate': SMALL.widths, 'cut': SMALL.cut_widths}


def test_fewer_train_pairs_change_nothing_but_their_number():
    picks = every_pick(SMALL)
    fewer = trials_of(trained_config(DESIGN, 'AuxNet2-train_pairs', picks))
    assert sorted((t['data.num_train_pairs'], *cell_of(SMALL, t)[1:3]) for t in fewer) == [
        (size, sharing, weight)
        for size in (250, 500)
        for sharing in ('separate', 'shared')
        for weight in (0.0, 2.0)
    ]
    main = {cell_of(SMALL, t): t for t in trials_of(trained_config(DESIGN, 'AuxNet2', picks))}
    for trial in fewer:
        same = main[cell_of(SMALL, trial)._replace(train_pairs=1000)]
        assert {f for f in trial if trial[f] != same[f]} == {'data.num_train_pairs'}
    assert full_train_pairs(DESIGN, SMALL) == 1000


def test_heads_without_parameters_are_tried_with_both_kinds_of_branches():
    arms = head_cells(DESIGN, SMALL)
    assert [(arm.sharing, arm.head, arm.main_weight) for arm in arms] == [
        (sharing, *head) for sharing in ('shared', 'separate') for head in SMALL.heads
    ]
    assert head_cells(DESIGN, DEEP) == []
    pilot = pilot_config(DESIGN, 'AuxNet2-heads-pilot')
    tried = [(cell_of(SMALL, t), t['optimizer.learning_rate']) for t in trials_of(pilot)]
    assert sorted(tried) == sorted(itertools.product(arms, DESIGN.learning_rates))
    assert (pilot.seed, pilot.num_seeds) == (1000, 2)
    picks = {arm: 1e-3 * (i + 1) for i, arm in enumerate(arms)}
    config = trained_config(DESIGN, 'AuxNet2-heads', picks)
    rates = {cell_of(SMALL, t): t['optimizer.learning_rate'] for t in trials_of(config)}
    assert rates == picks
    assert (config.seed, config.num_seeds) == (0, 6)


# -------------------------------------------------------------------------------- picks


def pilot_trials(tmp_path, accuracies, failed=()):
    pilot = pilot_config(DESIGN, 'AuxNet2-pilot')
    train_nothing(accuracies, failed)(pilot, tmp_path / 'AuxNet2-pilot')
    return read_experiment(tmp_path / 'AuxNet2-pilot').trials


def test_rates_are_picked_on_validation_where_test_disagrees(tmp_path):
    best = {'shared': 1e-3, 'separate': 5e-3, 'cut': 1e-2}

    def accuracies(hyper, seed):
        right = hyper['optimizer.learning_rate'] == best[cell_of(SMALL, hyper).sharing]
        return (0.1, 0.9) if right else (0.9, 0.1)  # Test, validation.

    picks = pick_learning_rates(SMALL, pilot_trials(tmp_path, accuracies))
    assert picks == {
        DesignCell('AuxNet2', s, w, 1000): rate for s, rate in best.items() for w in (0.0, 2.0)
    }


def test_the_first_rate_wins_a_tie(tmp_path):
    picks = pick_learning_rates(SMALL, pilot_trials(tmp_path, lambda hyper, seed: (0.5, 0.5)))
    assert set(picks.values()) == {1e-3}


def trial_of(rate, mean, failed_seeds=()):
    hyper = {'model.weight_sharing': True, 'model.widths': list(SMALL.widths)}
    hyper |= {'model.head': 'learned', 'loss.main_weight': 1.0}
    hyper |= {'data.num_train_pairs': 1000, 'loss.aux_weight': 2.0, 'optimizer.learning_rate': rate}
    statistics = {'final_validation_accuracy': {'mean': mean}, 'failed_seeds': list(failed_seeds)}
    return TrialResult(0, '', {'hyperparameters': hyper, **statistics}, None)


def test_a_rate_at_which_seeds_fail_loses_to_one_at_which_none_does():
    trials = [trial_of(1e-3, 0.7), trial_of(5e-3, 0.9, [1001]), trial_of(1e-2, None, [1000, 1001])]
    for order in (trials, trials[::-1]):
        assert pick_learning_rates(SMALL, order) == {
            DesignCell('AuxNet2', 'shared', 2.0, 1000): 1e-3
        }


def test_an_arm_of_which_every_run_failed_is_left_out(tmp_path):
    trial = trial_of(1e-3, None, [1000, 1001])
    assert pick_learning_rates(SMALL, [trial]) == {}


# -------------------------------------------------------------------- parts on the command line


def test_parts_are_named_and_found(tmp_path):
    assert part_names(DESIGN) == [
        'AuxNet2-pilot',
        'DeepModel-pilot',
        'AuxNet2-heads-pilot',
        'AuxNet2',
        'DeepModel',
        'AuxNet2-train_pairs',
        'AuxNet2-heads',
    ]
    assert part_config(DESIGN, 'DeepModel-pilot') == pilot_config(DESIGN, 'DeepModel-pilot')
    assert part_config(DESIGN, 'AuxNet2-heads-pilot') == pilot_config(DESIGN, 'AuxNet2-heads-pilot')
    pilot_trials(tmp_path, lambda hyper, seed: (0, hyper['optimizer.learning_rate']))
    heads = pilot_config(DESIGN, 'AuxNet2-heads-pilot')
    train_nothing(lambda hyper, seed: (0, hyper['optimizer.learning_rate']))(
        heads, tmp_path / 'AuxNet2-heads-pilot'
    )
    picks = dict.fromkeys(head_cells(DESIGN, SMALL), 1e-2)
    found = part_config(DESIGN, 'AuxNet2-heads', str(tmp_path))
    assert (
        found == trained_config(DESIGN, 'AuxNet2-heads', picks) and len(found.sweep.settings) == 4
    )
    picks = every_pick(SMALL, rate=1e-2)
    for part in ('AuxNet2', 'AuxNet2-train_pairs'):
        config = part_config(DESIGN, part, str(tmp_path))
        assert config == trained_config(DESIGN, part, picks)
        assert config.name == f'study-{part}'


@pytest.mark.parametrize(
    ('part', 'message'),
    [
        ('AuxNet2-pilt', "did you mean 'AuxNet2-pilot'"),
        ('DeepModel-train_pairs', "'DeepModel-train_pairs' does not exist"),
        ('AuxNet2', 'AuxNet2-pilot, where nothing is finished; train AuxNet2-pilot'),
        ('AuxNet2-heads', 'AuxNet2-heads-pilot, where nothing is finished; train AuxNet2-heads-'),
    ],
)
def test_a_part_that_cannot_be_made_says_why(tmp_path, part, message):
    with pytest.raises(UserError, match=message):
        part_config(DESIGN, part, str(tmp_path))


def test_a_part_without_picks_says_why(tmp_path):
    pilot_trials(tmp_path, lambda hyper, seed: (0.5, 0.5), failed=(1000, 1001))
    with pytest.raises(UserError, match=r'because every run of .* failed'):
        part_config(DESIGN, 'AuxNet2', str(tmp_path))


def test_the_config_file_takes_part_and_workdir(tmp_path):
    get_config = CONFIG_FILE['get_config']
    assert get_config('AuxNet3-pilot').model.name == 'AuxNet3'
    with pytest.raises(UserError, match=f'{tmp_path}/AuxNet1-pilot'):
        get_config(f'AuxNet1:{tmp_path}')
