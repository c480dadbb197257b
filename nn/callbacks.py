"""What may accompany a training by `nn.fit`: progress, early stopping, schedules, checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nn import checkpoint

if TYPE_CHECKING:
    from nn.optim.lr_scheduler import LRScheduler
    from nn.training import Run


class Callback:
    """The base class: override what you want to hear of. `run` says where the training is."""

    def on_start(self, run: Run) -> None:
        """Before the first batch."""

    def on_batch(self, run: Run) -> None:
        """After each step of the optimizer."""

    def on_epoch(self, run: Run) -> None:
        """After each epoch, when its numbers are in `run.history`."""

    def on_end(self, run: Run) -> None:
        """After the training, also after one that failed."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep of this callback."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""


class Progress(Callback):
    """Shows epochs and their numbers on a terminal: by tqdm where it is installed, else one line
    an epoch. Silent where the output goes to a file or a pipe."""

    def __init__(self) -> None:
        self._bar: Any = None

    def on_start(self, run: Run) -> None:
        if not sys.stderr.isatty():
            return
        try:
            from tqdm import tqdm  # type: ignore[import-untyped]
        except ImportError:
            return
        self._bar = tqdm(total=run.epochs, initial=run.epoch, unit="epoch")

    def on_epoch(self, run: Run) -> None:
        numbers = {name: f"{number:.4g}" for name, number in run.history.last().items()}
        if self._bar is not None:
            self._bar.set_postfix(numbers, refresh=False)
            self._bar.update()
        elif sys.stderr.isatty():
            text = "  ".join(f"{name} {number}" for name, number in numbers.items())
            print(f"epoch {run.epoch}/{run.epochs}  {text}", file=sys.stderr)

    def on_end(self, run: Run) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class EarlyStopping(Callback):
    """Stops when `monitor` has not come down by more than `min_delta` for `patience` epochs; then
    the model has the weights of its best epoch again."""

    def __init__(
        self, monitor: str = "val_loss", patience: int = 10, min_delta: float = 0.0
    ) -> None:
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.best = float("inf")
        self.best_epoch = 0
        self.best_state: dict[str, Any] = {}

    def on_epoch(self, run: Run) -> None:
        if self.monitor not in run.history:
            known = ", ".join(run.history)
            raise KeyError(f"EarlyStopping: no {self.monitor!r} was measured, only {known}")
        number = run.history[self.monitor][-1]
        if number < self.best - self.min_delta:
            self.best, self.best_epoch = number, run.epoch
            self.best_state = run.model.state_dict()
        elif run.epoch - self.best_epoch >= self.patience:
            run.stop = True
            if self.best_state:
                run.model.load_state_dict(self.best_state)

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self.best, "best_epoch": self.best_epoch, "best_state": self.best_state,
        }  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        vars(self).update(state_dict)


class Schedule(Callback):
    """Steps a learning-rate schedule after each epoch, or after each batch."""

    def __init__(self, scheduler: LRScheduler, *, each_batch: bool = False) -> None:
        self.scheduler = scheduler
        self.each_batch = each_batch

    def on_batch(self, run: Run) -> None:
        if self.each_batch:
            self.scheduler.step()

    def on_epoch(self, run: Run) -> None:
        if not self.each_batch:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return self.scheduler.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.scheduler.load_state_dict(state_dict)


class Checkpoint(Callback):
    """Saves the whole training after each epoch and, with `every`, after so many batches; goes on
    from the file if it is there when the training starts.

    A training that was killed and is started again ends with the same weights, bit for bit, as
    one that was not, if all its random numbers come from `engine` and Python's `random`, and its
    data from a `DataLoader` (or in an order that is always the same, without `every`). Place it
    last among the callbacks, so that it saves what they have done.
    """

    def __init__(self, path: str | Path, every: int | None = None) -> None:
        self.path = Path(path)
        self.every = every

    def on_start(self, run: Run) -> None:
        if not self.path.exists():
            return
        saved = checkpoint.load_checkpoint(self.path, **self._parts(run))
        run.epoch, run.batch, run.stop = saved["epoch"], saved["batch"], saved["stop"]
        run.means.sums, run.means.examples = saved["sums"], saved["examples"]
        run.history.update(saved["history"])

    def on_batch(self, run: Run) -> None:
        if self.every is not None and run.batch % self.every == 0:
            self._save(run)

    def on_epoch(self, run: Run) -> None:
        self._save(run)

    def _save(self, run: Run) -> None:
        checkpoint.save_checkpoint(
            self.path,
            epoch=run.epoch,
            batch=run.batch,
            stop=run.stop,
            sums=run.means.sums,
            examples=run.means.examples,
            history=dict(run.history),
            **self._parts(run),
        )

    @staticmethod
    def _parts(run: Run) -> dict[str, Any]:
        """What has a state of its own."""
        parts: dict[str, Any] = {"model": run.model, "optimizer": run.optimizer}
        if hasattr(run.data, "state_dict"):
            parts["data"] = run.data
        return parts | {f"callback{i}": callback for i, callback in enumerate(run.callbacks)}
