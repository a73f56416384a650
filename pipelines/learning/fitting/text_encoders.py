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
from models.index import Vectors
from models.model_config import ContentConfig
from models.retrievers.content import unit
from models.seeds import derive_seed
from pipelines.learning.fitting.item_texts import ItemTexts

_TEXTS_AT_A_TIME = 256


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
    length 1 and weighted, so that one genre outweighs one word among hundreds.
    """

    def __init__(self, config: ContentConfig, seed: int) -> None:
        self._config, self._seed = config, derive_seed(seed, "lsa") % 2**32

    def encode(self, texts: ItemTexts) -> Vectors:
        """[num_items, at most embedding_dim]."""
        words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), max_features=self._config.max_terms)
        labels = TfidfVectorizer(analyzer=_itself, max_features=self._config.max_terms)
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
