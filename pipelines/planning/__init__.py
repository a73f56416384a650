"""How embedding tables of any size would lie on GPUs, by TorchRec's planner and without a GPU."""
