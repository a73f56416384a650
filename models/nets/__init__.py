"""The nets: torch and TorchRec modules, and how their weights lie on disk."""
