"""The arms of the study, their parameters, and learning rates picked on validation alone."""

import itertools
import runpy
from pathlib import Path

import pytest
from fake_study import DEEP, DESIGN, SMALL, made_trial, train_nothing

from pairjax.analysis.results import read_experiment
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
    pilot_config,
    pool_pilots,
    rank_learning_rates,
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
        DesignCell(network.name, s, w, 1000): [rate]
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
            DesignCell(network.name, s, w, 1000): [1e-3, 2e-3, 5e-3]
            for s in sharings(network)
            for w in design.aux_weights
        }
        heads = {cell: [1e-3, 2e-3, 5e-3] for cell in head_cells(design, network)}
        parts = [part for part in part_names(design) if part.startswith(network.name)]
        configs = [
            pilot_config(design, part)
            if part.endswith('-pilot')
            else trained_config(design, part, heads if '-heads' in part else picks)
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
    config = trained_config(DESIGN, 'AuxNet2', {arm: [rate, 1.0] for arm, rate in picks.items()})
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
    ranked = {arm: [rate, 1.0] for arm, rate in picks.items()}
    config = trained_config(DESIGN, 'AuxNet2-heads', ranked)
    rates = {cell_of(SMALL, t): t['optimizer.learning_rate'] for t in trials_of(config)}
    assert rates == picks
    assert (config.seed, config.num_seeds) == (0, 6)


# -------------------------------------------------------------------------------- picks


def pilot_trials(tmp_path, accuracies, failed=()):
    pilot = pilot_config(DESIGN, 'AuxNet2-pilot')
    train_nothing(accuracies, failed)(pilot, tmp_path / 'AuxNet2-pilot')
    return read_experiment(tmp_path / 'AuxNet2-pilot').trials


def ranked(trials):
    return rank_learning_rates(pool_pilots(SMALL, trials))


def test_rates_are_ranked_on_validation_where_test_disagrees(tmp_path):
    best = {'shared': 1e-3, 'separate': 5e-3, 'cut': 1e-2}

    def accuracies(hyper, seed):
        right = hyper['optimizer.learning_rate'] == best[cell_of(SMALL, hyper).sharing]
        return (0.1, 0.9) if right else (0.9, 0.1)  # Test, validation.

    found = ranked(pilot_trials(tmp_path, accuracies))
    assert {cell: rates[0] for cell, rates in found.items()} == {
        DesignCell('AuxNet2', s, w, 1000): rate for s, rate in best.items() for w in (0.0, 2.0)
    }


def test_the_first_rate_wins_a_tie(tmp_path):
    found = ranked(pilot_trials(tmp_path, lambda hyper, seed: (0.5, 0.5)))
    assert {tuple(rates) for rates in found.values()} == {DESIGN.learning_rates}


def trial_of(rate, validation):
    """A trial of one arm from its validation accuracies by seed, None where it failed."""
    hyper = {'model.weight_sharing': True, 'model.widths': list(SMALL.widths)}
    hyper |= {'model.head': 'learned', 'loss.main_weight': 1.0}
    hyper |= {'data.num_train_pairs': 1000, 'loss.aux_weight': 2.0}
    trial = made_trial(validation, validation, rate)
    trial.summary['hyperparameters'].update(hyper)
    return trial


ARM = DesignCell('AuxNet2', 'shared', 2.0, 1000)


def test_a_rate_at_which_seeds_fail_loses_to_one_at_which_none_does():
    trials = [
        trial_of(1e-3, {1000: 0.7, 1001: 0.7}),
        trial_of(5e-3, {1000: 0.9, 1001: None}),
        trial_of(1e-2, {1000: None, 1001: None}),
    ]
    for order in (trials, trials[::-1]):
        assert ranked(order) == {ARM: [1e-3, 5e-3]}
    assert ranked(trials[2:]) == {}


def test_finalists_go_before_rates_of_fewer_seeds():
    first = [trial_of(rate, {1000: value}) for rate, value in ((1e-3, 0.7), (5e-3, 0.9))]
    more = [trial_of(1e-3, {1001: 0.6, 1002: 0.65})]
    assert ranked(first) == {ARM: [5e-3, 1e-3]}
    assert ranked(first + more) == {ARM: [1e-3, 5e-3]}
    runs = pool_pilots(SMALL, first + more)[ARM][1e-3]
    assert runs.validation.to_dict() == {1000: 0.7, 1001: 0.6, 1002: 0.65}


def test_finalists_are_the_best_rates_of_each_arm_on_the_other_pilot_seeds():
    rates = {arm: [1e-2, 1e-3, 5e-3] for arm in every_pick(SMALL)}
    config = trained_config(DESIGN, 'AuxNet2-finalists', rates)
    tried = [(cell_of(SMALL, t), t['optimizer.learning_rate']) for t in trials_of(config)]
    assert sorted(tried) == sorted(itertools.product(rates, (1e-3, 1e-2)))
    assert (config.seed, config.num_seeds) == (1002, 3)


# -------------------------------------------------------------------- parts on the command line


def test_parts_are_named_and_found(tmp_path):
    arms = ['AuxNet2', 'DeepModel', 'AuxNet2-heads']
    assert part_names(DESIGN) == [
        *(f'{arm}-{suffix}' for suffix in ('pilot', 'finalists') for arm in arms),
        'AuxNet2',
        'DeepModel',
        'AuxNet2-train_pairs',
        'AuxNet2-heads',
    ]
    assert part_config(DESIGN, 'DeepModel-pilot') == pilot_config(DESIGN, 'DeepModel-pilot')
    for arm, cells in (
        ('AuxNet2', every_pick(SMALL)),
        ('AuxNet2-heads', head_cells(DESIGN, SMALL)),
    ):
        for suffix in ('pilot', 'finalists'):
            config = part_config(DESIGN, f'{arm}-{suffix}', str(tmp_path))
            assert config.name == f'study-{arm}-{suffix}'
            train_nothing(lambda hyper, seed: (0, hyper['optimizer.learning_rate']))(
                config, tmp_path / f'{arm}-{suffix}'
            )
        rates = {cell: [1e-2] for cell in cells}
        for part in (arm, 'AuxNet2-train_pairs') if arm == 'AuxNet2' else (arm,):
            config = part_config(DESIGN, part, str(tmp_path))
            assert config == trained_config(DESIGN, part, rates)
            assert config.name == f'study-{part}'


@pytest.mark.parametrize(
    ('part', 'message'),
    [
        ('AuxNet2-pilt', "did you mean 'AuxNet2-pilot'"),
        ('DeepModel-train_pairs', "'DeepModel-train_pairs' does not exist"),
        ('AuxNet2', 'AuxNet2-pilot, where nothing is finished; train AuxNet2-pilot'),
        ('AuxNet2-finalists', 'AuxNet2-pilot, where nothing is finished; train AuxNet2-pilot'),
        ('AuxNet2-heads', 'AuxNet2-heads-pilot, where nothing is finished; train AuxNet2-heads-'),
    ],
)
def test_a_part_that_cannot_be_made_says_why(tmp_path, part, message):
    with pytest.raises(UserError, match=message):
        part_config(DESIGN, part, str(tmp_path))


def test_a_part_without_picks_says_why(tmp_path):
    pilot_trials(tmp_path, lambda hyper, seed: (0.5, 0.5), failed=(1000, 1001))
    with pytest.raises(UserError, match=r'because every run of .* failed'):
        part_config(DESIGN, 'AuxNet2-finalists', str(tmp_path))


def test_the_config_file_takes_part_and_workdir(tmp_path):
    get_config = CONFIG_FILE['get_config']
    assert get_config('AuxNet3-pilot').model.name == 'AuxNet3'
    with pytest.raises(UserError, match=f'{tmp_path}/AuxNet1-pilot'):
        get_config(f'AuxNet1:{tmp_path}')
