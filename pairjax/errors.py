"""UserError, for mistakes that the user can fix, and "did you mean"."""

import difflib
from collections.abc import Iterable
from typing import Any


class UserError(Exception):
    """A mistake that the user can fix.

    The message is one sentence that names the flag, field or file, says what is wrong with it and
    what would be right. The launch scripts print it without a traceback and exit with code 1.
    """


def shown(value: Any) -> str:
    """Any value as one line of at most 203 characters, for a message."""
    try:
        text = ' '.join(repr(value).split())
    except ValueError:  # repr() refuses integers of more than 4,300 digits.
        text = f'a {type(value).__name__} with too many digits to show'
    return text if len(text) <= 200 else f'{text[:200]}...'


def shown_name(name: str) -> str:
    """The name of a field, in quotes only where it would not be seen, or would break the line."""
    return name if name.isprintable() and 0 < len(name) <= 100 else shown(name)


def describe_error(error: BaseException) -> str:
    """An exception in one line, for use inside a sentence."""
    text = ' '.join(str(error).split()).rstrip('.')
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


def unknown_name(field: str, name: str, choices: Iterable[str]) -> UserError:
    """The error for a name that is not in a registry; suggests the closest name that is.

    Args:
      field: the config field or flag that holds the name.
      name: as the user wrote it.
      choices: the names in the registry.
    """
    choices = sorted(choices)
    return UserError(
        f'{field}={shown(name)} does not exist; {did_you_mean(name, choices)}choose from '
        f'{", ".join(choices)}'
    )


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """'did you mean CHOICE? ' with the closest choice, in any case; empty where none is close."""
    by_lower_case = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(str(name)[:100].lower(), by_lower_case, n=1, cutoff=0.5)
    return f'did you mean {by_lower_case[close[0]]!r}? ' if close else ''
