"""Widths of the nets. Here, beside the nets, so that a recipe can be read without loading torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TwoTowerConfig:
    """Width of the tables and of the hidden layer of each tower, and the softmax temperature."""

    embedding_dim: int = 64
    hidden_dim: int = 128
    temperature: float = 0.08


@dataclass(frozen=True, slots=True)
class RankerConfig:
    """Width of the tables and of the hidden layers, and how many negatives are drawn for each positive."""

    embedding_dim: int = 32
    hidden_dim: int = 128
    num_negatives: int = 8


@dataclass(frozen=True, slots=True)
class TableSizes:
    """Rows of each embedding table."""

    users: int
    items: int
    countries: int
    categories: int
