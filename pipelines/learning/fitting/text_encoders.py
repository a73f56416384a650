"""From texts of items to vectors, whatever the encoder: TF-IDF reduced by LSA, or a sentence encoder of one's own."""

from __future__ import annotations

import importlib
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from models.errors import ConfigError
from models.index.arrays import Vectors
from models.model_config import ContentConfig
from models.retrievers.content import unit
from models.seeds import derive_seed
from pipelines.learning.fitting.item_texts import ItemTexts

_TEXTS_AT_A_TIME = 256
_UNSPACED = (
    "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # CJK ideographs
    "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9f"  # kana
    "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"  # Thai and Lao, Myanmar, Khmer
)
_TOKEN = rf"[{_UNSPACED}]|[^\W{_UNSPACED}]{{2,}}"
"""A character of a script that is written without spaces, or a word of two letters or more of any other."""


class TextEncoder(Protocol):
    """Texts to vectors."""

    def encode(self, texts: ItemTexts) -> Vectors:
        """[num_items, dim] rows of length 1; a zero row where nothing is said."""


def make_encoder(config: ContentConfig, seed: int) -> TextEncoder:
    """The encoder that the configuration names; `ConfigError` when it cannot be made."""
    if config.encoder == "tfidf":
        return TfidfEncoder(config, seed)
    module, _, factory = config.encoder.partition(":")
    try:
        make = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"model.encoder {config.encoder!r} cannot be loaded: {error}. Use tfidf or module:factory."
        ) from error
    return SentenceEncoder(make(config.encoder_path) if config.encoder_path else make())


class TfidfEncoder:
    """Latent semantic analysis: TF-IDF of words and pairs of words beside TF-IDF of labels, reduced by an SVD.

    Deerwester et al., "Indexing by Latent Semantic Analysis" (1990); logarithmic term frequencies as in Salton,
    Buckley, "Term-Weighting Approaches in Automatic Text Retrieval" (1988). Words and labels are each brought to
    length 1 and weighted, so that one genre outweighs one word among hundreds. Of a script without spaces,
    single characters and pairs of them are the words.
    """

    def __init__(self, config: ContentConfig, seed: int) -> None:
        self._config, self._seed = config, derive_seed(seed, "lsa") % 2**32

    def encode(self, texts: ItemTexts) -> Vectors:
        """[num_items, at most embedding_dim]."""
        max_terms = self._config.max_terms
        words = TfidfVectorizer(token_pattern=_TOKEN, sublinear_tf=True, ngram_range=(1, 2), max_features=max_terms)
        labels = TfidfVectorizer(analyzer=_itself, max_features=max_terms)
        said = any(map(words.build_analyzer(), texts.words))
        blocks = [words.fit_transform(texts.words)] if said else []
        if any(texts.labels) and self._config.label_weight:
            blocks.append(labels.fit_transform(texts.labels) * np.sqrt(self._config.label_weight))
        if not blocks:
            return np.zeros((len(texts), 1), np.float32)
        return unit(self._reduced(normalize(hstack(blocks, "csr"))))

    def _reduced(self, terms: csr_matrix) -> Vectors:
        if terms.shape[1] <= self._config.embedding_dim:
            return np.asarray(terms.toarray(), np.float32)
        reduced = TruncatedSVD(self._config.embedding_dim, random_state=self._seed).fit_transform(terms)
        return np.asarray(reduced, np.float32)


class SentenceEncoder:
    """Any object whose `encode(texts)` gives [len(texts), dim], as those of sentence-transformers do."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def encode(self, texts: ItemTexts) -> Vectors:
        """[num_items, dim]."""
        sentences = list(texts.sentences())
        parts = []
        for start in range(0, len(sentences), _TEXTS_AT_A_TIME):
            part = sentences[start : start + _TEXTS_AT_A_TIME]
            vectors = np.asarray(self._model.encode(part), np.float32)
            if vectors.ndim != 2 or len(vectors) != len(part) or not np.isfinite(vectors).all():
                raise ConfigError(
                    f"model.encoder gave {vectors.shape} for {len(part)} texts, or no numbers; expected [texts, dim]."
                )
            parts.append(np.where([[bool(text)] for text in part], vectors, 0.0))
        return unit(np.concatenate(parts))


def _itself(labels: list[str]) -> list[str]:
    return labels
