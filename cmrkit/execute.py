"""Run one notebook of a study with papermill, keeping two writers apart.

`python -m cmrkit.execute 02_pggan_training params/quick.yaml` is what the Snakefile calls and what
one may type to repeat a single notebook.
"""

import argparse
import os
import sys

import papermill
import yaml
from filelock import FileLock, Timeout
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from cmrkit import paths
from cmrkit.study import ParameterError, add_arguments, load_from_arguments

# Large tensors otherwise go back to the system after each step and fault in again.
MALLOC = "glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184"


class NotebookError(RuntimeError):
    """A notebook stopped, or another run is writing the same study."""


def execute(name, parameters):
    """Execute a notebook into the report folder.

    Leaves `reports/<study>/<name>.ipynb` with outputs (with the traceback, if it failed) and
    beside it `params/<name>.yaml`, the exact parameters for `papermill -f`.

    Args:
        name: notebook, e.g. `01_cohort`.
        parameters: flat dict of all its parameters.

    Raises:
        NotebookError: a cell raised, the kernel was ended, or another process runs this notebook of
            this study.
    """
    study = parameters["study"]
    executed = paths.report_folder(study) / f"{name}.ipynb"
    flat = paths.report_folder(study) / "params" / f"{name}.yaml"
    lock = paths.study_folder(study) / f".{name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("GLIBC_TUNABLES", MALLOC)  # the kernel inherits it
    try:
        with FileLock(lock, timeout=0):
            with paths.moved_into_place(flat) as draft:
                draft.write_text(yaml.safe_dump(parameters, sort_keys=False))
            papermill.execute_notebook(
                paths.notebook(name), executed, parameters,
                kernel_name="python3", progress_bar=False, cwd=paths.REPOSITORY,
                extra_arguments=["--log-level=ERROR"],  # no warnings about a local connection
            )  # fmt: skip
    except Timeout:
        raise NotebookError(
            f"{lock}: another run is writing study {study!r}; wait for it or stop it"
        ) from None
    except DeadKernelError:
        raise NotebookError(
            f"{executed}: the system ended its kernel, mostly because memory ran out; close other "
            "programs, take fewer or smaller frames, or run it on a machine with more memory"
        ) from None
    except PapermillExecutionError as error:
        raise NotebookError(
            f"{executed}: cell {error.exec_count} stopped with {error.ename}: {error.evalue}"
        ) from None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", choices=paths.NOTEBOOKS)
    add_arguments(parser)
    arguments = parser.parse_args()
    try:
        study = load_from_arguments(arguments)
        if arguments.notebook not in study:
            sys.exit(
                f"{arguments.notebook}: no part of {arguments.params}, which receives its frames"
            )
        execute(arguments.notebook, study[arguments.notebook])
    except (NotebookError, ParameterError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
