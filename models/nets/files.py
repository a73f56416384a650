"""Nets on disk: safetensors beside a JSON of their widths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.errors import BundleError
from models.model_config import TableSizes

Net = TypeVar("Net", bound=nn.Module)


def save_net(
    folder: Path, file: str, config: Any, sizes: TableSizes, weights: Mapping[str, Tensor], **extra: Any
) -> None:
    """Write weights and, beside them, what is needed to build the net again."""
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / file)
    body = {"config": asdict(config), "sizes": asdict(sizes), **extra}
    (folder / file).with_suffix(".json").write_text(json.dumps(body, indent=2, sort_keys=True))


def describe(folder: Path, file: str) -> dict[str, Any]:
    """The JSON beside the weights."""
    return dict(json.loads((folder / file).with_suffix(".json").read_bytes()))


def fill(net: Net, path: Path) -> Net:
    """The net with its weights read; `BundleError` when they do not fit."""
    try:
        net.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise BundleError(f"weights {path.name} do not fit their net. Publish the bundle again.") from error
    return net.eval()
