"""Baselines for written names: character n-grams with modified Kneser-Ney smoothing, and judges of what is real."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charloom.data.vocabulary import Vocabulary
from charloom.evaluation.baselines import NGram

Floats = NDArray[np.float64]


class NameGrams:
    """An n-gram of names; before a name's first letter comes the boundary, as often as the order requires."""

    def __init__(self, names: Sequence[str], vocabulary: Vocabulary, order: int) -> None:
        self._vocabulary, self._order = vocabulary, order
        self._ends = np.full(order - 1, vocabulary.boundary, np.int64)
        self._model = NGram(self._ids(names), order, vocabulary.boundary + 1)
        self._known = dict[str, Floats]()

    def _ids(self, names: Sequence[str]) -> NDArray[np.int64]:
        encoded = [self._ends]
        for name in names:
            encoded += [self._vocabulary.encode(name).astype(np.int64), self._ends]
        return np.concatenate(encoded)

    def following(self, begun: str) -> Floats:
        """Probability (V + 1,) of the symbol after the beginning of a name; the last one is the boundary."""
        begun = begun[-(self._order - 1) :] if len(begun) >= self._order - 1 else "\0" + begun
        if begun not in self._known:
            size = self._vocabulary.boundary + 1
            before = self._vocabulary.encode(begun.lstrip("\0")).astype(np.int64)
            before = np.concatenate((self._ends, before)) if begun.startswith("\0") else before
            rows = np.empty((size, len(before) + 1), np.int64)
            rows[:, :-1], rows[:, -1] = before, np.arange(size)
            if len(self._ends):
                rows = np.concatenate((np.repeat(self._ends[None], size, axis=0), rows), axis=1)
            found = self._model.probabilities(rows.ravel()).reshape(rows.shape)[:, -1]
            self._known[begun] = found / found.sum()
        return self._known[begun]


class Grams:
    """The n-gram of all names, mixed with that of the language if names have one."""

    def __init__(self, names: Sequence[tuple[str, str]], vocabulary: Vocabulary, order: int, own: float = 0.0) -> None:
        """`names`: language and name; `own`: weight of the language's own n-gram."""
        self._vocabulary, self.own = vocabulary, own
        self._all = NameGrams([name for _, name in names], vocabulary, order)
        self._by_language = {
            language: NameGrams([name for each, name in names if each == language], vocabulary, order)
            for language in {language for language, _ in names}
        }

    def following(self, language: str, begun: str) -> Floats:
        pooled = self._all.following(begun)
        if self.own == 0:
            return pooled
        return self.own * self._by_language[language].following(begun) + (1 - self.own) * pooled

    def nats(self, names: Sequence[tuple[str, str]]) -> float:
        """Surprisal of names with their ends, given their languages."""
        boundary, total = self._vocabulary.boundary, 0.0
        for language, name in names:
            ids = [*self._vocabulary.encode(name).tolist(), boundary]
            total -= sum(np.log(self.following(language, name[:place])[symbol]) for place, symbol in enumerate(ids))
        return total

    def write(self, language: str, temperature: float, draw: np.random.Generator, longest: int = 60) -> str:
        """A name."""
        name = ""
        while len(name) < longest:
            weights = self.following(language, name) ** (1 / temperature)
            symbol = int(np.searchsorted(np.cumsum(weights), draw.random() * weights.sum(), side="right"))
            if symbol >= self._vocabulary.boundary:
                break
            name += self._vocabulary.characters[symbol]
        return name


def told_apart(real: Sequence[str], written: Sequence[str]) -> float:
    """Share of names that a cross-validated linear model over 1- to 4-grams classifies correctly as real or written.

    Names that cannot be told from real ones give 0.5 (Lopez-Paz and Oquab 2017, arXiv 1610.06545). Equal numbers of
    both are used, each name once, at most 2,000.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    many = min(len(set(real)), len(set(written)), 2000)
    names = list(dict.fromkeys(real))[:many] + list(dict.fromkeys(written))[:many]
    labels = [1] * many + [0] * many
    order = np.random.Generator(np.random.PCG64(0)).permutation(2 * many)
    judge = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), lowercase=False), LogisticRegression(max_iter=1000)
    )
    scores = cross_val_score(judge, [names[place] for place in order], [labels[place] for place in order], cv=5)
    return float(scores.mean())


class Origin:
    """Which language a surname comes from: a linear model over 1- to 4-grams, trained on real names."""

    def __init__(self, names: Sequence[tuple[str, str]]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        self._judge = make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), lowercase=False, sublinear_tf=True),
            LogisticRegression(max_iter=300, C=10),
        )
        self._judge.fit([name for _, name in names], [language for language, _ in names])

    def right(self, names: Sequence[tuple[str, str]]) -> float:
        """Share of the names that are assigned their own language."""
        found = self._judge.predict([name for _, name in names])
        return float(np.mean([language == label for (language, _), label in zip(names, found, strict=True)]))
