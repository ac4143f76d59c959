"""Study kit for synthetic cardiac MRI: the helper package behind the notebooks.

Layers, lowest first: `cohort`, `phantom`, `pggan`, `unet`, `audit`, `stats`, `figures`. A layer may
import those below it; `params`, `paths` and `provenance` are known to all.
"""

__version__ = "0.1.0"
