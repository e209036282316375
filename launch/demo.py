"""Opens a local page on which one draws two digits: python launch/demo.py [--workdir=DIR]"""

import os
import sys
import webbrowser

from absl import flags

from pairjax.cli import run_main
from pairjax.errors import UserError

WORKDIR = flags.DEFINE_string(
    'workdir',
    'pairnet',
    'what launch/main.py made, a saved .safetensors file, or the name of a network that comes with '
    'the package',
)
TRIAL = flags.DEFINE_integer('trial', None, 'which trial; the selected one by default')
SEED = flags.DEFINE_integer('seed', None, 'one seed alone; all of the trial by default')
PORT = flags.DEFINE_integer('port', 7860, '0 takes any free one', lower_bound=0, upper_bound=65535)
HOST = flags.DEFINE_string('host', '127.0.0.1', 'who may connect; by default this machine alone')
BROWSER = flags.DEFINE_bool('browser', True, 'open the page in a browser')


def main() -> None:
    # What is slow to import comes only now, so that a mistyped flag is reported at once.
    from pairjax.inference.drawing_page import LOOPBACK, bind, make_page, serve

    with bind(HOST.value, PORT.value) as listening:
        import numpy as np

        from pairjax.inference.drawn_digits import answer_drawings
        from pairjax.inference.networks import find_networks
        from pairjax.inference.predictor import Predictor
        from pairjax.runtime import vectorize

        vectorize.configure_jax()
        networks = find_networks(WORKDIR.value, TRIAL.value, SEED.value, SEED.value is None)
        if networks.plan.data['num_classes'] != 10:
            raise UserError(
                f'{WORKDIR.value} was trained on {networks.plan.data["num_classes"]} classes; '
                'name networks of the ten digits'
            )
        predictor = Predictor(networks, batch_size=1)
        predictor(np.zeros((1, 2, 14, 14)))  # Compiles, before anybody waits for it.
        hosts = (LOOPBACK, 'localhost') if HOST.value == LOOPBACK else ('*',)
        app = make_page(lambda drawings: answer_drawings(predictor, drawings), hosts)
        name = f'[{HOST.value}]' if ':' in HOST.value else HOST.value
        address = f'http://{name}:{listening.getsockname()[1]}'
        print(f'{networks}\ndraw on {address} (Ctrl-C ends it)', flush=True)
        if BROWSER.value and _has_screen():
            webbrowser.open(address)
        serve(app, listening)


def _has_screen() -> bool:
    """Whether a browser can open a window: one of text would take the terminal."""
    named = 'DISPLAY' in os.environ or 'WAYLAND_DISPLAY' in os.environ
    return named or not sys.platform.startswith('linux')


if __name__ == '__main__':
    run_main(main)
