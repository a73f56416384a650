"""Erasure, access and consent over all places where something of a user is kept."""
