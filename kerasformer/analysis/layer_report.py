"""What a study of layers says: the answer in a sentence, the table, the heat map, the record."""

import itertools

from kerasformer.analysis.layer_probe import FOLDS, SIGNIFICANCE, STRENGTHS
from kerasformer.analysis.layer_study import LayerStudy
from kerasformer.formatting import in_markdown, joined, percent, points, printable
from kerasformer.plots.heatmap import heat_map
from kerasformer.training.intervals import sampling_margin, wilson_interval

# As the table says it, and a sentence.
_COMBINED = {
    "sum_last_four": ("sum of last four", "the sum of the last four layers"),
    "concat_last_four": ("concat of last four", "the concatenation of the last four layers"),
    "sum_all": ("sum of all blocks", "the sum of all blocks"),
}

CHOSEN = "* is the one to use."


def answer(study: LayerStudy, model: str) -> list[str]:
    """Sentences: which layer to use, what that rests on, and how to have it done."""
    sentences, chosen = [_advice(study)], study.choice.chosen
    if study.choice.informative:
        words: dict[int | str, str] = {0: "embeddings", study.num_layers: "last"}
        layers = words.get(chosen.layers, chosen.layers)
        sentences.append(
            f"In Python: TextEmbedder.from_pretrained({model!r}, layers={layers!r}, "
            f"pooling={chosen.pooling!r}); for kerasformer embed: --layers {layers} --pooling "
            f"{chosen.pooling}."
        )
    if study.test:
        sentences.append(_tested(study))
    if study.left_out:
        shown = [printable(name) for name in study.left_out[:5]]
        more = len(study.left_out) - len(shown)
        names = joined([*shown, f"{more:,} more"] if more else shown)
        sentences.append(f"Left out, having fewer than {FOLDS} different texts: {names}.")
    return sentences


def _advice(study):
    choice, count = study.choice, len(study.probes)
    usual, best, chosen = choice.usual, choice.best, choice.chosen
    if not choice.informative:
        return (
            f"No layer tells these classes apart beyond chance: the best of {count} probes is "
            f"right for {percent(best.accuracy)} % of the texts, the most frequent class for "
            f"{percent(study.majority)} %; give more texts before choosing a layer."
        )
    if chosen is usual:
        advice = f"Use {_where(study, usual)}, the usual choice: {_right(usual)}, and "
        if best is usual:
            return f"{advice}none of the other {count - 1} probes does better."
        return (
            f"{advice}although {_where(study, best)} has {percent(best.accuracy)} %, that lead of "
            f"{points(best.accuracy - usual.accuracy)} is no more than chance gives the "
            f"best of {count} probes (p = {choice.chance:.2f})."
        )
    p = f"p = {choice.chance:.3f}" if choice.chance >= 0.001 else "p < 0.001"
    advice = (
        f"Use {_where(study, chosen)}: {_right(chosen)}, against {percent(usual.accuracy)} % of "
        f"{_where(study, usual)}, which is beaten by more than chance gives the best of "
        f"{count} probes ({p})"
    )
    if best is chosen:
        return f"{advice}; this one does best."
    return (
        f"{advice}; {_where(study, best)} has {percent(best.accuracy)} %, but its lead over this "
        "simpler choice may be chance."
    )


def _right(probe):
    return f"{percent(probe.accuracy)} ± {percent(probe.std)} % right in cross-validation"


def _where(study, probe):
    """A probe in words."""
    names = {0: "the embeddings (layer 0)", study.num_layers: "the last layer"}
    names |= {name: words for name, (_, words) in _COMBINED.items()}
    place = names.get(probe.layers, f"layer {probe.layers}")
    return f"{place} with {probe.pooling} pooling"


