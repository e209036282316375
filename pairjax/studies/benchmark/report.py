"""The table and the explanation of a benchmark."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from rich.table import Table

from pairjax.studies.benchmark.peers import MOST_PEER_RUNS


def explain(result: Mapping[str, Any]) -> str:
    """What the statistics of a result mean, in sentences."""
    if result['cold']:
        return (
            'Wall seconds of whole commands, medians: launch/main.py in a new process that finds '
            'nothing compiled, and the strongest PyTorch program, from starting its processes and '
            'importing torch; its pairs are drawn beforehand, and it saves nothing. Ratios are '
            'min, median, max over pairs of alternating repeats.'
        )
    return (
        f'Medians of wall time over {result["num_epochs_timed"]} epochs, after one to warm up and '
        f'scaled to {result["config"]["train"]["num_epochs"]}, evaluation included where not said '
        'otherwise. GFLOP/s are direct-convolution ones: multiply-adds x2 of dense layers and '
        'direct convolutions (of these what pools read; Winograd executes fewer), once to '
        'evaluate, three times to train, without the gradient of the images. The peak is that of '
        'float32 matrix products on all devices at once. Memory is the most the process held up to '
        f'that row. PyTorch trains in one process a core, at most {MOST_PEER_RUNS} runs each, '
        'scaled to all seeds. Ratios are min/median/max over pairs of alternating repeats.'
    )


def benchmark_table(result: Mapping[str, Any]) -> Table:
    """One line a number of seeds."""
    machine = result['machine']
    table = Table(
        title=f'{result["config"]["name"]}, batch {result["config"]["train"]["batch_size"]}, '
        f'{machine["num_devices"]} x {machine["device_kind"]}'
    )
    for row in result['rows']:
        cells = {'seeds': str(row['num_seeds'])}
        if result['cold']:
            cells['pairjax'] = f'{median(row["seconds"]["pairjax"]):.1f} s'
        else:
            cells |= warm_cells(row)
        for peer, ratio in row['ratios'].items():
            cells[f'torch {peer}'] = f'{median(row["seconds"][peer]):.3f} s'
            cells[f'{peer} / pairjax'] = '{min:.2f}/{median:.2f}/{max:.2f}'.format(**ratio)
        if not table.columns:
            for heading in cells:
                table.add_column(heading, justify='right')
        table.add_row(*cells.values())
    return table


def warm_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """What timed epochs add to a line, by heading."""
    return {
        'compile': f'{row["compile_seconds"]:.1f} s',
        's a run': f'{row["seconds_per_run"]:.3f}',
        'pairs/s': f'{row["pairs_per_second"]:,.0f}',
        'GFLOP/s': f'{row["gflops_per_second"]:.1f}',
        'of peak': f'{100 * row["share_of_peak"]:.0f} %',
        'training GFLOP/s': f'{row["training_gflops_per_second"]:.1f}',
        'training of peak': f'{100 * row["training_share_of_peak"]:.0f} %',
        'memory': f'{row["peak_memory_bytes"] / 2**20:,.0f} MiB',
    }
