"""Score tables in, verdicts out: paired tests, equivalence, clustering, power, Table 1."""
