"""The notebook of the guides does what it says, from a contest to a scored submission."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[3] / "docs" / "guides" / "first-run.ipynb"


def printed(cell: nbformat.NotebookNode) -> str:
    """What a cell wrote to stdout."""
    return "".join(o["text"] for o in cell.get("outputs", ()) if o["output_type"] == "stream" and o["name"] == "stdout")


@pytest.mark.slow
# The messaging of Jupyter's own packages, not ours; the kernel is a process of its own with its own warnings.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq", "ignore::DeprecationWarning:jupyter_client")
def test_the_first_run(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()  # raises CellExecutionError with the cell and its traceback

    told = "\n".join(printed(cell) for cell in notebook.cells if cell.cell_type == "code")
    for words in ("18 joint classes", "01-AdamW-", "macro F1 ", "expect ", "true macro F1 "):
        assert words in told
    report = tmp_path / "first-run" / "report.html"
    assert report.stat().st_size > 0
    assert len(list((tmp_path / "first-run" / "project" / "submissions").glob("01-*/submission.csv"))) == 1


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = [c for c in nbformat.read(NOTEBOOK, as_version=4).cells if c.cell_type == "code"]
    assert cells
    assert [c.id for c in cells if c.outputs or c.execution_count is not None] == [], "clear its outputs"
