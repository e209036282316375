"""One run as pure functions: state, train step, evaluation, losses, optimizers.

May import: models, ops, data, config, errors.
"""
