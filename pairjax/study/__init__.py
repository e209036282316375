"""The study: what weight sharing and the auxiliary loss are worth, arm by arm, seed by seed."""
