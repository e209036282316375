"""What is doubtful about one image: two digits in it, or a network that is unsure."""

from pairjax.inference.image_preprocessing import PreparedImage

# Of the predicted digit. Chosen on MNIST train digits that the network of then was not trained on:
# docs/predict.md says how many digits, and how many of the mistakes, are below.
UNSURE_BELOW = 0.7
UNSURE = 'unsure'


def image_note(image: PreparedImage, probability: float | None) -> str:
    """Joins an image's own note and whether the predicted digit's probability is too low."""
    unsure = probability is not None and probability < UNSURE_BELOW
    return ', '.join(note for note in (image.note, UNSURE if unsure else '') if note)
