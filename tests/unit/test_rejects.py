"""What people put into a header or a row does not run in the spreadsheet that opens the list of rejects."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback_tagger.files.rejects import neutral, reject_file

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "  =1",
        "\t=1",
        "\r=1",
        "\n@x",
        "\u200b=1",
        "\ufeff=1",
        "\u00a0=1",
        "\x00=1",
        "\uff1d1+1",
        "\uff0dcmd",
        "a;=cmd()",
        "a|+1",
        "a\t=1",
        "a\n=1",
        'a,"=1',
        "'=1",
    ],
)
def test_a_cell_that_begins_with_a_sign_of_a_formula_is_marked_as_text(cell: str) -> None:
    marked = neutral(cell)
    assert "'" in marked
    for delimiter in ";,|\t\r\n":
        for part in marked.split(delimiter):
            assert part.strip(' \u00a0\u200b\ufeff\x00"')[:1] not in SIGNS or part == ""


@pytest.mark.parametrize("cell", ["feedback", "has 3 cells; put quotes", "a-b", "1+1=2", "", "büro@example"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert neutral(cell) == cell


@given(st.lists(st.tuples(st.integers(2, 99), st.text(max_size=20), st.text(max_size=40))))
def test_a_list_of_anything_has_its_rows_and_no_cell_that_runs(rejects: list[tuple[int, str, str]]) -> None:
    body = reject_file(rejects).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(body)))[1:]
    assert [int(row[0]) for row in rows] == [line for line, _, _ in rejects]
    assert not any(cell.lstrip()[:1] in SIGNS for row in rows for cell in row[1:] if cell.strip())
