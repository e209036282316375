"""Verdicts on the papers' sentences, on results made by hand in both directions."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from made_results import make_results, make_trial, with_metrics

from pairjax.analysis.results import MissingError, pair_by_seed
from pairjax.studies.reproduction import claims, paper1_claims, paper2_claims
from pairjax.studies.reproduction.claims import FAILS, HOLDS, OPEN, Claim, Judgement, judge_claims
from pairjax.studies.reproduction.results import experiment_names

CLAIMS = {1: paper1_claims.CLAIMS, 2: paper2_claims.CLAIMS}
ALL = {claim.key: claim for mine in CLAIMS.values() for claim in mine}
SPREAD = np.array([-0.012, -0.004, 0.001, 0.005, 0.010])
TEN = np.concatenate([SPREAD, SPREAD[::-1] / 2])


def judged(key, trials, majority=0.55):
    (verdict,) = judge_claims([ALL[key]], make_results(trials, majority))
    return verdict.verdict, verdict.evidence


def around(mean, spread=TEN, **options):
    """One trial whose seeds lie around a mean at the final epoch, and 0.01 above at the best."""
    return make_trial(list(mean + spread), **options)


# ------------------------------------------------------------------------------ rules

numbers = st.floats(-1, 1).map(lambda x: round(x, 6))


@given(numbers, numbers, numbers)
def test_signs_follow_from_the_side_on_which_an_interval_is(a, b, threshold):
    low, high = sorted((a, b))
    verdict = claims.above((low, high), threshold)
    assert (verdict == HOLDS) == (low > threshold)
    assert (verdict == FAILS) == (high < threshold)
    opposite = {HOLDS: FAILS, FAILS: HOLDS, OPEN: OPEN}
    assert claims.below((low, high), threshold) == opposite[verdict]


def test_without_an_interval_nothing_can_be_told():
    for rule in (claims.above, claims.below, claims.at_stated):
        assert rule(None) == OPEN


@pytest.mark.parametrize(
    ('low', 'high', 'tolerance', 'verdict'),
    [
        (-0.01, 0.01, 0, HOLDS),
        (-0.03, 0.03, 0, OPEN),
        (0.001, 0.01, 0, FAILS),
        (-0.01, -0.001, 0, FAILS),
        (0.001, 0.01, 0.005, HOLDS),
        (0.006, 0.01, 0.005, FAILS),
        (0.006, 0.09, 0.005, FAILS),
    ],
)
def test_a_stated_number_holds_where_a_narrow_interval_reaches_it(low, high, tolerance, verdict):
    assert claims.at_stated((low, high), tolerance=tolerance) == verdict
    shifted = (low + 0.5, high + 0.5)
    assert claims.at_stated(shifted, stated=0.5, tolerance=tolerance) == verdict


def test_all_hold_only_together():
    assert claims.all_of([HOLDS, HOLDS]) == HOLDS
    assert claims.all_of([HOLDS, OPEN]) == OPEN and claims.all_of([]) == OPEN
    assert claims.all_of([HOLDS, OPEN, FAILS]) == FAILS


def test_falling_ranks():
    x = list(range(8))
    falling, rising = [9, 8, 6, 7, 5, 3, 4, 1], [1, 2, 4, 3, 5, 6, 7, 8]
    assert claims.falls_with(x, falling, 'things').verdict == HOLDS
    assert claims.falls_with(x, rising, 'things').verdict == FAILS
    assert claims.falls_with(x, [1, 5, 2, 7, 3, 6, 4, 0], 'things').verdict == OPEN
    # Perfect order has no interval: five in order are enough, four are not.
    assert claims.falls_with(x[:5], falling[:2] + [7, 6, 5], 'things').verdict == HOLDS
    assert claims.falls_with(x[:5], [1, 2, 3, 4, 5], 'things').verdict == FAILS
    assert claims.falls_with(x[:4], [4, 3, 2, 1], 'things').verdict == OPEN
    assert claims.falls_with([1, 1], [2, 3], 'things').verdict == OPEN
    rho = scipy.stats.spearmanr(x, falling).statistic
    assert f'{rho:+.2f}' in claims.falls_with(x, falling, 'things').evidence


def test_most_is_more_than_half_of_all_seeds_there_could_be():
    assert claims.most_of(10, 10).verdict == HOLDS and claims.most_of(0, 10).verdict == FAILS
    assert claims.most_of(6, 10).verdict == OPEN and claims.most_of(0, 0).verdict == OPEN
    # Clopper and Pearson: the lower end for 10 of 10 is 0.025 ** (1 / 10).
    assert f'[{0.025**0.1:.2f}, 1.00]' in claims.most_of(10, 10).evidence


def test_difference_from_a_recorded_mean_is_welchs():
    values, other = pd.Series(0.9 + SPREAD), 0.88 + 2 * TEN
    recorded = {'mean': other.mean(), 'std': other.std(ddof=1), 'n': len(other)}
    difference = claims.recorded_difference(values, recorded)
    welch = scipy.stats.ttest_ind(values, other, equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert difference.mean == pytest.approx(values.mean() - other.mean())
    assert difference.ci95 == pytest.approx((interval.low, interval.high))


def test_one_recorded_run_is_compared_with_one_more_run_of_ours():
    values = pd.Series(0.9 + TEN)
    one = {'mean': 0.89, 'std': None, 'n': 1}
    half = scipy.stats.t.ppf(0.975, 9) * values.std() * (1 + 1 / 10) ** 0.5
    middle = values.mean() - 0.89
    difference = claims.recorded_difference(values, one)
    assert difference.ci95 == pytest.approx((middle - half, middle + half))
    assert claims.at_recorded(values, one) == HOLDS
    assert claims.at_recorded(values, {**one, 'mean': 0.93}) == FAILS
    # However wide: a run inside is a run that can happen.
    assert claims.at_recorded(10 * (values - 0.9) + 0.9, one) == HOLDS
    assert claims.at_recorded(values[:1], one) == OPEN


def test_too_few_rounds_have_no_interval():
    values, recorded = pd.Series(0.9 + TEN), {'mean': 0.88, 'std': 0.01, 'n': 5}
    alone = claims.recorded_difference(values[:1], recorded)
    assert alone.ci95 is None and alone.mean == pytest.approx(values[0] - 0.88)
    nothing = claims.recorded_difference(values[:0], recorded)
    assert set(nothing) == set(claims.recorded_difference(values, None)) == {None}
    wide = pd.Series(0.9 + 10 * TEN)
    assert claims.at_recorded(wide, {**recorded, 'mean': 0.9}) == OPEN


def series(mean, spread=SPREAD):
    return pd.Series(mean + spread)


def test_the_best_must_beat_each_of_the_others():
    noise = np.array([0.001, -0.001, 0.0005, 0, -0.0005])
    near, below, above = series(0.9, SPREAD + noise), series(0.8, SPREAD + noise), series(0.95)
    judge = claims.best_of
    assert judge('x', series(0.9), {'low': below}).verdict == HOLDS
    assert judge('x', series(0.9), {'low': below, 'near': near}).verdict == OPEN
    assert judge('x', series(0.9), {'low': below, 'high': above + noise}).verdict == FAILS
    judgement = judge('x', series(0.9), {'low': below, 'near': near})
    assert (
        'above 1 of 2 others' in judgement.evidence and 'best of them, near' in judgement.evidence
    )
    assert judge('x', series(0.9), {}).verdict == OPEN
    assert judge('x', series(0.9)[:0], {'low': below}).verdict == OPEN


def test_being_worse_is_corrected_for_the_number_of_others():
    rng = np.random.default_rng(1)
    candidate = series(0.9)
    slightly_better = candidate + 0.004 + rng.normal(0, 0.003, 5)
    p_value = scipy.stats.ttest_rel(candidate, slightly_better).pvalue
    assert 0.005 < p_value < 0.05
    assert claims.best_of('x', candidate, {'better': slightly_better}).verdict == FAILS
    many = {f'same {i}': candidate + rng.normal(0, 0.003, 5) for i in range(19)}
    many['better'] = slightly_better
    assert p_value * 20 > 0.05
    assert claims.best_of('x', candidate, many).verdict == OPEN
    adjusted = claims.worse_p_values({'better': pair_by_seed(candidate, slightly_better)})
    assert adjusted['better'] == pytest.approx(p_value)


def test_what_was_not_run_cannot_be_told():
    def missing(results):
        raise MissingError('deep did not finish')

    said = Claim('b', 'B.', lambda results: Judgement(HOLDS, 'because'))
    verdicts = judge_claims([Claim('a', 'A.', missing), said], make_results({}))
    assert verdicts[0] == ('a', 'A.', OPEN, 'deep did not finish')
    assert verdicts[1] == ('b', 'B.', HOLDS, 'because')


def test_a_sentence_about_several_networks_is_a_claim_for_each():
    added = []

    @claims.claim(added, 'Of {}.', {'A': 'a', 'B': 'b'})
    def judge(network, results):
        return Judgement(HOLDS, network)

    verdicts = judge_claims(added, make_results({}))
    assert verdicts == [('judge: a', 'Of A.', HOLDS, 'a'), ('judge: b', 'Of B.', HOLDS, 'b')]


def test_every_claim_does_without_any_results():
    for verdict in judge_claims(list(ALL.values()), make_results({})):
        assert verdict.verdict == OPEN and 'did not finish' in verdict.evidence, verdict


# ------------------------------------------------------------------------- first paper


def networks(**means):
    spreads = {'basicnet1': TEN, 'auxnet1': -TEN, 'auxnet2': TEN[::-1], 'auxnet3': np.roll(TEN, 3)}
    return {name: [around(mean, spreads[name])] for name, mean in means.items()}


def test_auxnet2_is_the_best():
    rest = {'basicnet1': 0.8, 'auxnet1': 0.9, 'auxnet3': 0.88}
    assert judged('auxnet2_is_best', networks(**rest, auxnet2=0.93))[0] == HOLDS
    assert judged('auxnet2_is_best', networks(**rest, auxnet2=0.901))[0] == OPEN
    verdict, evidence = judged('auxnet2_is_best', networks(**rest, auxnet2=0.85))
    assert verdict == FAILS and 'best of them, AuxNet1, -5.00 points' in evidence


@pytest.mark.parametrize(
    ('distance', 'verdict'), [(0.05, HOLDS), (0.062, HOLDS), (0.03, FAILS), (0.075, FAILS)]
)
def test_auxnet3_is_about_five_points_behind(distance, verdict):
    trials = networks(auxnet2=0.93, auxnet3=0.93 - distance)
    found, evidence = judged('auxnet3_is_behind', trials)
    assert found == verdict
    assert evidence.count(f'{100 * distance:+.2f} points') == 2 and '(n = 10)' in evidence


def test_auxnet3_behind_needs_a_narrow_interval():
    wild = {'auxnet2': [around(0.9, 8 * TEN)], 'auxnet3': [around(0.85, np.roll(8 * TEN, 3))]}
    assert judged('auxnet3_is_behind', wild)[0] == OPEN


def test_basicnet1_is_far_below_all_three():
    above = {'auxnet1': 0.9, 'auxnet2': 0.92, 'auxnet3': 0.88}
    assert judged('basicnet1_is_far_below', networks(**above, basicnet1=0.8))[0] == HOLDS
    # One of the three is nearer than five points.
    assert judged('basicnet1_is_far_below', networks(**above, basicnet1=0.86))[0] == FAILS
    assert judged('basicnet1_is_far_below', networks(**above, basicnet1=0.83))[0] == OPEN


@pytest.mark.parametrize(('sign', 'verdict'), [(-1, HOLDS), (1, FAILS)])
def test_low_accuracy_goes_with_high_std(sign, verdict):
    means = np.linspace(0.7, 0.9, 8)
    factors = 1 + sign * 3 * (means - 0.8)
    trials = [around(m, SPREAD * f) for m, f in zip(means, factors, strict=True)]
    found, evidence = judged('low_accuracy_varies: auxnet2', {'auxnet2_widths': trials})
    assert found == verdict and f'{sign:+.2f}' in evidence and 'n = 8 widths' in evidence


def test_trials_with_one_seed_have_no_std_to_rank():
    trials = [around(m, SPREAD * (2 - m)) for m in np.linspace(0.7, 0.9, 6)]
    trials.append(make_trial([0.2, None, None, None, None]))
    evidence = judged('low_accuracy_varies: auxnet2', {'auxnet2_widths': trials})[1]
    assert 'n = 6 widths' in evidence


def rates(*means):
    values = (1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
    return [
        around(mean, np.roll(SPREAD, i), fields={'optimizer.learning_rate': rate})
        for i, (mean, rate) in enumerate(zip(means, values, strict=True))
    ]


def test_learning_rate():
    judge = {'auxnet2_learning_rates': rates(0.7, 0.8, 0.85, 0.93, 0.88)}
    assert judged('learning_rate_is_best', judge)[0] == HOLDS
    judge = {'auxnet2_learning_rates': rates(0.7, 0.8, 0.98, 0.93, 0.88)}
    verdict, evidence = judged('learning_rate_is_best', judge)
    assert verdict == FAILS and '0.001' in evidence
    # Without a trial at 5e-3, as when a sweep is cut short.
    judge = {'auxnet2_learning_rates': rates(0.7, 0.8, 0.98, 0.93, 0.88)[:3]}
    assert judged('learning_rate_is_best', judge)[0] == OPEN


def batches(slope, seconds=None):
    sizes = (25, 50, 100, 200, 400)
    return [
        around(
            0.8 + slope * i,
            SPREAD,
            fields={'train.batch_size': size},
            seconds=seconds[i] if seconds else 0.5,
        )
        for i, size in enumerate(sizes)
    ]


def test_small_batches():
    trials = batches(-0.02)
    # A slope that is the same in every seed has no interval; one seed bends here.
    trials[0] = around(0.8, SPREAD + [0.002, 0, 0, 0, -0.001], fields={'train.batch_size': 25})
    verdict, evidence = judged('small_batches_are_better', {'auxnet2_batch_sizes': trials})
    assert verdict == HOLDS and '-2.00 points' in evidence and 'highest mean at 25' in evidence
    trials = batches(0.02)
    trials[0] = around(0.8, SPREAD + [0.002, 0, 0, 0, -0.001], fields={'train.batch_size': 25})
    assert judged('small_batches_are_better', {'auxnet2_batch_sizes': trials})[0] == FAILS
    assert judged('small_batches_are_better', {'auxnet2_batch_sizes': trials[:1]})[0] == OPEN


def test_time_by_batch_size():
    faster = {'auxnet2_batch_sizes': batches(0, [5, 4, 3, 2, 1])}
    verdict, evidence = judged('time_falls_with_batch_size', faster)
    assert verdict == HOLDS and '5000 ms at 25' in evidence and '1000 ms at 400' in evidence
    assert (
        judged('time_falls_with_batch_size', {'auxnet2_batch_sizes': batches(0, [1, 2, 3, 4, 5])})[
            0
        ]
        == FAILS
    )


# ------------------------------------------------------------------------ second paper


def deep_pair(gain, shared_spread=TEN, separate_spread=np.roll(TEN, 3)):  # noqa: B008
    """Ten seeds of both networks, with Adam and with SGD."""
    pair = {
        'deep_shared': [around(0.9 + gain, shared_spread)],
        'deep': [around(0.9, separate_spread, fields={'model.weight_sharing': False})],
    }
    return pair | {f'{name}_sgd': trials for name, trials in pair.items()}


def test_sharing_gains():
    assert judged('sharing_gains', deep_pair(0.02))[0] == HOLDS
    assert judged('sharing_gains', deep_pair(-0.02))[0] == FAILS
    verdict, evidence = judged('sharing_gains', deep_pair(0.001))
    assert verdict == OPEN and '+0.10 points' in evidence
    # Adam decides, as the text says; SGD is evidence.
    other = {name: deep_pair(-0.02)[name] for name in ('deep_sgd', 'deep_shared_sgd')}
    verdict, evidence = judged('sharing_gains', deep_pair(0.02) | other)
    assert verdict == HOLDS and 'with SGD -2.00 points' in evidence


def test_only_common_seeds_are_compared():
    trials = deep_pair(0.02)
    finals = [None, *(0.9 + np.roll(TEN, 3))[1:]]
    trials['deep'] = [make_trial(finals)]
    assert '(n = 9)' in judged('sharing_gains', trials)[1]


def searched(network, cells, seeds=TEN):
    """The trials of a search: cells as (learning rate, batch size, hidden, w, accuracy)."""
    trials = []
    for number, (rate, batch_size, hidden, w, mean) in enumerate(cells):
        fields = {'loss.aux_weight': w, 'loss.main_weight': 1 - w, 'model.widths': [hidden]}
        fields |= {'optimizer.learning_rate': rate, 'train.batch_size': batch_size}
        spread = np.roll(seeds, number) * (1 + number / 20)
        trials.append(around(mean, spread, fields=fields))
    return {f'{network}_search': trials}


REPORTED = {'shallow': (1e-4, 1, 500, 0.0), 'deep': (1e-3, 1, 100, 0.5)}
REPORTED['deep_shared'] = REPORTED['deep']


def test_sharing_gains_what_is_stated():
    def both(gain):
        return {
            **deep_pair(0.01),
            **searched('deep', [(*REPORTED['deep'], 0.9), (1e-3, 250, 100, 0.5, 0.7)]),
            **searched('deep_shared', [(1e-4, 1, 100, 0.5, 0.7), (*REPORTED['deep'], 0.9 + gain)]),
        }

    verdict, evidence = judged('sharing_gains_as_stated', both(0.021))
    assert verdict == HOLDS and 'differ by 2.10' in evidence
    # The stored rounds: 89.48 - 85.80, n = 10 each, with Welch's interval.
    assert 'stored rounds (SGD) +3.68 [+0.4' in evidence
    assert 'with SGD +1.00 points' in evidence and 'with Adam +1.00 points' in evidence
    assert judged('sharing_gains_as_stated', both(0.08))[0] == FAILS
    assert judged('sharing_gains_as_stated', both(-0.05))[0] == FAILS


def test_sharing_reduces_the_variance():
    steadier = deep_pair(0.02, shared_spread=TEN / 5)
    verdict, evidence = judged('sharing_steadies', steadier)
    assert verdict == HOLDS and 'stored rounds (SGD) 0.44 (n = 10)' in evidence
    assert judged('sharing_steadies', deep_pair(0.02, shared_spread=5 * TEN))[0] == FAILS
    verdict, evidence = judged('sharing_steadies', deep_pair(0.02))
    assert verdict == OPEN and 'with SGD 1.00 [' in evidence


def grid(network, by_weight, **changed):
    """Two hidden sizes by two rates by w; accuracies by w, or `changed` of the reported setting."""
    cells = []
    for w, mean in by_weight.items():
        for hidden in (100, 300):
            for rate in (1e-4, 1e-3):
                reported = (hidden, rate) == (100, 1e-3)
                here = changed.get(f'w{w:g}', mean) if reported else mean
                cells.append((rate, 1, hidden, w, here))
    return searched(network, cells, SPREAD)


def test_the_auxiliary_loss_helps():
    key = 'auxiliary_loss_helps: deep'
    verdict, evidence = judged(key, grid('deep', {0: 0.8, 0.5: 0.9, 1: 0.5}))
    assert verdict == HOLDS and '+10.00 points' in evidence and '4 of 4 settings' in evidence
    # The reported setting decides, not the others.
    against = grid('deep', {0: 0.8, 0.5: 0.9, 1: 0.5}, **{'w0.5': 0.7})
    verdict, evidence = judged(key, against)
    assert verdict == FAILS and '-10.00 points' in evidence and '3 of 4 settings' in evidence
    assert judged(key, grid('deep', {0: 0.9, 0.5: 0.9}))[0] == OPEN
    # A quick run may lack the setting without the auxiliary loss.
    assert judged(key, grid('deep', {0.5: 0.9}))[0] == OPEN


def test_the_reported_setting_is_the_best():
    key, name = 'setting_is_best: deep_shared', 'deep_shared'
    means = {0: 0.8, 0.5: 0.85, 1: 0.5}
    assert judged(key, grid(name, means, **{'w0.5': 0.95}))[0] == HOLDS
    verdict, evidence = judged(key, grid(name, means, **{'w0.5': 0.8}))
    assert verdict == FAILS and 'loss.aux_weight=0.5' in evidence
    assert judged(key, grid(name, means))[0] == OPEN
    assert judged(key, grid(name, {0: 0.8}))[0] == OPEN


def test_batches_of_one_against_the_others_of_the_search():
    def sizes(one, two_hundred_fifty, thousand):
        means = {1: one, 250: two_hundred_fifty, 1000: thousand}
        cells = [(1e-4, size, 500, 0.0, mean) for size, mean in means.items()]
        # Batches of 1 at another setting do not count.
        return searched('shallow', [(1e-2, 1, 500, 0.0, 0.99), *cells])

    key = 'batches_of_one_are_better: shallow'
    verdict, evidence = judged(key, sizes(0.8, 0.75, 0.7))
    assert verdict == HOLDS and '1 minus 250 +5.00' in evidence and '1 minus 1000 +10' in evidence
    assert judged(key, sizes(0.75, 0.8, 0.7))[0] == FAILS
    assert judged(key, sizes(0.8, 0.8, 0.7))[0] == OPEN


def test_shallow_reaches_all_of_its_train_pairs():
    def shallow(reaching):
        fits, falls_short = (0.9, 1.0, 1.0), (0.9, 0.99, 0.999)
        train = [fits] * reaching + [falls_short] * (10 - reaching)
        return [around(0.8, train=train, digits=False)]

    key = 'shallow_fits_its_train_pairs'
    verdict, evidence = judged(key, {'shallow_sgd': shallow(10)})
    assert verdict == HOLDS and '10 of 10 ever, in epochs 2 to 2' in evidence
    assert 'stored rounds (SGD) 2 within 5, 10 of 10 ever, in epochs 5 to 7' in evidence
    assert judged(key, {'shallow_sgd': shallow(6)})[0] == OPEN
    verdict, evidence = judged(key, {'shallow_sgd': shallow(0), 'shallow': shallow(3)})
    assert verdict == FAILS and 'with SGD 0 of 10 seeds' in evidence
    assert 'with Adam 3 of 10 ever' in evidence


def test_after_five_epochs_is_not_within_them():
    trial = around(0.8, train=(0.9, 1.0, 1.0))
    metrics = trial.metrics.assign(epoch=trial.metrics.epoch + 4)
    late = with_metrics(trial, metrics)
    assert judged('shallow_fits_its_train_pairs', {'shallow_sgd': [late]})[0] == FAILS


# -------------------------------------------------------------------------- both papers


def everything(paper, **changed):
    trials = {name: [around(0.8)] for name in experiment_names(paper)}
    return trials | changed


@pytest.mark.parametrize(
    ('paper', 'key', 'one'),
    [
        (1, 'first_beat_the_majority', 'auxnet3_widths'),
        (2, 'second_beat_the_majority', 'deep_search'),
    ],
)
def test_everything_beats_the_majority(paper, key, one):
    verdict, evidence = judged(key, everything(paper))
    count = len(experiment_names(paper))
    assert verdict == HOLDS and f'{count} of {count} trials' in evidence and '55.00 %' in evidence
    assert judged(key, everything(paper), majority=0.9)[0] == FAILS
    near = everything(paper, **{one: [around(0.8), around(0.551)]})
    verdict, evidence = judged(key, near)
    assert verdict == OPEN and f'not so: {one}: ' in evidence
    # Where the main head is not trained it need not beat anything.
    untrained = around(0.5, fields={'loss.main_weight': 0.0})
    assert judged(key, everything(paper, **{one: [around(0.8), untrained]}))[0] == HOLDS


def test_verdicts_have_no_bars_that_would_break_a_table():
    for paper, mine in CLAIMS.items():
        for verdict in judge_claims(mine, make_results(everything(paper))):
            assert not set('|\n') & set(verdict.evidence + verdict.sentence)
