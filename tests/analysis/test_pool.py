"""Workdirs that differ in their seeds alone are one arm; others are refused."""

import pytest
from made_results import DATA, lines_of
from made_results import save_seeds as save

from pairjax.analysis.arms import read_arms
from pairjax.analysis.paired import compare_workdirs
from pairjax.analysis.pool import read_pooled
from pairjax.errors import UserError
from pairjax.system import write_json
from pairjax.workdir.workdir import read_json

FINALS = [0.91, 0.92, 0.9, 0.94, 0.93, 0.95]


def test_seeds_of_several_workdirs_are_those_of_one(tmp_path):
    whole = read_pooled(save(tmp_path / 'whole', FINALS))
    names = [save(tmp_path / name, part, first) for name, part, first in (
        *(('b', FINALS[4:], 4), ('a', FINALS[:3], 0), ('c', FINALS[3:4], 3)),
    )]  # fmt: skip
    pooled = read_pooled('+'.join(map(str, names)))
    assert pooled.trials[0].summary == whole.trials[0].summary
    assert list(pooled.workdirs.values()) == [[4, 5], [0, 1, 2], [3]]
    assert pooled.selected == 0 and pooled.timing['devices'] == 2
    by_seed = pooled.trials[0].metrics.groupby('seed').test_accuracy.last()
    assert by_seed.tolist() == FINALS
    assert len(lines_of(FINALS)) == len(pooled.trials[0].metrics)


def test_an_arm_of_several_workdirs_is_compared(tmp_path):
    save(tmp_path / 'a', FINALS[:3])
    save(tmp_path / 'more', FINALS[3:], 3)
    save(tmp_path / 'other', [final - 0.01 for final in FINALS])
    arms = [f'{tmp_path}/a+{tmp_path}/more:0', f'{tmp_path}/other']
    result = compare_workdirs(arms, 'final_test_accuracy')
    assert result.seeds == list(range(6)) and result.pairs[0].a == 'a+more'
    assert result.pairs[0].paired.mean == pytest.approx(0.01)
    with pytest.raises(UserError, match=r'trial 0 of .*more is named twice'):
        read_arms([arms[0], f'{tmp_path}/more'])


def test_a_path_with_a_plus_is_one_workdir(tmp_path):
    assert read_pooled(str(save(tmp_path / 'a+b', FINALS))).workdir == tmp_path / 'a+b'


def test_trials_that_failed_anywhere_have_failed(tmp_path):
    for name, first in (('a', 0), ('b', 3)):
        save(tmp_path / name, FINALS[:3], first, trials=2)
    summary = read_json(tmp_path / 'b' / 'summary.json')
    summary['trials'][0]['failure'] = 'no luck'
    write_json(tmp_path / 'b' / 'summary.json', summary)
    pooled = read_pooled(f'{tmp_path}/a+{tmp_path}/b')
    assert [trial.failure for trial in pooled.trials] == ['no luck', None]
    assert [trial.n for trial in pooled.trials] == [0, 6] and pooled.selected == 1


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'first': 2}, r'b and .*a both hold seed 2; as one arm they need different seeds'),
        ({'first': 3, 'loss.aux_weight': 9.0}, r'b and .*a are no one arm: loss.aux_weight is 9.0'),
        ({'first': 3, 'data': {**DATA, 'fingerprint': 'other'}}, 'trained on other digits'),
        ({'first': 3, 'trials': 2}, 'they have 2 and 1 trials'),
    ],
)
def test_workdirs_that_are_no_one_arm_are_refused(tmp_path, options, words):
    save(tmp_path / 'a', FINALS[:3])
    save(tmp_path / 'b', FINALS[3:], **options)
    with pytest.raises(UserError, match=words):
        read_pooled(f'{tmp_path}/a+{tmp_path}/b')
