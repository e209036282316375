"""The workdir: who may use it, and files that are written atomically."""

import json
import os
import shutil

import pytest

from pairjax.config import default_config
from pairjax.errors import UserError
from pairjax.system import write_json
from pairjax.workdir.workdir import (
    FORMAT,
    OWN_FILES,
    open_workdir,
    read_config,
    read_json,
    record_versions,
)

DATA = {'source': 'bundled', 'train_pool': 3000, 'test_pool': 2000, 'num_classes': 10}
DATA['fingerprint'] = 'abc'


def open_with(workdir, data=DATA, overwrite=False, **fields):
    """Opens the workdir with the default config but for `fields`, '__' for the dot."""
    config = default_config()
    config.update_from_flattened_dict({k.replace('__', '.'): v for k, v in fields.items()})
    open_workdir(workdir, config.to_dict(), data, overwrite)


def refusal_of(workdir, **keywords):
    """The one-line message with which the workdir must be refused, unchanged."""
    before = {p.name: p.read_bytes() for p in workdir.iterdir()} if workdir.is_dir() else None
    with pytest.raises(UserError) as caught:
        open_with(workdir, **keywords)
    if before is not None:
        assert {p.name: p.read_bytes() for p in workdir.iterdir()} == before
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_a_config_file_of_a_newer_format_is_refused_with_what_to_do(tmp_path):
    open_with(tmp_path)
    path = tmp_path / 'config.json'
    path.write_text(json.dumps({'format': FORMAT + 1, 'anything': 'else'}))
    message = refusal_of(tmp_path)
    assert f'{path} has format {FORMAT + 1}' in message and f'up to {FORMAT}; ' in message
    assert 'install the version of pairjax that wrote it' in message
    assert refusal_of(tmp_path, overwrite=True) == message
    with pytest.raises(UserError, match='has format'):
        read_config(tmp_path)


# ------------------------------------------------------------------ open_workdir


def test_a_fresh_workdir_is_made_with_the_resolved_config_and_versions(tmp_path):
    workdir = tmp_path / 'deep' / 'down'
    open_with(workdir, num_seeds=3)
    saved = read_json(workdir / 'config.json')
    assert saved['config']['num_seeds'] == 3
    assert saved['config']['model']['widths'] == [32, 32, 64, 256]
    assert saved['data'] == DATA
    assert {'pairjax', 'python', 'jax', 'flax', 'optax', 'numpy'} <= set(saved['versions'])
    assert [path.name for path in workdir.iterdir()] == ['config.json']


def test_the_same_config_resumes_and_touches_no_other_file(tmp_path):
    open_with(tmp_path)
    (tmp_path / 'metrics.jsonl').write_text('{"epoch": 1}\n')
    open_with(tmp_path)
    assert (tmp_path / 'metrics.jsonl').read_text() == '{"epoch": 1}\n'


@pytest.mark.parametrize(
    ('field', 'value', 'there', 'now'),
    [
        ('num_seeds', 7, '10', '7'),
        ('model.widths', (4, 4, 4, 8), '(32, 32, 64, 256)', '(4, 4, 4, 8)'),
        ('loss.aux_weight', 0.5, '2.0', '0.5'),
        ('train.shuffle', True, 'False', 'True'),
        ('data.relation', 'less', "'less_equal'", "'less'"),
        ('sweep.product', (('loss.aux_weight', (0.0, 1.0)),), '()', "(('loss.aux_weight'"),
    ],
)
def test_another_config_is_refused_and_the_field_named(tmp_path, field, value, there, now):
    open_with(tmp_path)
    message = refusal_of(tmp_path, **{field.replace('.', '__'): value})
    assert f'{field} is {there} there and {now}' in message
    assert str(tmp_path) in message
    assert '--workdir' in message and '--overwrite' in message


@pytest.mark.parametrize(('field', 'value'), [('seed', 10**4000), ('a\nb', 1), ('x' * 5000, 1)])
def test_a_field_that_no_line_can_hold_is_shortened(tmp_path, field, value):
    open_with(tmp_path)
    path = tmp_path / 'config.json'
    content = read_json(path)
    content['config']['model'] |= {field: value}
    path.write_text(json.dumps(content))
    assert len(refusal_of(tmp_path)) < 1000


def test_a_sweep_in_the_workdir_compares_equal_to_itself(tmp_path):
    sweep = (('model.widths', ((4, 4, 4, 8), (8, 4, 4, 8))), ('train.shuffle', (True, False)))
    open_with(tmp_path, sweep__product=sweep)
    open_with(tmp_path, sweep__product=sweep)
    assert 'sweep.product' in refusal_of(tmp_path, sweep__product=sweep[:1])


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('runs.per_batch', 4),
        ('runs.devices', 1),
        ('checkpoint.every_seconds', 0.0),
        ('checkpoint.keep', 3),
        ('data.dir', '/elsewhere'),
        ('data.download', True),
    ],
)
def test_where_and_how_it_runs_may_differ_and_is_recorded(tmp_path, field, value):
    open_with(tmp_path)
    open_with(tmp_path, **{field.replace('.', '__'): value})
    group, _, name = field.partition('.')
    assert read_json(tmp_path / 'config.json')['config'][group][name] == value


