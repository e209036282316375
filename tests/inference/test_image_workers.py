"""Reading many pictures: each once, in processes that end when they should."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import Future
from functools import partial

import numpy as np
import pytest
from PIL import Image

from pairjax.errors import UserError
from pairjax.inference.image_preprocessing import Picture, read_picture
from pairjax.inference.image_workers import NUM_PARTS, PictureReader, reading_processes


class Shelf:
    """Notes what is asked for, and answers when it is told to."""

    def __init__(self, at_once=True):
        self.asked, self.waiting, self.at_once = [], [], at_once

    def __call__(self, paths):
        self.asked.append(list(paths))
        self.waiting.append((paths, future := Future()))
        if self.at_once:
            self.answer()
        return future

    def answer(self):
        for paths, future in self.waiting:
            future.set_result(
                [Picture(np.full((14, 14), int(p), np.float32), False) for p in paths]
            )
        self.waiting.clear()


def values(requested):
    return [int(one.result().image[0, 0]) for one in requested]


def test_each_picture_is_read_once_while_it_is_kept():
    shelf = Shelf()
    pictures = PictureReader(shelf, kept=2)
    for path in ('1', '2', '1', '3', '1'):
        assert values(pictures.request([path])) == [int(path)]
    assert shelf.asked == [['1'], ['2'], ['3']]
    # The one that was used longest ago had gone.
    assert values(pictures.request(['2'])) == [2] and shelf.asked[3:] == [['2']]


def test_a_picture_that_is_still_being_read_is_not_read_again():
    shelf = Shelf(at_once=False)
    pictures = PictureReader(shelf)
    first, second = pictures.request(['1', '1'])
    (third,) = pictures.request(['1'])
    assert shelf.asked == [['1']]
    shelf.answer()
    assert first.result() is second.result() is third.result()


def test_what_is_requested_at_once_comes_in_order_and_is_read_in_parts():
    shelf = Shelf()
    paths = [str(n) for n in np.random.default_rng(0).integers(100, size=300)]
    # More than are kept: what a request is of may not be forgotten within it.
    requested = PictureReader(shelf, kept=5).request(paths)
    assert values(requested) == [int(path) for path in paths]
    assert sum(map(len, shelf.asked)) == len(set(paths))
    assert len(shelf.asked) <= NUM_PARTS and max(map(len, shelf.asked)) <= 7
    assert PictureReader(shelf).request([]) == []


def test_an_answer_is_all_that_is_kept_of_its_part():
    shelf = Shelf()
    requested = PictureReader(shelf).request([str(n) for n in range(2 * NUM_PARTS)])
    assert [len(part) for part in shelf.asked] == [2] * NUM_PARTS
    requested[0].result()
    held = [value for value in vars(requested[0]).values() if isinstance(value, Future | list)]
    assert not held


# ------------------------------------------------------------------- real processes


@pytest.fixture
def paths(tmp_path):
    """Twenty pictures of noise, two of which are broken."""
    noise = np.random.default_rng(0).integers(256, size=(20, 28, 28), dtype=np.uint8)
    for number, image in enumerate(noise):
        Image.fromarray(image).save(tmp_path / f'{number}.png')
    (tmp_path / '3.png').write_bytes(b'')
    (tmp_path / '17.png').unlink()
    return [str(tmp_path / f'{number}.png') for number in range(20)]


def test_processes_answer_what_this_one_would(paths):
    with reading_processes(partial(read_picture, as_it_is=True), 2) as submit:
        answers = [one.result() for one in PictureReader(submit).request(paths)]
    for path, answer in zip(paths, answers, strict=True):
        try:
            expected = read_picture(path, as_it_is=True)
        except UserError as error:
            assert answer == str(error)
        else:
            np.testing.assert_array_equal(answer.image, expected.image)
    assert answers[3].endswith('Pillow reads') and 'does not exist' in answers[17]


def print_and_read(path):
    print('not an answer', flush=True)
    os.write(1, b'nor this')
    return read_picture(path)


def die(path):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(path):
    raise MemoryError(path)


def wait(path):
    time.sleep(600)


def write_half_an_answer(path):
    # Descriptors 0 to 2 are the standard ones, 3 is the way for answers.
    os.write(3, pickle.dumps([path] * 100)[:50])
    die(path)


def test_what_a_library_prints_is_no_answer(paths):
    with reading_processes(print_and_read, 1) as submit:
        assert [type(one) for one in submit(paths[:2]).result()] == [Picture, Picture]


def test_a_process_that_dies_is_said_to_have_died(paths):
    with reading_processes(die, 1) as submit:
        for _ in range(2):
            with pytest.raises(UserError, match=r'0\.png ended before it answered'):
                submit(paths[:1]).result()


def test_an_error_that_is_no_user_s_mistake_is_shown(paths, capfd):
    with (
        reading_processes(fail, 1) as submit,
        pytest.raises(UserError, match=r'0\.png to .*5\.png, 6 pictures, ended before'),
    ):
        submit(paths[:6]).result()
    assert f'MemoryError: {paths[0]}' in capfd.readouterr().err


def test_half_an_answer_is_none(paths):
    with (
        reading_processes(write_half_an_answer, 1) as submit,
        pytest.raises(UserError, match='ended before it answered'),
    ):
        submit(paths).result()


def test_what_is_being_read_is_given_up(paths):
    started = time.monotonic()
    with reading_processes(wait, 2) as submit:
        for path in paths:
            submit([path])
    assert time.monotonic() - started < 60


def test_processes_that_cannot_be_started_are_a_sentence(monkeypatch):
    def refuse(*arguments, **options):
        raise BlockingIOError(11, 'Resource temporarily unavailable')

    monkeypatch.setattr(subprocess, 'Popen', refuse)
    with (
        pytest.raises(UserError, match=r'no process can be started .*\(Resource temporarily'),
        reading_processes(read_picture, 2),
    ):
        pass


@pytest.mark.parametrize('busy', [False, True])
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_one_that_started_them(number, busy, paths):
    program = f"""
        import signal, time
        from pairjax.inference.image_preprocessing import read_picture
        from pairjax.inference.image_workers import reading_processes
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        with reading_processes(read_picture, 2) as submit:
            submit([{paths[0]!r}]).result()
            for _ in range(100 * {busy:d}):
                submit([{paths[0]!r}] * 1000)
            time.sleep(0.2)
            print('ready', flush=True)
            signal.pause()
    """
    command = [sys.executable, '-c', textwrap.dedent(program)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline() == 'ready\n'
        children = [child for child in _processes() if child[1] == process.pid]
        assert len(children) == 2
        os.killpg(process.pid, number)
        assert process.communicate(timeout=30)[1] == ''
    started = time.monotonic()
    while {child[0] for child in children} & {running for running, _ in _processes()}:
        assert time.monotonic() - started < 30
        time.sleep(0.05)


def _processes():
    """The number of each process that runs, and of the one that started it."""
    listed = subprocess.run(['ps', '-eo', 'pid=,ppid='], capture_output=True, text=True, check=True)
    return [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
