"""The study from start to end with made-up runs: order, picks, failures, going on."""

import re

import pytest
from fake_study import DEEP, DESIGN, SMALL, gains, train_nothing

from pairjax.errors import UserError
from pairjax.runtime.preemption import Interrupted
from pairjax.studies.factorial import document as document_module
from pairjax.studies.factorial.document import write_study
from pairjax.studies.factorial.parts import part_names
from pairjax.studies.factorial.running import run_study
from pairjax.workdir.workdir import read_config


class Runs:
    """Made-up runs that are noted, and fail where told."""

    def __init__(self, accuracies=None, **errors):
        self.run = train_nothing(accuracies or gains())
        self.errors, self.names = errors, []

    def __call__(self, config, workdir, callbacks=()):
        self.names.append(workdir.name)
        if workdir.name in self.errors:
            raise self.errors[workdir.name]
        self.run(config, workdir)


def swept(workdir, field):
    """The values that an experiment's explicit settings give a field."""
    settings = read_config(workdir)['config']['sweep']['settings']
    return [dict(map(tuple, setting))[field] for setting in settings]


def test_pilots_come_first_and_their_picks_are_trained(tmp_path):
    def accuracies(hyper, seed):
        best = 1e-2 if hyper['model.weight_sharing'] else 5e-3
        return 0.5, 0.9 - abs(hyper['optimizer.learning_rate'] - best)

    runs = Runs(accuracies)
    workdirs = run_study(DESIGN, tmp_path, runs)
    assert sorted(runs.names) == sorted(part_names(DESIGN)) == sorted(workdirs)
    for place, suffix in ((0, 'pilot'), (3, 'finalists')):
        arms = ('AuxNet2', 'AuxNet2-heads', 'DeepModel')
        assert set(runs.names[place : place + 3]) == {f'{arm}-{suffix}' for arm in arms}
    # The best two of three rates go on: beside the best one its nearest.
    shared = swept(tmp_path / 'AuxNet2-finalists', 'model.weight_sharing')
    rates = swept(tmp_path / 'AuxNet2-finalists', 'optimizer.learning_rate')
    for is_shared in (True, False):
        found = {rate for rate, how in zip(rates, shared, strict=True) if how == is_shared}
        assert found == ({1e-2, 5e-3} if is_shared else {5e-3, 1e-3})
    for part in ('AuxNet2', 'AuxNet2-train_pairs', 'AuxNet2-heads', 'DeepModel'):
        shared = swept(tmp_path / part, 'model.weight_sharing')
        rates = swept(tmp_path / part, 'optimizer.learning_rate')
        assert rates == [1e-2 if is_shared else 5e-3 for is_shared in shared]


@pytest.mark.parametrize(
    ('pilot', 'lost'),
    [
        ('AuxNet2-pilot', {'AuxNet2-finalists', 'AuxNet2', 'AuxNet2-train_pairs'}),
        ('AuxNet2-finalists', {'AuxNet2', 'AuxNet2-train_pairs'}),
        ('AuxNet2-heads-pilot', {'AuxNet2-heads-finalists', 'AuxNet2-heads'}),
    ],
)
def test_a_failed_pilot_costs_the_parts_that_need_it_alone(tmp_path, pilot, lost):
    finished = run_study(DESIGN, tmp_path, Runs(**{pilot: UserError('no')}))
    assert set(finished) == set(part_names(DESIGN)) - lost - {pilot}


def test_starting_again_runs_what_is_missing(tmp_path):
    with pytest.raises(Interrupted):
        run_study(DESIGN, tmp_path, Runs(**{'AuxNet2-heads': Interrupted('stopped')}))
    again = Runs()
    workdirs = run_study(DESIGN, tmp_path, again)
    assert again.names == ['AuxNet2-heads']
    assert set(workdirs) == set(part_names(DESIGN))


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """The workdirs of a whole made-up study, and the document written from them."""
    workdir = tmp_path_factory.mktemp('study')
    workdirs = run_study(DESIGN, workdir, Runs(gains(sharing=0.02, aux=0.03)))
    return workdirs, write_study(DESIGN, workdirs, workdir / 'out', quick=False)


