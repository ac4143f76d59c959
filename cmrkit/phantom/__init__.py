"""The simulated cohort: repaired Tetralogy of Fallot from population statistics to cine frames."""