def _tested(study):
    chosen, usual, count = study.test["chosen"], study.test["usual"], study.test_examples
    text = f"On the {count:,} test texts, which took no part in the choice: {percent(chosen)} %"
    if study.choice.chosen is study.choice.usual:
        low, high = wilson_interval(chosen, count)
        return f"{text} (95 % interval {percent(low)} to {percent(high)})."
    return (
        f"{text}, and {percent(usual)} % of {_where(study, study.choice.usual)} (of so few texts, "
        f"differences up to {points(sampling_margin(chosen, usual, count))} may be chance)."
    )


def row_label(study: LayerStudy, layers: int | str) -> str:
    """A choice of layers as the table and the heat map name it."""
    last = study.num_layers
    named = {last - 1: "second to last" * (last > 2), last: "last", 0: "embeddings"}
    if isinstance(layers, str):
        return _COMBINED[layers][0]
    return f"{layers} ({named[layers]})" if named.get(layers) else str(layers)


def table_rows(study: LayerStudy) -> list[list[str]]:
    """The table: a row for each choice of layers, a column for each pooling, in percent."""

    def cell(probe):
        mark = "* " if probe is study.choice.chosen else ""
        return f"{mark}{percent(probe.accuracy)} ± {percent(probe.std)}"

    rows = _by_layers(study).items()
    cells = [[row_label(study, layers), *map(cell, probes)] for layers, probes in rows]
    return [["layers", *study.poolings], *cells]


def markdown(study: LayerStudy, data: str, model: str) -> str:
    """The whole of `table.md`."""
    header, *rows = table_rows(study)
    lines = [header, ["---", *["---:"] * len(study.poolings)], *rows]
    table = "\n".join(f"| {' | '.join(map(in_markdown, line))} |" for line in lines)
    what = (
        f"Accuracy in percent of a linear probe (logistic regression on standardised vectors) in "
        f"{FOLDS}-fold cross-validation over {study.examples:,} texts, mean ± standard deviation "
        f"over the folds; the most frequent class has {percent(study.majority)} %. {CHOSEN}"
    )
    title = f"# {in_markdown(f'{data}: the layers of {model}')}"
    return "\n\n".join([title, *map(in_markdown, answer(study, model)), table, what]) + "\n"


def layers_map(study: LayerStudy, title: str) -> bytes:
    """The heat map, a PNG: layers by poolings, the last layer on top."""
    by_layers = _by_layers(study)
    last = study.num_layers
    order = [*list(by_layers)[last + 1 :], *range(last, -1, -1)]  # the combined ones first
    # The first token's embedding is the same in every text: it would stretch the scale.
    shown = [p.accuracy for p in study.probes if (p.layers, p.pooling) != (0, "cls")]
    return heat_map(
        [[100 * probe.accuracy for probe in by_layers[layers]] for layers in order],
        [row_label(study, layers) for layers in order],
        study.poolings,
        value_label="Accuracy, %",
        row_axis="Layers",
        column_axis="Pooling",
        title=title,
        limits=(100 * min(shown), 100 * max(shown)),
        decimals=1,
    )


def record(study: LayerStudy) -> dict:
    """The study, ready for JSON."""
    choice = study.choice
    return {
        "protocol": {
            "folds": FOLDS,
            "strengths": list(STRENGTHS),
            "significance": SIGNIFICANCE,
            "examples": study.examples,
            "test_examples": study.test_examples,
            "left_out": list(study.left_out),
        },
        "majority": study.majority,
        "probes": [
            _place(probe)
            | {"accuracy": probe.accuracy, "std": probe.std, "width": probe.width}
            | {"fold_accuracies": list(probe.fold_scores)}
            for probe in study.probes
        ],
        "choice": {
            **{name: _place(getattr(choice, name)) for name in ("usual", "best", "chosen")},
            "chance": choice.chance,
            "informative": choice.informative,
        },
        "test": study.test,
        "seconds": study.seconds,
    }


def _place(probe):
    return {"layers": probe.layers, "pooling": probe.pooling}


def _by_layers(study):
    """The probes of each choice of layers, in the order of the poolings."""
    rows = itertools.groupby(study.probes, key=lambda probe: probe.layers)
    return {layers: list(probes) for layers, probes in rows}
