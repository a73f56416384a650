"""Recipes that are fitted in one task rather than trained by gradient."""
