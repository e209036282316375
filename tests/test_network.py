"""Nothing asks the network: not training, evaluation, comparison or report."""

import contextlib
import http.client
import io
import socket
import urllib.request
from unittest import mock

import pytest
from conftest import make_small_config
from rich.console import Console

from pairjax.analysis.paired import compare_workdirs
from pairjax.analysis.results import read_experiment
from pairjax.data import mnist_download
from pairjax.data.sources import load_digits
from pairjax.errors import UserError
from pairjax.inference import evaluate_workdir
from pairjax.inference.pair_predictions import predict_selected
from pairjax.reporting.comparison import show_comparison
from pairjax.reporting.console import show_evaluation, show_results
from pairjax.reporting.html.report import read_experiments, write_report
from pairjax.reporting.plots.comparison import draw_comparison
from pairjax.reporting.plots.curves import save_figure
from pairjax.reporting.progress import ProgressDisplay
from pairjax.runtime import experiment


class NetworkTouchedError(BaseException):
    """No Exception, so that nothing on the way takes it for a mirror that is down."""


@pytest.fixture
def asked(monkeypatch):
    """Every address that something tried to reach; trying ends the test."""
    addresses = []

    def refuse(*arguments, **keywords):
        addresses.append(arguments)
        raise NetworkTouchedError(arguments)

    for name in ('connect', 'connect_ex', 'sendto'):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ('create_connection', 'getaddrinfo', 'gethostbyname', 'gethostbyname_ex'):
        monkeypatch.setattr(socket, name, refuse)
    return addresses


def test_an_experiment_from_start_to_report_asks_nobody(tmp_path, small_digits_path, asked):
    console = Console(file=io.StringIO(), width=160)
    workdirs = [tmp_path / name for name in ('a', 'b')]
    for seed, workdir in enumerate(workdirs):
        config = make_small_config(small_digits_path)
        config.train.num_epochs, config.num_seeds, config.seed = 1, 3, seed
        experiment.run_experiment(config, workdir, callbacks=[ProgressDisplay(console)])
        show_results(read_experiment(workdir), console)
    show_evaluation(evaluate_workdir.evaluate_workdir(workdirs[0]), console)
    comparison = compare_workdirs([str(workdir) for workdir in workdirs], 'final_test_accuracy')
    show_comparison(comparison, console)
    save_figure(draw_comparison(comparison), tmp_path / 'comparison.png')
    results = read_experiments(workdirs)
    write_report(results, list(map(predict_selected, results)), tmp_path / 'report.html')
    assert (tmp_path / 'report.html').exists() and not asked


def test_digits_that_are_missing_are_not_looked_for_elsewhere(tmp_path, asked):
    load_digits('bundled')
    for source in ('idx', 'npz', 'parquet', 'folder', 'tfds'):
        with pytest.raises(UserError):
            load_digits(source, str(tmp_path))
    assert not asked


def test_only_a_download_that_was_asked_for_asks(tmp_path, asked):
    with pytest.raises(NetworkTouchedError):
        load_digits('idx', str(tmp_path), download=True)
    assert asked  # The tests above would have noticed.
    opened = []

    def refuse(address, timeout):
        opened.append(address)
        raise http.client.HTTPException

    with mock.patch.object(urllib.request, 'urlopen', refuse), contextlib.suppress(UserError):
        load_digits('idx', str(tmp_path), download=True)
    assert opened and all(a.startswith(mnist_download.MNIST_MIRRORS) for a in opened)
