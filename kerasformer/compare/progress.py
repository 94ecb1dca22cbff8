"""The live progress of a comparison: arm, seed, epoch, loss, time left."""

import sys
import time


class Progress:
    """Shows what a comparison is doing: a live line on a terminal, else a line an epoch.

    Args:
        total: Number of runs (arms times seeds) of the whole comparison.
        done: Number of them that are finished already.
    """

    def __init__(self, total, done=0):
        self.total, self.done = total, done
        self.bar = None
        if sys.stderr.isatty():
            self.bar = _bar()
            self.task = self.bar.add_task("starting", total=1.0, run="")

    def __enter__(self):
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *_):
        if self.bar:
            self.bar.stop()

    def start(self, title, seed):
        """A run begins."""
        self.title, self.seed, self.started = title, seed, time.monotonic()
        if self.bar:
            self.bar.reset(self.task, total=1.0, description=f"{title}, seed {seed}")
            self.bar.update(self.task, run=f"run {self.done + 1} of {self.total}")

    def progress(self, epoch, epochs, done, loss):
        """Some batches of an epoch are done; `done` counts epochs, with their parts."""
        if self.bar:
            text = f"{self.title}, seed {self.seed}, epoch {epoch}/{epochs}" + _loss(loss)
            self.bar.update(self.task, completed=done / epochs, description=text)

    def epoch(self, epoch, epochs, loss, **_):
        """An epoch is done."""
        if not self.bar and (epochs < 10 or epoch % (epochs // 5) == 0):
            taken = time.monotonic() - self.started
            left = taken / epoch * (epochs - epoch)
            print(
                f"{self.title}, seed {self.seed}: epoch {epoch}/{epochs}{_loss(loss)}, "
                f"{taken:.0f} s, about {left:.0f} s left of this run",
                file=sys.stderr,
                flush=True,
            )

    def finish(self, run):
        """A run is done."""
        self.done += 1
        text = (
            f"[{self.done}/{self.total}] {self.title}, seed {self.seed}: "
            f"accuracy {run['metrics']['accuracy']:.3f}, macro F1 {run['metrics']['f1']:.3f}, "
            f"trained in {run['train_seconds']:.1f} s"
        )
        if self.bar:
            self.bar.update(self.task, completed=1.0)
        self._print(text)

    def leave_out(self, count):
        """Some further runs of an arm would take too long."""
        self.total -= count
        self._print(f"{self.title}: {count} more seeds would take too long; --seeds has them run.")

    def _print(self, text):
        if self.bar:
            self.bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)


def _loss(loss):
    return "" if loss is None else f", loss {loss:.3f}"


def _bar():
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.fields[run]}"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
