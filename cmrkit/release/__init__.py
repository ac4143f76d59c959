"""What leaves the study: the synthetic cohort, the bundle that is handed on, and its receipt."""
