"""The daily run: what is new comes in, a new model is trained, and it is used when it is better."""
