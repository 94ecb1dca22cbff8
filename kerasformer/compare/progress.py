"""The live progress of a comparison: run, arm, seed, phase, epoch, loss, time left."""

import math

from kerasformer.compare.quality import QUALITY, Quality
from kerasformer.progress import Bars


class Progress(Bars):
    """A live line on a terminal, else a line for each phase; `total` and `done` count runs.

    `quality` says which metrics of a run to tell.
    """

    def __init__(self, total: int, done: int = 0, quality: Quality = QUALITY["classification"]):
        super().__init__()
        self.total, self.done, self.quality = total, done, quality
        self.add("starting")

    def start(self, title, job):
        """A run begins."""
        self.title = title
        self.run = f"[{self.done + 1}/{self.total}] {title}, {job}"
        self.restart(f"{self.run}: starting")

    def phase(self, name):
        """A part of the run begins whose end cannot be foreseen."""
        self.training = False
        self.restart(f"{self.run}: {name}")
        if not self.shown:
            self.say(f"{self.run}: {name}")

    def note(self, text):
        """What a person should know of the arm."""
        self.say(f"{self.title}: {text}")

    def progress(self, epoch, epochs, done, loss):
        """Some batches of an epoch are done; `done` and `epochs` count these with their parts."""
        text = f"{self.run}: epoch {epoch}/{math.ceil(epochs)}"
        text += "" if loss is None else f", loss {loss:.3f}"
        if not self.training:  # the clock starts behind the first batch, which builds the graph
            self.training = True
            self.restart(text, total=epochs, completed=done)
        self.update(completed=done, description=text)

    def finish(self, run):
        """A run is done."""
        self.done += 1
        metrics = (f"{m.within_text} {run['metrics'][m.key]:.3f}" for m in self.quality.metrics[:2])
        self.say(f"{self.run}: {', '.join(metrics)}, trained in {run['train_seconds']:.1f} s")

    def leave_out(self, count):
        """Some further runs of an arm would take too long."""
        self.total -= count
        self.say(f"{self.title}: {count} more runs would take too long; --seeds has them run.")
