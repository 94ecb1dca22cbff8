import json
import warnings

import numpy as np
import pytest

from kerasformer.compare.quality import quality_of
from kerasformer.data import TaggedSplit, TaggingDataset, load_dataset
from kerasformer.data.tagging import mark_entities, strange_tags, tag_order
from kerasformer.tasks.tagging.tag_scores import tag_scores


def make(count=200):
    """Every second sentence has a person, every tenth a place beside it, one of two words."""
    words = [["Ada", "of", "New", "York", f"no {i}"] for i in range(count)]
    tags = [
        ["B-person" if i % 2 else "O", "O", *(("B-place", "I-place") if i % 10 == 1 else "OO"), "O"]
        for i in range(count)
    ]
    names = tag_order(tag for sentence in tags for tag in sentence)
    return TaggingDataset("made", names, {"train": TaggedSplit(words, tags)})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([["a"]], []), "needs tags for each sentence; got 0 for 1"),
        (([["a"], ["a", "b"]], [["O"], ["O"]]), "Sentence 1 has 2 words and 1 tags"),
        (([["a"]], [["O"]], ["a"]), "both texts and spans, or neither"),
        (([["a"]], [["O"]], ["a"], [[]]), "Sentence 0 has 1 words and 0 spans"),
    ],
)
def test_parts_fit_each_other(parts, message):
    with pytest.raises(ValueError, match=message):
        TaggedSplit(*parts)


@pytest.mark.parametrize(
    ("tags", "order"),
    [
        ("O B-b I-a B-a I-b", "O B-a I-a B-b I-b"),
        ("S-x O E-x I-x B-x", "O B-x E-x I-x S-x"),
        ("VERB NOUN B O", "O B NOUN VERB"),
        ("I-creative-work B-creative-work", "B-creative-work I-creative-work"),
    ],
)
def test_order_of_tags(tags, order):
    assert tag_order(tags.split()) == tuple(order.split())


@pytest.mark.parametrize(
    ("tags", "marked", "strange"),
    [
        ("O B I", True, []),
        ("O B-PER M-PER E-PER S-PER", True, []),
        ("I-PER O", True, []),
        ("O", False, []),
        ("NOUN VERB", False, []),
        ("B I", False, []),
        ("O B-PER X", True, ["X"]),
        ("O B-PER I-PER B_PER b-PER", True, ["B_PER", "b-PER"]),
        ("O B I X", True, ["X"]),
        ("O B-PER NOUN VERB", False, []),
    ],
)
def test_tags_of_entities_are_told_from_those_of_words(tags, marked, strange):
    assert mark_entities(tags.split()) == marked
    assert strange_tags(tags.split()) == strange


def test_a_mistyped_tag_is_told_and_leaves_the_others_entities(tmp_path):
    rows = ["Ada B-person\nByron I-person\ncodes O"] * 3 + ["Ada B_person\nsings X"]
    for name in ("train", "test"):
        (tmp_path / f"{name}.conll").write_text("\n\n".join(rows) + "\n")
    told = (
        r"train\.conll, line 13, has the tag 'B_person', which marks no entity, unlike 'B-person' "
        r"\(the same holds for 'X'\): correct it, or write O"
    )
    with pytest.warns(UserWarning, match=told):
        dataset = load_dataset(tmp_path, "tagging")
    names = dataset.tag_names
    labels = [names.index(tag) for row in dataset.test.tags for tag in row]
    lengths = list(map(len, dataset.test.tags))
    scores = tag_scores(np.array(labels), np.eye(len(names))[labels], lengths, names)
    assert {"person", "_person"} <= {each["name"] for each in scores["per_type"]}
    assert quality_of("tagging", names).title == "Entity F1"
    (tmp_path / "train.conll").write_text("\n\n".join(rows[:3]) + "\n")
    (tmp_path / "test.conll").write_text(rows[0] + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        load_dataset(tmp_path, "tagging")


def test_splits_and_samples_keep_the_tags():
    dataset = make().with_test(0.2).with_validation(0.2)
    assert list(dataset.splits) == ["train", "validation", "test"]
    assert sum(map(len, dataset.splits.values())) == 200
    for split in dataset.limited(60).splits.values():
        assert {tag for tags in split.tags for tag in tags} == set(dataset.tag_names)
    assert len(dataset.limited(60).train) < 50


def test_equal_sentences_stay_on_one_side():
    words = [["Same", "words"], ["same", "words"]] * 50 + [[str(i)] for i in range(20)]
    tags = [["O"] * len(sentence) for sentence in words]
    dataset = TaggingDataset("x", ("O",), {"train": TaggedSplit(words, tags)}).with_test()
    assert [sum("words" in w for w in s.words) for s in dataset.splits.values()] in (
        [100, 0],
        [0, 100],
    )


def test_the_fingerprint_sees_every_part():
    parts = [["ab", "c"]], [["O", "B"]], ["ab c"], [[(0, 2), (3, 4)]]
    others = [["a", "bc"]], [["B", "B"]], ["ab  c"], [[(0, 2), (3, 5)]]
    prints = {TaggingDataset("x", ("O", "B"), {"train": TaggedSplit(*parts)}).fingerprint()}
    for i, other in enumerate(others):
        split = TaggedSplit(*parts[:i], other, *parts[i + 1 :])
        prints.add(TaggingDataset("x", ("O", "B"), {"train": split}).fingerprint())
    prints.add(TaggingDataset("x", ("B", "O"), {"train": split}).fingerprint())
    two = TaggedSplit([["ab"], ["c"]], [["O"], ["B"]])
    one = TaggedSplit([["ab", "c"]], [["O", "B"]])
    prints |= {TaggingDataset("x", ("O",), {"train": s}).fingerprint() for s in (one, two)}
    assert len(prints) == 8


def test_describe_is_ready_for_the_record():
    described = json.loads(json.dumps(make(10).describe()))
    assert described["tag_names"] == ["O", "B-person", "B-place", "I-place"]
    assert described["splits"] == {
        "train": {"examples": 10, "words": 50, "tag_counts": [43, 5, 1, 1]}
    }
