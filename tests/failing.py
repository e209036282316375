"""A Trainer that fails when it is told to."""

from pairjax.runtime import train_loop


def failing_trainer(widths, message, during_epoch=None):
    """A Trainer that fails for these widths, when it is made or at an epoch."""

    class FailingTrainer(train_loop.Trainer):
        def __init__(self, plan, number, group=None):
            if during_epoch is None and self._hit(plan, number):
                raise RuntimeError(message)
            super().__init__(plan, number, group)
            self.fails = self._hit(plan, number)

        @staticmethod
        def _hit(plan, number):
            return tuple(plan.programs[number][0].config.model.widths) in widths

        def epoch(self, epoch, *evaluate):
            if self.fails and epoch == during_epoch:
                raise RuntimeError(message)
            return super().epoch(epoch, *evaluate)

    return FailingTrainer
