"""Audits that can say no: plausibility to people or an automated reader, realism, memorisation."""
