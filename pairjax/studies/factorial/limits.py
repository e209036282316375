"""What the study's figures do not say. No jax in here."""

from pairjax.reporting.markdown import bullet
from pairjax.studies.factorial.design import Design
from pairjax.studies.factorial.parts import num_test_pairs
from pairjax.studies.factorial.results import Results


def limits(design: Design, results: Results) -> str:
    """The limits as a list in Markdown."""
    data, images = results.data, 2 * num_test_pairs(design)
    texts = (
        'Accuracies are those after a fixed number of epochs, without early stopping: an arm that '
        'would need longer is measured as it stands then, and twice the train pairs also means '
        'twice the steps.',
        f'One data set and one relation. All seeds draw from the same {data["train_pool"]:,} '
        f'train images, and the test pairs of each take {images:,} of the same '
        f'{data["test_pool"]:,} test images: intervals over seeds contain the luck of pairs, '
        'initial parameters and batch noise, not that of having got these images.',
        f'Learning rates come from a grid of {len(design.learning_rates)} and a pilot of '
        f'n = {design.num_pilot_seeds} seeds: part of a difference between arms may be one between '
        'their picks, and no interval contains that. Runs with fewer train pairs use the picks of '
        'the full number. Widths, dropout, epochs and batch size are those of the shared networks '
        'and were not tuned for separate ones.',
        'At aux weight 0 the digit heads of AuxNet2 and AuxNet3 count as parameters but get no '
        'gradient; in AuxNet1 and DeepModel the main head reads them.',
        'P-values are adjusted within each table, not over all of them. The best aux weight is '
        'chosen with the seeds on which its effect is then measured, though on other pairs.',
        'A diverged run counts in no mean; where the last section lists failed seeds, comparisons '
        'speak of the seeds that both arms survived.',
    )
    return '\n'.join(map(bullet, texts))
