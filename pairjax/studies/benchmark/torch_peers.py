"""The same networks and protocol in PyTorch, for the benchmark to compare with.

A process of this module (`python -m pairjax.studies.benchmark.torch_peers`) trains the runs that
`benchmark.py` sends it through its standard input. Two programs, doing the same work:

  eager      as the first report wrote it: one call of the encoder for each image, NCHW, plain
             Adam, the loss read after every step.
  strongest  the fastest of those tried: both branches as one batch, channels last, fused Adam.
"""

import pickle
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

SETS = ('train', 'validation', 'test')


def torch_encoder(blocks: Sequence[tuple[int, ...]]) -> nn.Sequential:
    """Images (n, channels, 14, 14) -> features (n, features)."""
    layers: list[nn.Module] = []
    for num_inputs, num_outputs, size, padding, pool in blocks:
        layers += [nn.Conv2d(num_inputs, num_outputs, size, padding=padding), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(pool)] if pool > 1 else []
    return nn.Sequential(*layers, nn.Flatten())


def torch_head(widths: Sequence[int], dropout_rate: float) -> nn.Sequential:
    """Inputs (n, widths[0]) -> logits (n, widths[-1])."""
    layers: list[nn.Module] = []
    for i, (num_inputs, num_outputs) in enumerate(zip(widths, widths[1:], strict=False)):
        layers += [nn.ReLU(inplace=True)] if i else []
        layers += [nn.Dropout(dropout_rate)] if dropout_rate else []
        layers += [nn.Linear(num_inputs, num_outputs)]
    return nn.Sequential(*layers)


class TorchNetwork(nn.Module):
    """Any network of either report on images (batch, 2, 14, 14)."""

    def __init__(self, model: Mapping[str, Any], sizes: Mapping[str, Any], concatenate: bool):
        """Builds a network with PyTorch's own initialisation.

        Args:
          model: config.model.
          sizes: of its layers, see `peers.layer_sizes`.
          concatenate: whether shared branches run as one batch.
        """
        super().__init__()
        digit = sizes['digit_head']
        rate, count = model['dropout_rate'], 1 if model['weight_sharing'] else 2
        self.encoders = nn.ModuleList(torch_encoder(sizes['blocks']) for _ in range(count))
        self.digit_heads = nn.ModuleList(
            torch_head(digit, rate) for _ in range(count if digit else 0)
        )
        self.main_head = torch_head(sizes['main_head'], rate)
        self.reads_digits = sizes['reads_digits']
        if model['name'] == 'DeepModel':
            self.main_head.insert(0, nn.ReLU())
        self.concatenate = concatenate and count == 1

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Returns main logits (batch, 2) and digit logits (2, batch, classes) or None."""
        if not self.digit_heads:
            return self.main_head(self.encoders[0](images)), None
        if self.concatenate:
            features = self.encoders[0](torch.cat((images[:, :1], images[:, 1:])))
            digits = self.digit_heads[0](features).unflatten(0, (2, -1))
            features = features.unflatten(0, (2, -1))
        else:
            halves = (images[:, :1], images[:, 1:])
            # Index -1 is the second branch's own module, or the only one.
            features = [self.encoders[-i](half) for i, half in enumerate(halves)]
            digits = [self.digit_heads[-i](x) for i, x in enumerate(features)]
        main = self.main_head(torch.cat(tuple(digits if self.reads_digits else features), 1))
        return main, digits if self.concatenate else torch.stack(digits)


def train_run(job: Mapping[str, Any], pairs: Mapping[str, Any], num_epochs: int) -> float:
    """Trains one run for some epochs, evaluated as its config says.

    Args:
      job: see `benchmark.peer_jobs`.
      pairs: by name of the set, images (n, 2, 14, 14) float32, classes (n, 2) and targets (n,).
      num_epochs: how many.

    Returns: the test accuracy of the last evaluation.
    """
    config, strongest = job['config'], job['peer'] == 'strongest'
    network = TorchNetwork(config['model'], job['sizes'], strongest).to(job['device'])
    if strongest:
        network = network.to(memory_format=torch.channels_last)
    rate = config['optimizer']['learning_rate']
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, fused=strongest)
    sets = {k: [torch.as_tensor(x).to(job['device']) for x in pairs[k]] for k in SETS}
    correct = {}
    for epoch in range(1, num_epochs + 1):
        train_torch_epoch(network, optimizer, sets['train'], config, read_losses=not strongest)
        if epoch % config['train']['evaluate_every'] == 0:
            size = job['evaluation_batch_size']
            correct = {k: count_correct_torch(network, sets[k], size) for k in SETS}
    return correct['test'][0] / len(pairs['test'][0]) if correct else 0.0


def train_torch_epoch(
    network: TorchNetwork,
    optimizer: torch.optim.Optimizer,
    tensors: Sequence[torch.Tensor],
    config: Mapping[str, Any],
    read_losses: bool,
) -> float:
    """One pass over the train pairs; returns the sum of the batches' losses."""
    network.train()
    cross_entropy, total = nn.functional.cross_entropy, 0.0
    if config['train']['shuffle']:
        order = torch.randperm(len(tensors[0]), device=tensors[0].device)
        tensors = [x[order] for x in tensors]
    for images, classes, targets in batches(tensors, config['train']['batch_size']):
        main, digits = network(images)
        loss = config['loss']['main_weight'] * cross_entropy(main, targets)
        if digits is not None:
            both = sum(cross_entropy(d, c) for d, c in zip(digits, classes.T, strict=True))
            loss = loss + config['loss']['aux_weight'] * both / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() if read_losses else loss.detach()
    return float(total)


def batches(tensors: Sequence[torch.Tensor], size: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Cuts tensors of one length into batches; the last may be smaller."""
    return zip(*(x.split(size) for x in tensors), strict=True)


@torch.inference_mode()
def count_correct_torch(
    network: TorchNetwork, tensors: Sequence[torch.Tensor], batch_size: int
) -> tuple[int, int]:
    """How many main predictions and how many digits are right on one set of pairs."""
    network.eval()
    num_main, num_digits = 0, 0
    for images, classes, targets in batches(tensors, batch_size):
        main, digits = network(images)
        num_main += (main.argmax(1) == targets).sum()
        if digits is not None:
            num_digits += (digits.argmax(2) == classes.T).sum()
    return int(num_main), int(num_digits)


def serve_jobs() -> None:
    """Trains what comes through standard input until it closes.

    First goes out whether torch sees a GPU. Then per job: 'ready' after the warm-up; whatever
    comes in next starts the clock; at the end (seconds, test accuracies).
    """
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr

    def reply(message):
        pickle.dump(message, replies)
        replies.flush()

    reply(torch.cuda.is_available())
    while requests.peek(1):
        job = pickle.load(requests)
        torch.set_num_threads(job['num_threads'])
        if job['warm_up']:
            train_run(job, job['runs'][0], job['config']['train']['evaluate_every'])
        reply('ready')
        pickle.load(requests)
        started = time.monotonic()
        accuracies = [train_run(job, pairs, job['num_epochs']) for pairs in job['runs']]
        reply((time.monotonic() - started, accuracies))


if __name__ == '__main__':
    serve_jobs()
