"""The six options of BERT's table 7: what of a frozen encoder a tagger should judge words by."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np

from kerasformer.compare.methods.networks import Frozen as _Frozen
from kerasformer.compare.methods.tagging import OfTags
from kerasformer.data import TaggedSplit
from kerasformer.formatting import joined


class _Part(NamedTuple):
    """Sentences, and the vectors of their words, one sentence after another."""

    split: TaggedSplit
    vectors: np.ndarray

    @property
    def counts(self) -> list[int]:
        """How many words each sentence has."""
        return list(map(len, self.split.words))

    def where(self, chosen: np.ndarray) -> "_Part":
        """Some of the sentences, those of bool `[n]`."""
        split = self.split.take(np.flatnonzero(chosen))
        return _Part(split, self.vectors[np.repeat(chosen, self.counts)])


@dataclasses.dataclass
class _Trained:
    """An option with one seed: how the record has it, its curves, and the seconds of its heads."""

    record: dict[str, Any]
    history: list[dict]
    choosing: float  # of the head that was judged on validation
    training: float  # of the head that was judged on test, where that is another one


class Frozen(OfTags, _Frozen):
    """A linear head on a pretrained encoder that stays as it is, for each option of table 7.

    Devlin et al., https://arxiv.org/abs/1810.04805, whose head is a BiLSTM. The encoder runs once
    over all sentences for all options and seeds. The arm is the option that is best on the
    validation split. Where there is none, an option is judged by a head that a tenth of the
    training sentences is held out from; each is then trained anew on all of them, as the other arms
    are. The arm's training time contains all that its option was chosen by.
    """

    arguments: ClassVar[dict] = {"freeze_encoder": True, "layers": "all"}

    def __init__(self, dataset, settings, events, kept):
        super().__init__(dataset, settings, events, kept)
        self.options = {}
        self.settings["layers"] = "with each seed those that are best on validation"

    def learn_from(self, rows):
        """See `Method.learn_from`."""
        super().learn_from(rows)
        self.options = {}  # which are made of the training sentences

    def run(self, seed):
        """Trains and measures once."""
        if not self.options:
            self._prepare()
            self.events.prepared()
        options = [self._train(name, seed) for name in self.options]
        best = max(options, key=lambda option: option.record["validation"])
        chosen = best.record["name"]
        self.model = self.options[chosen]
        seconds = self.seconds + sum(option.choosing for option in options) + best.training
        run = self.measured(seconds, best.history)
        best.record["metrics"] = run["metrics"]
        return run | {"options": [option.record for option in options], "chosen": chosen}

    def _prepare(self):
        """Makes the models and computes what all of them judge."""
        from kerasformer.tasks.tagging.token_vectors import TABLE_7, table_7

        self.events.phase("loading the model")
        model, self.recipe = self.new_model()
        blocks = model.encoder.config.num_layers
        names = table_7(blocks)
        if left_out := [name for name in TABLE_7 if name not in names]:
            told = f"{joined(left_out)}: more blocks are needed than the encoder's {blocks}"
            self.events.note(f"left out: {told}.")
            self.settings["left_out"] = told
        self.held_out = None
        if self.dataset.validation is None:
            self.held_out = self.dataset.held_out()
            self.settings["validation"] = (
                "a tenth of the training sentences, held out until an option is chosen"
            )
        self.options = {name: _with_layers(model, name) for name in names}
        splits = self.dataset.splits
        count = sum(map(len, splits.values()))
        self.events.phase(f"computing the features of {count:,} {self.quality.examples}")
        self.states, clock = {}, self.clock()
        for name in sorted(splits, key="test".__eq__):  # the last, as training does not need it
            if name == "test":
                self.seconds = clock()
            features = model.features(splits[name].words, verbose=0, cache=self.cache)
            self.states[name] = features.reshape(len(features), blocks + 1, -1)

    def _train(self, name, seed):
        """Trains one option and measures it."""
        model, main = self.options[name], self.quality.main
        parts = {
            split: _Part(self.dataset.splits[split], model.vectors.of_states(own))
            for split, own in self.states.items()
        }
        whole, out = parts["train"], self.held_out
        learnt, judged = whole, parts.get("validation")
        if out is not None:
            learnt, judged = whole.where(~out), whole.where(out)
        self.events.phase(f"training on {name}")
        clock = self.clock()
        history = self._fit(model, seed, learnt, judged)
        validation = self._metrics(model, judged)[main]
        choosing, training = clock(), 0.0
        if out is not None:
            clock = self.clock()
            history = self._fit(model, seed, whole)
            training = clock()
        record = {"name": name, "metrics": self._metrics(model, parts["test"])}
        record |= {"validation": validation, "train_seconds": self.seconds + (training or choosing)}
        return _Trained(record, history, choosing, training)

    def _fit(self, model, seed, learnt, validation=None):
        """Trains the head of an option; its history."""
        epochs = self.lengthened(self.recipe).epochs
        progress = self.events.keras_callback(epochs, self.quality.main)
        model.fit_head(
            learnt.vectors,
            learnt.split.tags,
            seed=seed,
            epochs=epochs,
            validation_data=validation and (validation.vectors, validation.split.tags),
            callbacks=[progress],
            verbose=0,
        )
        return progress.history

    def _metrics(self, model, part):
        from kerasformer.tasks.tagging.token_features import feature_logits

        tagged = self.tagged(feature_logits(model, part.vectors, part.counts))
        return self.metrics(part.split, tagged.tags)


def _with_layers(model, layers):
    """A new model on the same frozen encoder, whose head judges other layers."""
    options = {"max_length": model.max_length, "overlap": model.overlap, "dropout": model.dropout}
    options |= {"layers": layers, "freeze_encoder": True, "dtype": model.dtype_policy}
    return type(model)(model.class_names, model.encoder, model.tokenizer, **options)
