"""Worker processes that read images: they end when they should, and say nothing else."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial

import numpy as np
import pytest
from PIL import Image

from pairjax.errors import UserError
from pairjax.inference.image_preprocessing import PreparedImage, read_image
from pairjax.inference.image_workers import image_workers


@pytest.fixture
def paths(tmp_path):
    """Twenty images of noise, two of which cannot be read."""
    noise = np.random.default_rng(0).integers(256, size=(20, 28, 28), dtype=np.uint8)
    for number, image in enumerate(noise):
        Image.fromarray(image).save(tmp_path / f'{number}.png')
    (tmp_path / '3.png').write_bytes(b'')
    (tmp_path / '17.png').unlink()
    return [str(tmp_path / f'{number}.png') for number in range(20)]


def test_workers_return_what_this_process_would_in_order(paths):
    with image_workers(partial(read_image, as_it_is=True), 2) as read:
        # Both requests are under way at once.
        requested = [read(paths), read(paths[::-1])]
        results, backwards = map(list, requested)
        assert list(read([])) == []
    for path, result in zip(paths, results, strict=True):
        try:
            expected = read_image(path, as_it_is=True)
        except UserError as error:
            assert result == str(error)
        else:
            np.testing.assert_array_equal(result.pixels, expected.pixels)
    assert 'it is empty' in results[3] and 'No such file' in results[17]
    for result, same in zip(results, backwards[::-1], strict=True):
        np.testing.assert_array_equal(result[0], same[0])


def print_and_read(path):
    print('not a prediction', flush=True)
    os.write(1, b'nor this\n')
    return read_image(path)


def read_in_one_thread(path):
    return os.environ['OPENBLAS_NUM_THREADS']


def die(path):
    os.kill(os.getpid(), signal.SIGKILL)


def fail_for_the_first(path):
    return read_image(path) if not path.endswith('/0.png') else {}['no such field']


def wait(path):
    time.sleep(600)


def test_what_a_library_prints_goes_to_standard_error(paths, capfd):
    with image_workers(print_and_read, 1) as read:
        assert [type(image) for image in read(paths[:2])] == [PreparedImage, PreparedImage]
    out, err = capfd.readouterr()
    assert out == '' and err.count('nor this') == err.count('not a prediction') == 2


def test_the_environment_of_workers_is_not_left_behind(paths, monkeypatch):
    monkeypatch.setenv('OPENBLAS_NUM_THREADS', '3')
    monkeypatch.delenv('PYTHONWARNINGS', raising=False)
    with image_workers(read_in_one_thread, 2) as read:
        assert os.environ['OPENBLAS_NUM_THREADS'] == '3' and 'PYTHONWARNINGS' not in os.environ
        assert set(read(paths)) == {'1'}
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_worker_that_dies_is_a_sentence(paths):
    with pytest.raises(UserError, match='was reading images died'), image_workers(die, 1) as read:
        list(read(paths))


def test_a_bug_costs_one_sentence_an_image_and_no_traceback(paths, capfd):
    with image_workers(fail_for_the_first, 1) as read:
        first, second = read(paths[:2])
    assert first == f"{paths[0]} cannot be prepared (KeyError: 'no such field'); please report this"
    assert isinstance(second, PreparedImage) and capfd.readouterr() == ('', '')


def test_leaving_early_gives_up_what_is_being_read(paths):
    started = time.monotonic()
    with image_workers(wait, 2) as read:
        pending = read(paths)
        time.sleep(2)  # Until a worker waits.
    assert time.monotonic() - started < 60 and not multiprocessing.active_children()
    del pending


def test_processes_that_cannot_be_started_are_a_sentence(monkeypatch):
    def refuse(*arguments, **options):
        raise BlockingIOError(11, 'Resource temporarily unavailable')

    monkeypatch.setattr(multiprocessing.util, 'spawnv_passfds', refuse)
    with (
        pytest.raises(UserError, match=r'no process can be started .*\(Resource temporarily'),
        image_workers(read_image, 2),
    ):
        pass


@pytest.mark.parametrize(
    ('number', 'when'),
    [
        (signal.SIGINT, 'starting'),
        (signal.SIGINT, 'idle'),
        (signal.SIGTERM, 'idle'),
        (signal.SIGKILL, 'busy'),
    ],
)
def test_workers_end_with_the_process_that_started_them(number, when, paths):
    """Ctrl-C reaches all of them, other signals only the first; nobody prints anything."""
    program = f"""
        import signal, time
        from pairjax.inference.image_preprocessing import read_image
        from pairjax.inference.image_workers import image_workers
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        with image_workers(read_image, 2) as read:
            if {when!r} != 'starting':
                list(read({paths!r}))
            if {when!r} == 'busy':
                pending = [read({paths!r} * 100) for _ in range(100)]
            time.sleep(0.3)
            print('ready', flush=True)
            signal.pause()
    """
    command = [sys.executable, '-c', textwrap.dedent(program)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline() == 'ready\n'
        children = {child for child, parent in _processes() if parent == process.pid}
        assert len(children) == 3  # Two workers and the resource tracker of multiprocessing.
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        assert process.communicate(timeout=60) == ('', '')
    started = time.monotonic()
    while children & {running for running, _ in _processes()}:
        assert time.monotonic() - started < 30
        time.sleep(0.05)


def _processes():
    """The number of each process that runs, and of the one that started it."""
    listed = subprocess.run(['ps', '-eo', 'pid=,ppid='], capture_output=True, text=True, check=True)
    return [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
