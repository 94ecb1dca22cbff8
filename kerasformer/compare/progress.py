"""The live progress of a comparison: arm, seed, epoch, loss, time left."""

import time

from kerasformer.progress import Bars


class Progress:
    """Shows what a comparison is doing: a live line on a terminal, else a line an epoch.

    Args:
        total: Number of runs (arms times seeds) of the whole comparison.
        done: Number of them that are finished already.
    """

    def __init__(self, total, done=0):
        self.total, self.done = total, done
        self.bars = Bars(_columns)
        self.bars.add("starting", total=1.0, run="")

    def __enter__(self):
        self.bars.__enter__()
        return self

    def __exit__(self, *_):
        self.bars.__exit__()

    def start(self, title, seed):
        """A run begins."""
        self.title, self.seed, self.started = title, seed, time.monotonic()
        run = f"run {self.done + 1} of {self.total}"
        self.bars.restart(description=f"{title}, seed {seed}", run=run)

    def progress(self, epoch, epochs, done, loss):
        """Some batches of an epoch are done; `done` counts epochs, with their parts."""
        text = f"{self.title}, seed {self.seed}, epoch {epoch}/{epochs}" + _loss(loss)
        self.bars.update(completed=done / epochs, description=text)

    def epoch(self, epoch, epochs, loss, **_):
        """An epoch is done."""
        if not self.bars.shown and (epochs < 10 or epoch % (epochs // 5) == 0):
            taken = time.monotonic() - self.started
            left = taken / epoch * (epochs - epoch)
            self.bars.say(
                f"{self.title}, seed {self.seed}: epoch {epoch}/{epochs}{_loss(loss)}, "
                f"{taken:.0f} s, about {left:.0f} s left of this run"
            )

    def finish(self, run):
        """A run is done."""
        self.done += 1
        text = (
            f"[{self.done}/{self.total}] {self.title}, seed {self.seed}: "
            f"accuracy {run['metrics']['accuracy']:.3f}, macro F1 {run['metrics']['f1']:.3f}, "
            f"trained in {run['train_seconds']:.1f} s"
        )
        self.bars.update(completed=1.0)
        self.bars.say(text)

    def leave_out(self, count):
        """Some further runs of an arm would take too long."""
        self.total -= count
        self.bars.say(
            f"{self.title}: {count} more seeds would take too long; --seeds has them run."
        )


def _loss(loss):
    return "" if loss is None else f", loss {loss:.3f}"


def _columns(rich):
    return (
        rich.TextColumn("{task.fields[run]}"),
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(bar_width=24),
        rich.TextColumn("{task.percentage:>3.0f} %"),
        rich.TimeElapsedColumn(),
        rich.TextColumn("left"),
        rich.TimeRemainingColumn(),
    )
