"""The six options of BERT's table 7: what of a frozen encoder a tagger should judge words by."""

import time
from typing import ClassVar

from kerasformer.compare.methods.tagging import FineTuned
from kerasformer.formatting import joined


class Frozen(FineTuned):
    """A linear head on a pretrained encoder that stays as it is, for each option of table 7.

    Devlin et al., https://arxiv.org/abs/1810.04805, whose head is a BiLSTM. The encoder runs once
    over all sentences for all options and seeds, also where a process was interrupted; the training
    time of an option contains that time. The arm is the option that is best on the validation
    split, or where there is none on a tenth of the training sentences; its own training time
    contains that of the others, without which it could not have been chosen.
    """

    arguments: ClassVar[dict] = {"freeze_encoder": True, "layers": "all"}

    def __init__(self, dataset, settings, events, kept):
        from kerasformer.tasks import FeatureCache

        super().__init__(dataset, settings, events, kept)
        self.epochs = None  # those of the recipe for a head alone
        self.cache = FeatureCache(kept)
        self.options = {}
        self.settings["layers"] = "with each seed those that are best on validation"

    def run(self, seed):
        """Trains and measures once."""
        if not self.options:
            self._prepare()
        trained = [self._train(name, seed) for name in self.options]
        options, histories, seconds = zip(*trained, strict=True)
        best = max(range(len(options)), key=lambda i: options[i]["validation"])
        chosen = options[best]["name"]
        self.model = self.options[chosen]
        run = self.measured(self.seconds + sum(seconds), histories[best], epochs=1)
        options[best]["metrics"] = run["metrics"]
        return run | {"options": list(options), "chosen": chosen}

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
        if self.dataset.validation is None:
            self.settings["validation"] = "a tenth of the training sentences"
        self.splits = self.dataset.with_validation().splits
        self.options = {name: _with_layers(model, name) for name in names}
        count = sum(map(len, self.splits.values()))
        self.events.phase(f"computing the features of {count:,} {self.quality.examples}")
        self.states = {}
        for name in ("train", "validation", "test"):
            if name == "test":
                self.seconds = self.cache.seconds  # what training needs
            features = model.features(self.splits[name].words, verbose=0, cache=self.cache)
            self.states[name] = features.reshape(len(features), blocks + 1, -1)

    def _train(self, name, seed):
        """An option as the record has it; its history, and the seconds that its head took."""
        from kerasformer.tasks.tagging.token_features import feature_logits

        model, main = self.options[name], self.quality.main
        features = {split: model.vectors.of_states(own) for split, own in self.states.items()}
        progress = self.events.keras_callback(self.recipe.epochs, main)
        self.events.phase(f"training on {name}")
        started = time.perf_counter()
        model.fit_head(
            features["train"],
            self.splits["train"].tags,
            seed=seed,
            validation_data=(features["validation"], self.splits["validation"].tags),
            callbacks=[progress],
            verbose=0,
        )

        def metrics(split):
            counts = list(map(len, self.splits[split].words))
            tagged = self.tagged(feature_logits(model, features[split], counts))
            return self.metrics(self.splits[split], tagged.tags)

        validation = metrics("validation")[main]
        seconds = time.perf_counter() - started
        option = {"name": name, "metrics": metrics("test"), "validation": validation}
        return option | {"train_seconds": self.seconds + seconds}, progress.history, seconds


def _with_layers(model, layers):
    """A new model on the same frozen encoder, whose head judges other layers."""
    options = {"max_length": model.max_length, "overlap": model.overlap, "dropout": model.dropout}
    options |= {"layers": layers, "freeze_encoder": True, "dtype": model.dtype_policy}
    return type(model)(model.class_names, model.encoder, model.tokenizer, **options)
