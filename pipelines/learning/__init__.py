"""From the lake to a trained model: sequences, split, examples, the training loop, export."""
