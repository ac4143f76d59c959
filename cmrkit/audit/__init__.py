"""Audits that can say no: plausibility by people or by an automated reader, and memorisation."""
