"""Encoded images as 14 x 14 grey ones, in this process and in workers."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pairjax.data import encoded
from pairjax.data.encoded import decode_square, shrink_encoded

ROOT = Path(encoded.__file__).parents[2]
GREY = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)


def encode(image, kind='PNG', **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


MODES = {
    'L': (Image.fromarray(GREY), GREY),
    '1': (Image.fromarray(GREY > 127), (GREY > 127) * np.uint8(255)),
    'P': (Image.fromarray(GREY).convert('P'), np.stack([GREY] * 3, axis=-1)),
    'RGB': (Image.merge('RGB', [Image.fromarray(GREY)] * 3), np.stack([GREY] * 3, axis=-1)),
    '16 bits': (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
}


@pytest.mark.parametrize('mode', MODES)
def test_modes_give_the_values_of_the_image(mode):
    image, expected = MODES[mode]
    np.testing.assert_allclose(decode_square(encode(image)), expected, atol=1e-3)


@pytest.mark.parametrize('ink', [0, 255])
def test_transparent_pixels_differ_from_the_opaque_ones(ink):
    alpha = np.zeros((28, 28), np.uint8)
    alpha[5:20, 9:12] = 255
    layers = [*[np.full((28, 28), ink, np.uint8)] * 3, alpha]
    image = Image.merge('RGBA', [Image.fromarray(layer) for layer in layers])
    found = decode_square(encode(image))
    np.testing.assert_allclose(found[alpha == 255], ink, atol=1e-3)
    np.testing.assert_allclose(found[alpha == 0], 255 - ink, atol=1e-3)


def test_oblong_images_are_padded_with_their_border():
    image = np.full((10, 30), 200, np.uint8)
    image[3:7, 10:20] = 20
    found = decode_square(encode(Image.fromarray(image)))
    assert found.shape == (30, 30) and found.dtype == np.uint8
    np.testing.assert_array_equal(found[10:20], image)
    assert (found[:10] == 200).all() and (found[20:] == 200).all()


@pytest.mark.filterwarnings('ignore:Corrupt EXIF data')
def test_the_exif_tag_turns_and_a_broken_block_costs_only_the_rotation():
    image, tag = Image.fromarray(GREY), Image.Exif()
    tag[0x0112] = 6
    turned = decode_square(encode(image, exif=tag))
    np.testing.assert_array_equal(turned, np.rot90(GREY, -1))
    broken = decode_square(encode(image, exif=b'Exif\0\0MM\0*\xff\xff\xff\xff'))
    np.testing.assert_array_equal(broken, GREY)


def test_sizes_mix_and_failures_are_named_by_place():
    items = [encode(Image.fromarray(GREY[:side, :side])) for side in (28, 14, 20, 28)]
    items.insert(2, b'no image')
    items += items[:1] * 30
    shrunk = shrink_encoded(items, 'image {}'.format)
    assert shrunk.images.shape == (34, 14, 14) and not shrunk.readable[2]
    assert shrunk.readable.sum() == 34 and shrunk.notes[0].startswith('image 2 cannot be read')
    np.testing.assert_array_equal(shrunk.images[0], GREY.reshape(14, 2, 14, 2).mean((1, 3)))
    np.testing.assert_array_equal(shrunk.images[1], GREY[:14, :14])


SCRIPT = """
import os, sys
open({trace!r}, 'a').write('x')
from pairjax.data import encoded
encoded.FEWEST_FOR_WORKERS, encoded.CHUNK = 0, 20
encoded.num_cores = lambda: 2
items, seen = [open({image!r}, 'rb').read()] * 50, []
shrunk = encoded.shrink_encoded(items, str, lambda *counts: seen.append(counts))
print(shrunk.images.shape, shrunk.images.sum() == 50 * shrunk.images[0].sum(), seen)
print('concurrent.futures.process' in sys.modules)
"""


def test_workers_do_not_run_the_script_again_that_has_no_main_guard(tmp_path):
    (tmp_path / 'image.png').write_bytes(encode(Image.fromarray(GREY)))
    script, trace = tmp_path / 'script.py', tmp_path / 'trace'
    script.write_text(SCRIPT.format(trace=str(trace), image=str(tmp_path / 'image.png')))
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == '(50, 14, 14) True [(20, 50), (40, 50), (50, 50)]\nTrue\n', done.stderr
    assert trace.read_text() == 'x' and done.stderr == ''
