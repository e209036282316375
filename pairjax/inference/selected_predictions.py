"""Predictions of an experiment's selected trial; jax starts only where there are networks."""

from pairjax.analysis.error_analysis import PairPredictions
from pairjax.analysis.results import ExperimentResult
from pairjax.errors import UserError


def predict_selected(result: ExperimentResult) -> PairPredictions | str:
    """The selected trial's predictions of its test pairs, or a sentence why there are none."""
    trial, checkpoints = result.selected_trial, result.workdir / 'checkpoints'
    if trial is None:
        return 'Every run failed, so there is no network to evaluate.'
    if not checkpoints.is_dir():
        return f'{checkpoints} does not exist, so there is no network to evaluate.'
    from pairjax.inference.pair_predictions import predict_test_pairs
    from pairjax.runtime.vectorize import configure_jax

    configure_jax()
    seeds = [seed for seed in trial.seeds if seed not in trial.failed_seeds]
    try:
        return predict_test_pairs(result.workdir, trial.index, seeds)
    except UserError as error:
        return f'The networks cannot be evaluated: {str(error).rstrip(".")}.'