def test_other_digits_are_refused_by_their_fingerprint(tmp_path):
    open_with(tmp_path)
    message = refusal_of(tmp_path, data=DATA | {'fingerprint': 'xyz'})
    assert "fingerprint is 'abc' there and 'xyz' now" in message


def test_files_that_pairjax_did_not_write_are_neither_adopted_nor_deleted(tmp_path):
    (tmp_path / 'figures').mkdir()
    (tmp_path / 'figures' / 'mine.pdf').write_text('mine')
    for overwrite in (False, True):
        with pytest.raises(UserError, match=r'holds figures but no config\.json'):
            open_with(tmp_path, overwrite=overwrite)
    assert (tmp_path / 'figures' / 'mine.pdf').read_text() == 'mine'


def test_resuming_keeps_the_versions_of_the_first_start(tmp_path):
    open_with(tmp_path)
    path = tmp_path / 'config.json'
    content = read_json(path) | {'versions': {'jax': '0.0.1'}}
    path.write_text(json.dumps(content))
    open_with(tmp_path)
    assert read_json(path)['versions'] == {'jax': '0.0.1'}


def test_other_versions_that_go_on_are_recorded_once_and_said(tmp_path):
    open_with(tmp_path)
    assert record_versions(tmp_path) is None
    path = tmp_path / 'config.json'
    now = read_json(path)['versions']
    path.write_text(json.dumps(read_json(path) | {'versions': now | {'jax': '0.0.1'}}))
    for _ in range(2):
        said = record_versions(tmp_path)
        assert f'begun with jax 0.0.1 and goes on with jax {now["jax"]};' in said
        assert read_json(path)['versions']['jax'] == '0.0.1'
        assert read_json(path)['resumed_with'] == [now]


def test_overwrite_deletes_its_own_files_only(tmp_path):
    open_with(tmp_path)
    for name in ('metrics.jsonl', 'summary.json', 'failures.log', 'notes.txt'):
        (tmp_path / name).write_text('old')
    own = (
        *('checkpoints/program_0000', 'figures', 'tensorboard/trial_0'),
        *('added_seeds/seeds_2_3', 'joining'),
    )
    for name in (*own, 'mine'):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / 'file').write_text('old')
    assert set(OWN_FILES) <= {path.name for path in tmp_path.iterdir()}
    open_with(tmp_path, num_seeds=2, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['config.json', 'mine', 'notes.txt']
    assert (tmp_path / 'mine' / 'file').read_text() == 'old'
    assert read_json(tmp_path / 'config.json')['config']['num_seeds'] == 2


def test_what_overwrite_could_not_delete_is_deleted_by_the_next_one(tmp_path, monkeypatch):
    open_with(tmp_path)
    (tmp_path / 'checkpoints').mkdir()
    with monkeypatch.context() as patch, pytest.raises(UserError, match='is busy'):
        patch.setattr(shutil, 'rmtree', raise_busy)
        open_with(tmp_path, overwrite=True)
    open_with(tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ['config.json']


def raise_busy(path):
    raise OSError(f'{path} is busy')


# Permission bits would not stop root, which the tests may run as.
@pytest.mark.parametrize('overwrite', [False, True])
def test_a_workdir_that_cannot_be_written_is_named(tmp_path, overwrite):
    file = tmp_path / 'file'
    file.write_text('mine')
    for workdir in (file, file / 'below'):
        message = refusal_of(workdir, overwrite=overwrite)
        assert f'{workdir} cannot be written' in message and '--workdir' in message
    assert file.read_text() == 'mine'


@pytest.mark.parametrize('content', ['', '{"config": {', 'not json', '\x00\x00', '[]'])
def test_a_damaged_config_file_is_named(tmp_path, content):
    (tmp_path / 'config.json').write_text(content)
    assert 'config.json' in refusal_of(tmp_path)


# -------------------------------------------------------------------- write_json


def test_old_content_survives_a_write_that_fails(tmp_path, monkeypatch):
    path = tmp_path / 'summary.json'
    write_json(path, {'good': 1})

    def full(*arguments):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('os.replace', full)
        with pytest.raises(UserError, match=r'summary\.json.*No space left on device'):
            write_json(path, {'good': 2})
    assert read_json(path) == {'good': 1}
    with monkeypatch.context() as patch:
        patch.setattr('os.fsync', full)
        with pytest.raises(UserError, match=r'summary\.json.*No space left on device'):
            write_json(path, {'good': 2})
    assert read_json(path) == {'good': 1}
    assert os.listdir(tmp_path) == ['summary.json']  # What was half written takes no room.


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), object()])
def test_what_json_cannot_hold_is_never_written(tmp_path, bad):
    path = tmp_path / 'summary.json'
    write_json(path, {'good': 1})
    with pytest.raises((ValueError, TypeError)):
        write_json(path, {'good': [2, bad]})
    assert read_json(path) == {'good': 1}
