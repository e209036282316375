"""Workdirs of earlier versions: resumed, evaluated and compared, or refused by name."""

import json
import shutil

import pytest

from pairjax.analysis.paired import compare_workdirs
from pairjax.config import REMOVED_FIELDS, validate
from pairjax.errors import UserError
from pairjax.inference.evaluate_workdir import evaluate_workdir
from pairjax.inference.networks import restore_runs
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.many_experiments import is_finished
from pairjax.system import write_json
from pairjax.workdir.workdir import FORMAT, read_config, read_json


@pytest.fixture
def make_old(small_sweep, tmp_path):
    """A function from removed fields in use to a finished workdir of 0.2.0, and its config now."""

    def make(**in_use):
        workdir = tmp_path / 'old'
        shutil.copytree(small_sweep / 'run', workdir)
        saved = read_config(workdir)
        config = validate(saved['config'])
        for name, value in {**REMOVED_FIELDS, **in_use}.items():
            group, _, last = name.partition('.')
            saved['config'][group][last] = value
        del saved['format'], saved['config']['train']['evaluate_all_every']
        summary = read_json(workdir / 'summary.json')
        for trial in summary['trials']:
            trial['hyperparameters'] |= {**REMOVED_FIELDS, **in_use}
        saved['trials'] = [trial['hyperparameters'] for trial in summary['trials']]
        write_json(workdir / 'config.json', saved)
        write_json(workdir / 'summary.json', summary)
        return workdir, config

    return make


def test_a_workdir_with_removed_fields_off_goes_on(make_old, small_sweep):
    workdir, config = make_old()
    assert is_finished(config, workdir)
    assert evaluate_workdir(workdir) == evaluate_workdir(small_sweep / 'run')
    assert restore_runs(workdir).seeds == restore_runs(small_sweep / 'run').seeds
    metrics = (workdir / 'metrics.jsonl').read_bytes()
    (workdir / 'summary.json').unlink()
    run_experiment(config, workdir)
    # Nothing is trained anew, and what is written now is of this version.
    assert (workdir / 'metrics.jsonl').read_bytes() == metrics
    assert read_config(workdir)['format'] == FORMAT
    assert json.loads((workdir / 'config.json').read_text())['config'] == json.loads(
        json.dumps(config.to_dict())
    )
    trials = read_json(workdir / 'summary.json')['trials']
    assert not REMOVED_FIELDS.keys() & trials[0]['hyperparameters'].keys()


def test_a_workdir_with_a_removed_field_in_use_is_refused_and_still_compared(make_old, small_sweep):
    workdir, config = make_old(**{'model.padded': True})
    for refused in (
        lambda: evaluate_workdir(workdir),
        lambda: restore_runs(workdir),
        lambda: run_experiment(config, workdir),
    ):
        with pytest.raises(UserError, match=r'model\.padded=True'):
            refused()
    compared = compare_workdirs([f'{workdir}:2', f'{small_sweep / "run"}:2'], 'final_test_accuracy')
    assert compared.pairs[0].paired.mean == 0
