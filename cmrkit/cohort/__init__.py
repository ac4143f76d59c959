"""Patients and their frames: what every data source hands over, and how it is stored."""
