"""Memory of the process: freed pages are kept for the next step, and the peak is told."""

import ctypes
import resource
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of glibc's mallopt
_LARGE = 2**30


def keep_freed_memory():
    """Let the C library reuse large blocks instead of handing them back to the system each step.

    Otherwise every activation of a step is mapped and zeroed anew, page by page. Of use to training
    and sampling on a CPU; elsewhere than on glibc it does nothing.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library, such as musl
        return
    mallopt(_MMAP_THRESHOLD, _LARGE)
    mallopt(_TRIM_THRESHOLD, _LARGE)


def peak_memory():
    """Most memory that this process has held so far, GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)  # macOS counts bytes, others KiB
