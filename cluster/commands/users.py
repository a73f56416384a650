"""Read, put or delete profiles of users in the catalogue of the online store, without a server."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.commands.catalogue import main_of
from models.catalogue_entries import Kind


def main(argv: Sequence[str] | None = None) -> int:
    """`shoal users get|put|delete`."""
    return main_of(Kind.USER, __doc__, argv)


if __name__ == "__main__":
    raise SystemExit(main())
