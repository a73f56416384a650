"""From finished runs to a bundle in the registry, and the gate before the champion alias."""
