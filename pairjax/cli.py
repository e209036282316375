"""What the launch scripts share: flags in, one call, an exit code. Errors are sentences."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags, logging

from pairjax.config import check_field_names
from pairjax.errors import UserError


def run_main(main: Callable[[], None]) -> None:
    """Parses the flags and calls main(); a user's mistake becomes one line and exit code 1."""

    def guarded(_) -> int:
        try:
            main()
        except UserError as error:
            print(f'error: {error}', file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print('interrupted; the last checkpoint is intact', file=sys.stderr)
            return 130
        return 0

    logging.set_verbosity(logging.WARNING)
    app.run(guarded, flags_parser=parse_flags)


def parse_flags(argv: Sequence[str]) -> Sequence[str]:
    """Parses the command line; exits with code 1 and one line where it is wrong."""
    # ml_collections reports whatever goes wrong in a config file or an override as one of these.
    expected = (
        flags.Error,
        UserError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        OSError,
        SyntaxError,
        ImportError,
        NameError,
    )
    try:
        _check_overrides(argv[1:])
        rest = flags.FLAGS(argv)
        if len(rest) > 1:
            raise UserError(f'{rest[1]!r} is not a flag; flags start with --, --help lists them')
        return rest
    except expected as error:
        print(f'error: {_sentence(error)}', file=sys.stderr)
        sys.exit(1)


def _check_overrides(args: Sequence[str]) -> None:
    """Names of fields are checked here, where "did you mean" can still be said."""
    for arg in args:
        name = arg.lstrip('-').partition('=')[0].removeprefix('no')
        if arg.startswith('-') and name.startswith('config.'):
            check_field_names([name.removeprefix('config.')], prefix='--config.')
        if name == 'config':
            path = arg.partition('=')[2]
            if path and not os.path.isfile(path.partition(':')[0]):
                raise UserError(
                    f'--config={path} does not exist; the experiments stand in configs/'
                )


def _sentence(error: BaseException) -> str:
    """What is left of an error when the traceback in its text is cut off."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def config_from_flag(flag: Any) -> Any:
    """The value of --config; a missing or broken config file becomes a UserError."""
    if flag.value is None:
        raise UserError(
            '--config is missing; name an experiment such as --config=configs/auxnet2.py'
        )
    return flag.value
