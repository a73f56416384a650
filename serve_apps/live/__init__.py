"""What a replica holds in memory and keeps level: bundles, the catalogue."""
