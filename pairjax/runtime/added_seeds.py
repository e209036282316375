"""Adds seeds to an experiment that has some: only the new ones train.

They train in WORKDIR/added_seeds/seeds_10_19, an experiment of its own, since seed i among many is
the same run as seed i alone. When all are trained they are joined with those before; until then
WORKDIR stays as it was.
"""

import shutil
from pathlib import Path

from ml_collections import FrozenConfigDict

from pairjax.errors import UserError
from pairjax.runtime.join import Piece, join_experiments
from pairjax.runtime.plan import Plan
from pairjax.workdir.workdir import ADDED_SEEDS, begun_blocks, block_workdir, read_config


def blocks_of_seeds(
    config: FrozenConfigDict, workdir: Path, overwrite: bool = False
) -> list[tuple[int, int]]:
    """The blocks of seeds (first, number) in which a workdir gets a config's seeds.

    The first is what the workdir has, or all seeds where it has none; the others are to be added,
    those that were begun before the last one. With `overwrite` all train anew.

    Raises: UserError where more seeds than these are being added already, or it is damaged.
    """
    first, wanted = config.seed, config.num_seeds
    if overwrite or not (workdir / 'config.json').exists():
        return [(first, wanted)]
    there = read_config(workdir)['config']['num_seeds']
    if there >= wanted:
        return [(first, wanted)]
    blocks, end = [(first, there)], first + there
    for begin, num in begun_blocks(workdir):
        if begin == end:
            blocks.append((begin, num))
            end += num
    if end > first + wanted:
        raise UserError(
            f'seeds up to {end - 1} are being added to {workdir}: choose at least num_seeds='
            f'{end - first}, or give them up and delete {workdir / ADDED_SEEDS}'
        )
    if end < first + wanted:
        blocks.append((end, first + wanted - end))
    return blocks


def with_seeds(plan: Plan, first: int, num: int) -> Plan:
    """The plan of the same trials with other seeds."""
    config = FrozenConfigDict({**plan.config.to_dict(), 'seed': first, 'num_seeds': num})
    return plan._replace(config=config)


def join_seeds(plan: Plan, blocks: list[tuple[int, int]], workdir: Path) -> None:
    """Joins all blocks, of which the first is in the workdir itself.

    Raises: as `join_experiments`.
    """
    places = range(len(plan.trials))
    workdirs = [workdir, *(block_workdir(workdir, *block) for block in blocks[1:])]
    pieces = [
        Piece(path, with_seeds(plan, *block), places)
        for path, block in zip(workdirs, blocks, strict=True)
    ]
    join_experiments(plan, pieces, workdir)
    discard_joined(workdir)


def discard_joined(workdir: Path) -> None:
    """Deletes the workdirs of blocks whose seeds the workdir itself has."""
    if not (workdir / ADDED_SEEDS).is_dir():
        return
    saved = read_config(workdir)['config']
    begun = begun_blocks(workdir)
    joined = [block for block in begun if block[0] < saved['seed'] + saved['num_seeds']]
    for block in joined:
        shutil.rmtree(block_workdir(workdir, *block))
    if joined == begun:
        shutil.rmtree(workdir / ADDED_SEEDS)
