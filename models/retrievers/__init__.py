"""Retrievers: what finds candidates in the whole catalogue, one class a family, behind one protocol."""
