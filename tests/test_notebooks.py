import ast

import nbformat
import papermill
import pytest
from kit import copy_kit, run_in

from cmrkit import paths
from cmrkit.params import SECTIONS
from cmrkit.study import load_study


def cells(name, kind):
    notebook = nbformat.read(paths.notebook(name), as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


@pytest.mark.parametrize("name", paths.NOTEBOOKS)
def test_parameters_cell_holds_exactly_the_defaults_of_the_schema(name):
    cell = next(c for c in cells(name, "code") if "parameters" in c.metadata.get("tags", []))
    given = {n.targets[0].id: ast.literal_eval(n.value) for n in ast.parse(cell.source).body}
    assert given == SECTIONS[name]().model_dump()
    assert all("  # " in line for line in cell.source.splitlines()), "a comment for each"


@pytest.mark.parametrize("name", paths.NOTEBOOKS)
def test_every_parameter_is_used(name):
    code = [c for c in cells(name, "code") if "parameters" not in c.metadata.get("tags", [])]
    tree = ast.parse("\n".join(c.source for c in code))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(SECTIONS[name].model_fields) <= used


@pytest.mark.parametrize("name", paths.NOTEBOOKS)
def test_notebooks_are_committed_without_outputs_and_define_nothing(name):
    for cell in cells(name, "code"):
        assert not cell.outputs
        assert cell.execution_count is None
        defined = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.ClassDef)]
        assert not defined, "classes belong in cmrkit"


@pytest.mark.parametrize("name", paths.NOTEBOOKS)
def test_notebooks_open_with_a_question_and_close_with_exercises(name):
    prose = [cell.source for cell in cells(name, "markdown")]
    assert prose[0].startswith(f"# {name[:2]} · ")
    assert "?**" in prose[0]
    assert all(f"| {row} |" in prose[0] for row in ("reads", "leaves", "takes"))
    assert "## Exercises" in prose[-1]
    assert "<details>" in prose[-1]


def test_notebooks_run_cell_by_cell_with_the_tiny_profile(tmp_path):
    kit = copy_kit(tmp_path / "kit")
    for name, parameters in load_study(kit / "params" / "ci.yaml").items():
        source = kit / "notebooks" / f"{name}.ipynb"
        papermill.execute_notebook(
            source, source, parameters, prepare_only=True, progress_bar=False
        )
    done = run_in(
        kit, "pytest", "-x", "-q", "-p", "no:cacheprovider", "--nbval-lax",
        "--nbval-cell-timeout=240", "--timeout=400", kit / "notebooks",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
