"""Prepared data sets as TFDS lays them out."""

import io
import json

import numpy as np
import pytest
from PIL import Image


def small_arrays():
    """12 train and 5 test images of 28 x 28 bytes in 3 classes, as keywords of numpy.savez."""
    rng = np.random.default_rng(0)
    return {
        'train_images': rng.integers(0, 256, (12, 28, 28), dtype=np.uint8),
        'train_labels': np.arange(12) % 3,
        'test_images': rng.integers(0, 256, (5, 28, 28), dtype=np.uint8),
        'test_labels': np.arange(5) % 3,
    }


def write_tfds(root, name='tiny', version='1.0.0', arrays=None, shape=(28, 28, 1), **info):
    """A prepared data set as TFDS lays it out, written without TensorFlow."""
    tfds = pytest.importorskip('tensorflow_datasets')
    from array_record.python.array_record_module import ArrayRecordWriter
    from tensorflow_datasets.proto import tf_example_pb2

    arrays = arrays or small_arrays()
    directory = root / name / version
    directory.mkdir(parents=True, exist_ok=True)
    splits = []
    for split in ('train', 'test'):
        images, labels = arrays[f'{split}_images'], arrays[f'{split}_labels']
        path = directory / f'{name}-{split}.array_record-00000-of-00001'
        writer = ArrayRecordWriter(str(path), 'group_size:1')
        for image, label in zip(images, labels, strict=True):
            png = io.BytesIO()
            Image.fromarray(image).save(png, 'png')
            example = tf_example_pb2.Example()
            example.features.feature['image'].bytes_list.value.append(png.getvalue())
            example.features.feature['label'].int64_list.value.append(int(label))
            writer.write(example.SerializeToString())
        writer.close()
        splits.append(
            {
                'name': split,
                'shardLengths': [str(len(images))] if len(images) else [],
                'filepathTemplate': '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}',
            }
        )
    label = tfds.features.ClassLabel(num_classes=3)
    features = {'image': tfds.features.Image(shape=shape), 'label': label}
    tfds.features.FeaturesDict(features).save_config(directory)
    info = {'name': name, 'version': version, 'fileFormat': 'array_record', 'splits': splits} | info
    (directory / 'dataset_info.json').write_text(json.dumps(info))
    return directory
