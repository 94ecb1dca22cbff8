"""The least that a tagger must beat: each word has the tag that it had most often."""

from collections import Counter, defaultdict
from collections.abc import Sequence


class FrequentTagger:
    """Gives each word its most frequent tag in training, and unseen words the most frequent of all.

    The baseline of taggers since Church (1988), https://aclanthology.org/A88-1019. Words are told
    apart by case. Of tags that a word had equally often it gets the one that is more frequent over
    all words, and of those the first in the alphabet, so that the order of sentences means nothing.

    Attributes:
        tags: The tag of each word.
        other: That of all other words.

    Example:

    >>> tagger = FrequentTagger()
    >>> tagger.fit([["Ada", "codes"], ["She", "codes"]], [["B-person", "O"], ["O", "O"]])
    >>> tagger.tag([["Ada", "sings"]])
    [['B-person', 'O']]
    """

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.other = "O"

    def fit(self, words: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> None:
        """Counts the tags of words.

        Args:
            words: The words of each sentence.
            tags: Their tags.
        """
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for sentence, row in zip(words, tags, strict=True):
            for word, tag in zip(sentence, row, strict=True):
                counts[word][tag] += 1
        total = sum(counts.values(), Counter())

        def most_frequent(of_word: Counter[str]) -> str:
            return min(of_word, key=lambda tag: (-of_word[tag], -total[tag], tag))

        self.tags = {word: most_frequent(of_word) for word, of_word in counts.items()}
        self.other = most_frequent(total) if total else "O"

    def tag(self, words: Sequence[Sequence[str]]) -> list[list[str]]:
        """The tag of each word of sentences."""
        return [[self.tags.get(word, self.other) for word in sentence] for sentence in words]
