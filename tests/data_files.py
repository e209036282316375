"""Writes data files as their publishers make them."""

import io
import json
import struct

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def idx_bytes(array, type_code=8):
    """An idx file as its description says: magic, big-endian sizes, bytes."""
    header = struct.pack('>BBBB', 0, 0, type_code, array.ndim)
    return header + struct.pack(f'>{array.ndim}I', *array.shape) + array.astype('u1').tobytes()


def typed_idx(array, code, kind):
    """An idx file of any element type, as http://yann.lecun.com/exdb/mnist/ describes it."""
    sizes = struct.pack(f'>{array.ndim}I', *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(kind).tobytes()


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, 'PNG')
    return file.getvalue()


def write_parquet(path, images, as_struct=True, image='image', names=tuple('012'), **labels):
    """A table of encoded images and label columns with the metadata of their features."""
    contents = [png(one) for one in images]
    if as_struct:
        kind = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
        contents = pa.array([{'bytes': one, 'path': None} for one in contents], kind)
    table = pa.table({image: contents, **{name: list(values) for name, values in labels.items()}})
    features = {image: {'_type': 'Image'}}
    for name in labels:
        features[name] = {'names': list(names), '_type': 'ClassLabel'}
    if names:
        info = json.dumps({'info': {'features': features}})
        table = table.replace_schema_metadata({'huggingface': info})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=5)


def write_images(root, images, labels, names=tuple('012'), suffix='.png'):
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / names[label] / f'{number:05d}{suffix}'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
