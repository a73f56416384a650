"""How good is a bundle? Cases from held-out events, metrics over the full catalogue, popularity beside it."""
