"""Times a training step on this machine's GPU, or checks it on the CPU without one.

`python tests/benchmarks/gpu_step.py` prints one line of JSON: device, versions, model, ms a step, samples/s.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

ROWS, GPU_BATCH = 1_000_000, 8_192


def main() -> int:
    """Choose what this machine can run, and time it."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    cuda = torch.cuda.is_available()
    device, num, batch = ("cuda", 200, GPU_BATCH) if cuda else ("cpu", 5, 256)
    rows = ROWS if cuda else 1_000
    step, model, note = _step(rows, device)
    from tests.benchmarks.torch_steps import ms_a_step

    ms = ms_a_step(step, rows, device, num, batch)
    measured = {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "versions": {name: _version(name) for name in ("torch", "torchrec", "fbgemm-gpu", "fbgemm-gpu-cpu")},
        "model": model,
        "note": note if cuda else "no CUDA here: a small check on the CPU, not a measurement. " + note,
        "rows": rows,
        "batch_size": batch,
        "ms_a_step": round(ms, 4),
        "samples_per_s": round(1e3 * batch / ms, 1),
    }
    print(json.dumps(measured))
    return 0


def _step(rows: int, device: str):  # type: ignore[no-untyped-def]
    try:
        from tests.benchmarks.step_models import fused_step

        step = fused_step(rows, device)
        from tests.benchmarks.torch_steps import batches

        step(next(batches(rows, device)))
    except (ImportError, OSError, RuntimeError, NotImplementedError, AttributeError) as error:
        from tests.benchmarks.torch_steps import torch_step

        why = f"TorchRec's kernels for {device} are not here ({type(error).__name__}: {str(error)[:120]})"
        return torch_step(rows, device, sparse=True), "torch.nn.EmbeddingBag, SparseAdam", why
    return step, "torchrec fused, row-wise Adagrad", f"TorchRec's kernels for {device}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    raise SystemExit(main())
