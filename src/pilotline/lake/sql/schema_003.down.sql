-- Back to the second schema: writers trust the grace period of sweeps alone.

DROP TABLE sweep;
