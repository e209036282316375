"""pairjax: what weight sharing and auxiliary losses are worth when two images are compared.

    results = pairjax.run('auxnet2', num_seeds=10)
    results.summary

`run`, `load_results`, `load` and `compare` are what launch/main.py and its neighbours do, from
Python; each loads what it needs when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pairjax.api.compare import compare
    from pairjax.api.network import TrainedNetwork, load
    from pairjax.api.run import Results, load_results, run
    from pairjax.api.scores import scores
    from pairjax.errors import UserError
    from pairjax.runtime.callbacks import Callback
    from pairjax.runtime.preemption import Interrupted

__version__ = '0.3.0'

# What is public, and where it is defined.
_PUBLIC = {
    'run': 'api.run',
    'load_results': 'api.run',
    'Results': 'api.run',
    'load': 'api.network',
    'TrainedNetwork': 'api.network',
    'compare': 'api.compare',
    'scores': 'api.scores',
    'UserError': 'errors',
    'Interrupted': 'runtime.preemption',
    'Callback': 'runtime.callbacks',
}
__all__ = [
    'Callback',
    'Interrupted',
    'Results',
    'TrainedNetwork',
    'UserError',
    'compare',
    'load',
    'load_results',
    'run',
    'scores',
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_PUBLIC[name]}'), name)


def __dir__() -> list[str]:
    return [*__all__, '__version__']
