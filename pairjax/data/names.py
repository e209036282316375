"""What the names of files and arrays say: data set, split, images or labels."""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from pairjax.errors import UserError, shown

SPLIT_WORDS = {
    **dict.fromkeys(('train', 'training'), 'train'),
    **dict.fromkeys(('test', 'testing', 't10k'), 'test'),
    **dict.fromkeys(('val', 'valid', 'validation', 'dev'), 'validation'),
}
KIND_WORDS = {
    **dict.fromkeys(('images', 'image', 'imgs', 'img', 'x', 'data', 'pixels'), 'images'),
    **dict.fromkeys(('labels', 'label', 'y', 'targets', 'target', 'classes'), 'labels'),
}
# The default of data.dataset, which for all sources but tfds stands for no choice.
DEFAULT_DATASET = 'mnist'


class Role(NamedTuple):
    """What a name says, such as k49-train-imgs: ('k49', 'train', 'images')."""

    dataset: str
    split: str | None
    kind: str | None


def words_of(name: str) -> list[str]:
    """The words of a name in lower case: X_kannada_MNIST, trainImages, x-train."""
    apart = re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name).lower()
    # Some write xtrain and testy in one word.
    apart = re.sub(r'\b([xy])(train|test|val)\b', r'\1 \2', apart.replace('_', ' '))
    apart = re.sub(r'\b(train|test|val)([xy])\b', r'\1 \2', apart)
    return re.findall(r'[^\W_]+', apart)


def role_of(name: str) -> Role:
    """Reads a name; words that say neither split nor kind are those of the data set."""
    split = kind = None
    rest = []
    for word in words_of(name):
        if word in SPLIT_WORDS and split is None:
            split = SPLIT_WORDS[word]
        elif word in KIND_WORDS and kind is None:
            kind = KIND_WORDS[word]
        else:
            rest.append(word)
    return Role('-'.join(rest), split, kind)


def choose_dataset(found: Collection[str], wanted: str, where: object) -> str:
    """The data set to read where a directory may hold several.

    Args:
      found: the names of those there, as `role_of` makes them; '' for files that name none.
      wanted: data.dataset: a name, or its last words, such as letters for emnist-letters.
      where: the directory, for messages.

    Raises: UserError where that is none or several of them.
    """
    plain = _letters(wanted)
    same = [name for name in found if _letters(name) == plain]
    if wanted == DEFAULT_DATASET:
        same = same or [name for name in found if not name] or list(found)
    else:
        same = same or [name for name in found if plain and _letters(name).endswith(plain)]
        # Files under the names of MNIST's may be any data set.
        same = same or [name for name in found if not name and len(found) == 1]
    if len(same) == 1:
        return same[0]
    names = ', '.join(sorted(name or DEFAULT_DATASET for name in found))
    if wanted == DEFAULT_DATASET or same:
        raise UserError(
            f'data.dir: {where} holds several data sets ({names}); choose one with data.dataset.'
        )
    raise UserError(f'data.dataset={shown(wanted)} is not in {where}; choose from {names}.')


def _letters(name: str) -> str:
    return ''.join(words_of(name))


def choose_splits(sizes: Mapping[str, object]) -> tuple[str, str | None, list[str]]:
    """Which splits become the train pool and the test pool.

    Args:
      sizes: by name of a split ('' for files that name none), anything.

    Returns:
      The split of the train pool; that of the test pool, None where it must be split off the
      train pool; sentences about splits that are used otherwise than their names say.
    """
    splits = list(sizes)
    train = 'train' if 'train' in splits else splits[0]
    rest = [split for split in splits if split != train]
    notes = []
    test = next((split for split in ('test', 'validation') if split in rest), None)
    if test == 'validation':
        notes.append('there is no test split: its validation images are the test pool')
    unused = [split or 'unnamed' for split in rest if split != test]
    if unused:
        notes.append(f'the images of the split {", ".join(unused)} are not used')
    return train, test, notes
