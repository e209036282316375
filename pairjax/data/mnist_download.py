"""Fetches the files of MNIST."""

import hashlib
import http.client
import urllib.request
from pathlib import Path

from pairjax.data.cache import replacing_shared
from pairjax.errors import UserError, describe_error

# The files as first published, with the MD5 of the compressed file; in the
# order of ARRAY_NAMES.
MNIST_MD5 = {
    'train-images-idx3-ubyte.gz': 'f68b3c2dcbeaaa9fbdd348bbdeb94873',
    'train-labels-idx1-ubyte.gz': 'd53e105ee54ea40749a09fcbcd1e9432',
    't10k-images-idx3-ubyte.gz': '9fb629c4189551a2d022fa330f9573f3',
    't10k-labels-idx1-ubyte.gz': 'ec29112dd5afa0611ce80d1b7f02629c',
}
MNIST_MIRRORS = (
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
)
DOWNLOAD_TIMEOUT_SECONDS = 30
# Three times the largest file: a mirror gone wrong must not fill the memory.
_DOWNLOAD_LIMIT_BYTES = 30_000_000


def fetch_mnist_file(name: str, directory: Path) -> Path:
    """Downloads a file from the first mirror that has it intact; returns its path.

    Args:
      name: one of `MNIST_MD5`.
      directory: where to store it, made if need be.

    Raises: UserError where no mirror has it, or it cannot be stored.
    """
    failures = []
    for mirror in MNIST_MIRRORS:
        try:
            with urllib.request.urlopen(mirror + name, timeout=DOWNLOAD_TIMEOUT_SECONDS) as reply:
                contents = reply.read(_DOWNLOAD_LIMIT_BYTES)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f'{mirror}: {describe_error(error)}')
            continue
        md5 = hashlib.md5(contents, usedforsecurity=False).hexdigest()
        if md5 != MNIST_MD5[name]:
            failures.append(f'{mirror}: MD5 {md5} instead of {MNIST_MD5[name]}')
            continue
        try:
            with replacing_shared(directory / name) as file:
                file.write(contents)
        except OSError as error:
            raise UserError(
                f'data.dir: {name} cannot be stored in {directory} '
                f'({describe_error(error)}); name a directory you can write to.'
            ) from error
        return directory / name
    raise UserError(
        f'{name} could not be fetched ({"; ".join(failures)}); try again later, or get it by hand '
        f'from any copy of MNIST and put it into {directory}.'
    )
