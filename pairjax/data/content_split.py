"""Splits a pool into train and test by content, so that adding images moves none of the others."""

import hashlib
from collections.abc import Iterable

import numpy as np

from pairjax.data.digits import Pool
from pairjax.errors import UserError

TEST_SHARE = 0.2
SPLIT_NOTE = (
    f'there is no test split: {100 * TEST_SHARE:.0f} % of the images, chosen by a hash of their '
    'content, are the test pool'
)


def content_hash(contents: bytes | memoryview) -> bytes:
    """An 8-byte hash of the content, the same on every machine."""
    return hashlib.blake2b(contents, digest_size=8).digest()


def in_test_pool(hashes: Iterable[bytes]) -> np.ndarray:
    """Whether images with these content hashes are test images, (n,) bool.

    It depends on each image's content alone: adding and removing others moves none, and copies
    of one image are never in both pools.
    """
    limit = int(TEST_SHARE * 2**64)
    return np.array([int.from_bytes(one, 'big') < limit for one in hashes], bool)


def split_by_content(pool: Pool) -> tuple[Pool, Pool, str]:
    """A pool of arrays as a train pool, a test pool and a sentence that says so.

    Raises: UserError where there is not one label per image.
    """
    if pool.images.ndim < 2 or pool.labels.shape[:1] != pool.images.shape[:1]:
        raise UserError(
            f'{pool.images_name} has shape {pool.images.shape} and {pool.labels_name} '
            f'{pool.labels.shape}; expected one label per image.'
        )
    test = in_test_pool(content_hash(np.ascontiguousarray(image).data) for image in pool.images)
    pools = (
        pool._replace(images=pool.images[chosen], labels=pool.labels[chosen])
        for chosen in (~test, test)
    )
    return (*pools, SPLIT_NOTE)