def test_the_document_says_what_was_run(written):
    text = ' '.join(written[1].read_text().split())
    assert '2,000 of the same 2,000 test images' in text
    assert 'from 132 runs and 168 pilot runs on bundled digits' in text
    assert 'DeepModel has no cut arm: it is too large.' in text
    assert 'Missing' not in text and 'quick run' not in text


def test_the_document_depends_on_the_results_alone(written, tmp_path):
    workdirs, document = written
    again = write_study(DESIGN, workdirs, tmp_path, quick=False).read_text()
    assert again == document.read_text()
    assert str(document.parents[1]) not in again


def test_the_document_says_how_skewed_differences_are(written, tmp_path, monkeypatch):
    # These runs are too few for the test; made up: skewness and p of two differences.
    assert 'skewness' not in written[1].read_text()
    monkeypatch.setattr(document_module, 'skewed', lambda *_: [(0.52, 0.01), (-0.3, 0.6)])
    text = write_study(DESIGN, written[0], tmp_path, quick=False).read_text()
    text = ' '.join(text.split())
    assert 'Of the 2 by sharing or by the auxiliary loss 1 are skewed' in text
    assert 'luck alone would give 0.1; their skewness goes from -0.3 to +0.5 (' in text


def test_its_plots_are_beside_it(written):
    plots = re.findall(r'\((figures/.*?)\)', written[1].read_text())
    assert len(plots) == 3
    for plot in plots:
        for kind in ('.png', '.pdf'):
            assert (written[1].parent / plot).with_suffix(kind).stat().st_size > 5000


def test_tables_are_whole(written):
    text = written[1].read_text()
    tables = re.findall(r'(?:^\|.*\n)+', text, re.MULTILINE)
    sizes = [table.count('\n') - 2 for table in tables]
    # Networks, sharing, spread, aux, best weights, interaction, heads, same size, twice, arms.
    assert sizes == [5, 6, 6, 5, 5, 2, 4, 6, 4, 22]
    for table in tables:
        assert len({row.count(' | ') for row in table.splitlines()}) == 1
    assert not re.search(r'\b(nan|None)\b', text)
    limits = text.partition('## Limits')[2].partition('##')[0]
    assert len(re.findall(r'^- ', limits, re.MULTILINE)) == 6


def test_heads_without_parameters_stand_beside_the_learned_one(written):
    section = written[1].read_text().partition('## Without a learned comparison')[2]
    section = section.partition('\n## ')[0]
    assert 'all at auxiliary weight 2: 4 differences' in ' '.join(section.split())
    (first,) = [
        row for row in section.splitlines() if row.startswith('| AuxNet2 | shared | argmax')
    ]
    cells = [cell.strip() for cell in first.strip('|').split('|')]
    assert cells[3:5] == ['0', '1,234']
    difference = float(cells[8].split()[0])
    # Each of the two means is rounded to two decimals.
    assert float(cells[5]) - float(cells[6]) == pytest.approx(difference, abs=0.011)


def test_a_quick_document_says_so_and_what_is_missing(tmp_path):
    few = DESIGN._replace(networks=(SMALL._replace(num_seeds=3), DEEP))
    workdirs = run_study(few, tmp_path, Runs(DeepModel=UserError('no')))
    text = write_study(few, workdirs, tmp_path / 'out', quick=True).read_text()
    text = ' '.join(text.split())
    assert text.index('quick run') < 100
    assert '`python launch/study.py --quick`' in text
    assert '**Missing**, since it did not finish: DeepModel.' in text
    assert 'The smallest p that so few seeds can give is 0.25 before adjustment.' in text
    assert 'Fewer than five seeds have no interval.' in text


def test_pilots_alone_make_a_document_without_findings(tmp_path):
    runs = Runs(**dict.fromkeys(part_names(DESIGN)[3:], UserError('no')))
    workdirs = run_study(DESIGN, tmp_path, runs)
    text = write_study(DESIGN, workdirs, tmp_path / 'out', quick=False).read_text()
    assert text.count('The runs for this section are missing.') == 6
    assert 'points [' not in text


def test_nothing_finished_is_an_error(tmp_path):
    with pytest.raises(UserError, match='no part of the study is finished'):
        write_study(DESIGN, {}, tmp_path, quick=False)
    assert list(tmp_path.iterdir()) == []
