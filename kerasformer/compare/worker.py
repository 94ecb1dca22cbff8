"""An arm in a process of its own, so that its peak memory is its own too."""

import contextlib
import logging
import os
import signal
import sys
import time
import traceback

from kerasformer.child_process import end_with_parent
from kerasformer.compare.arms import arms_of
from kerasformer.compare.label_curve import chosen_rows
from kerasformer.compare.settings import MODELS
from kerasformer.errors import UserError, needing_backend
from kerasformer.progress import stderr_to_nowhere

KEPT = "kept"  # the folder, within that of the comparison, of what is removed at the end


class Events:
    """Sends what happens in an arm through a pipe to the process that shows and records it."""

    def __init__(self, connection):
        self.connection = connection

    def send(self, kind, **content):
        """Sends one event."""
        self.connection.send((kind, content))

    def phase(self, name):
        """A part of the run begins whose end cannot be foreseen."""
        self.send("phase", name=name)

    def note(self, text):
        """What a person should know of the arm."""
        self.send("note", text=text)

    def prepared(self):
        """What is done once for all runs is done, which says nothing of how long others take."""
        self.send("prepared")

    def keras_callback(self, epochs, metric):
        """A Keras callback that sends progress and collects the curves of `epochs` epochs.

        The curves are those of the loss, and of a metric where Keras' logs have it.
        """
        import keras

        events = self

        class Progress(keras.callbacks.Callback):
            def __init__(self):
                super().__init__()
                self.history = []
                self.last_sent = 0.0

            def on_train_begin(self, logs=None):
                events.phase("training, first batch")  # which waits for the graph to be built

            def on_epoch_begin(self, epoch, logs=None):
                self.epoch, self.started = epoch + 1, time.perf_counter()

            def on_train_batch_end(self, batch, logs=None):
                now = time.perf_counter()
                if now - self.last_sent > 0.5:
                    self.last_sent = now
                    self.report(self.epoch - 1 + (batch + 1) / self.params["steps"], logs)

            def on_epoch_end(self, epoch, logs=None):
                seconds = time.perf_counter() - self.started
                values = {name: logs.get(name) for name in ("loss", "val_loss")}
                values |= {"score": logs.get(metric), "val_score": logs.get(f"val_{metric}")}
                self.history.append({"epoch": self.epoch, **values, "seconds": seconds})
                self.report(min(self.epoch, epochs), logs)

            def report(self, done, logs):
                loss = (logs or {}).get("loss")
                events.send("progress", epoch=self.epoch, epochs=epochs, done=done, loss=loss)

        return Progress()


def work(connection, arm, dataset, settings, jobs, folder):
    """Runs one arm for some jobs; the main function of the process.

    In `folder`, that of the comparison, `KEPT` holds what later processes of the arm can reuse.
    """
    # TensorFlow's own messages would break the live line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C does
    # It would go on to its next message otherwise, beside the process that resumes the comparison.
    end_with_parent()
    events = Events(connection)
    try:
        # TensorFlow's first messages ignore every log level.
        with stderr_to_nowhere(), needing_backend():
            method = arms_of(settings.task)[arm].load()
            running = method(dataset, settings, events, folder / KEPT)
        # TensorFlow warns of retraced graphs, which is what batches of several lengths take.
        for name in ("tensorflow", "absl"):
            logging.getLogger(name).setLevel(logging.ERROR)
        for job in jobs:
            events.send("start", job=job)
            few = job.labels is not None
            running.learn_from(chosen_rows(dataset.train, *job[::-1]) if few else None)
            run = {"seed": job.seed, **running.run(job.seed)}
            saved = settings.keep_models and hasattr(running, "task") and not few
            if saved and job.seed == settings.seeds[0]:
                running.model.save_pretrained(folder / MODELS / arm)
            content = {"settings": running.settings, "peak_memory_mib": peak_memory_mib()}
            events.send("run", job=job, run=run, **content)
    except UserError as error:
        events.send("error", message=str(error), expected=True)
    except Exception:
        events.send("error", message=traceback.format_exc(), expected=False)
    finally:
        connection.close()
    sys.stdout.flush()
    os._exit(0)  # not through TensorFlow's teardown, which takes a second


def peak_memory_mib():
    """The largest resident memory of this process so far, in MiB, or None where it is unknown.

    >>> peak_memory_mib() > 1
    True
    """
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        # Not `ru_maxrss` on Linux, which a process inherits from the one that started it.
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
