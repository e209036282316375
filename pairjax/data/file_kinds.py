"""Tells what a file really is by how it begins, where it is not what its name says."""

from pathlib import Path

GZIP = b'\x1f\x8b'
_LFS = b'version https://git-lfs'
_ARCHIVES = {
    b'PK\x03\x04': 'a zip archive',
    b'BZh': 'a bzip2 archive',
    b'\xfd7zXZ': 'an xz archive',
}
# Enough for what servers put before <html>.
BEGINNING_BYTES = 512


def foreign_kind(beginning: bytes) -> str | None:
    """What a file that begins like this is instead of data, and what to do; None if unknown."""
    text = beginning.lstrip(b'\xef\xbb\xbf \t\r\n').lower()
    if text.startswith((b'<!doctype', b'<html', b'<?xml')):
        return 'is a web page, not data; download the file itself, not the page that shows it'
    if text.startswith(_LFS):
        return 'is a Git LFS pointer, not the data; fetch it with: git lfs pull'
    if not beginning:
        return 'is empty; download it again'
    return None


def archive_kind(beginning: bytes) -> str | None:
    """The same for archives that are to be unpacked first; an .npz file is a zip archive."""
    for magic, kind in _ARCHIVES.items():
        if beginning.startswith(magic):
            return f'is {kind}; unpack it and name the directory'
    return None


def read_beginning(path: Path) -> bytes:
    """The first bytes of a file, b'' where it cannot be read."""
    try:
        with path.open('rb') as file:
            return file.read(BEGINNING_BYTES)
    except OSError:
        return b''
