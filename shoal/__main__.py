"""`python -m shoal` is the `shoal` command."""

from shoal.launcher import main

raise SystemExit(main())
