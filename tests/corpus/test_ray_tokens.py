"""Raw text tokenized in processes of a cluster; test_ray.py has the cluster."""

import pytest

import kerasformer
from kerasformer.corpus import ray_tokens
from kerasformer.data.raw.encoding import Encoded, encode, parts_of
from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer

arrow = pytest.importorskip("pyarrow")
TEXTS = ["It rains. The street is wet.", "", "Rome is old."]
TOKENIZER = WordPieceTokenizer.train(TEXTS)


def test_an_actor_tokenizes_as_this_process():
    ((sentences, counts),) = parts_of(TEXTS)
    actor = ray_tokens._Actor(TOKENIZER, kerasformer.__version__)
    made = actor(arrow.table({"sentences": [sentences], "counts": [counts]}))
    expected = encode(sentences, counts, TOKENIZER)
    assert made["tokens"][0].as_py() == expected.tokens.tobytes()
    for name in Encoded._fields[1:]:
        assert made[name][0].as_py() == getattr(expected, name).tolist()


def test_a_node_with_another_version():
    actor = ray_tokens._Actor(TOKENIZER, "9.8.7")
    with pytest.raises(UserError, match=r"the command is of 9\.8\.7: install"):
        actor(arrow.table({"sentences": [["a"]], "counts": [[1]]}))
