"""Files of corrections as people send them: each line is taken or rejected alone, and none is guessed at."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback_tagger.domain.correction_file import Correction, corrections_of, layout_of
from services.feedback_tagger.domain.correction_rules import KnownRow, Names, rulings
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.upload import Rejected

NAMES = Names(("Payment", "Cloud backup issues"), ("Old one",))


def lines_of(text: str | bytes, *, breaks_off: bool = False) -> list[Correction | Rejected]:
    file = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    return list(corrections_of(file, layout_of(file), breaks_off=breaks_off))


@pytest.mark.parametrize(
    "file",
    [
        "id,label_correction\n7,Payment\n",
        "ID;Label Correction\r\n7;Payment\r\n",
        "\ufefflabel-correction\tsomething\tRow id\nPayment\tx\t7\n",
        "sep=|\nid|correct label\n7|Payment\n",
        '{"id": 7, "label_correction": "Payment", "more": [1]}\n',
        "id,label_correction\n7.0, Payment \n\n",
        "id,label_correction\n7,Payment\n".encode("utf-16"),
    ],
)
def test_the_usual_forms_say_the_same(file: str | bytes) -> None:
    (line,) = lines_of(file)
    assert isinstance(line, Correction)
    assert (line.row_id, line.ref_id, line.label) == (7, None, "Payment")


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ("x,,Payment", "id"),
        ("0,,Payment", "id"),
        ("99999999999,,Payment", "id"),
        (",,Payment", "id"),
        ("7,,", "label_correction"),
        ("7,,   ", "label_correction"),
        ("7," + "r" * 101 + ",Payment", "ref_id"),
        ("7,," + "x" * 256, "label_correction"),
        ("7,,Pay\x00ment", "label_correction"),
        ("7", "label_correction"),
    ],
)
def test_a_line_with_a_fault_names_its_column(cells: str, column: str) -> None:
    (line,) = lines_of(f"id,ref_id,label_correction\n{cells}\n")
    assert isinstance(line, Rejected)
    assert (line.line, line.fault.column) == (2, column)


def test_the_last_line_of_a_file_that_breaks_off_is_none() -> None:
    text = "label_correction,ref_id\nPayment,r-7\nPayment,r-1"
    kept, cut = lines_of(text, breaks_off=True)
    assert isinstance(kept, Correction)
    assert isinstance(cut, Rejected)
    assert all(isinstance(line, Correction) for line in lines_of(text))


@pytest.mark.parametrize("header", ["id,ref_id", "label_correction", "id,ID,label_correction", "feedback,stars"])
def test_a_file_without_the_columns_is_refused_as_a_whole(header: str) -> None:
    with pytest.raises(UnusableFile):
        lines_of(f"{header}\n1,2,3\n")


@given(st.binary(max_size=400))
def test_whatever_comes_is_lines_or_one_reason(body: bytes) -> None:
    for head in (b"", b"id,label_correction\n", b'{"id": 1, "label_correction": "Payment"}\n'):
        try:
            lines = lines_of(head + body)
        except UnusableFile:
            continue
        numbers = [line.line for line in lines]
        assert numbers == sorted(set(numbers))


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["payment", " Cloud  BACKUP issues", "unknown", "[clear]"])))
)
def test_the_same_lines_again_change_nothing(lines: list[tuple[int, str]]) -> None:
    text = "\n".join(["id,label_correction", *(f"{row},{label}" for row, label in lines)])
    parsed = lines_of(text)
    rows = {number: KnownRow(number, "", "", "unknown") for number in (1, 2)}
    first = rulings(parsed, NAMES, by_id=rows, by_ref={}, given={})
    for each in first:
        if each.row is not None and each.fate in ("changed", "cleared"):
            rows[each.row.row_id] = KnownRow(each.row.row_id, "", each.label, "unknown")
    again = rulings(parsed, NAMES, by_id=rows, by_ref={}, given={})
    assert not {each.fate for each in again} & {"changed", "cleared"}
    kept = [each.fate in ("changed", "cleared", "unchanged") for each in first]
    assert [each.fate == "unchanged" for each in again] == kept
