"""Files as people upload them: encodings, dialects, headers, broken rows; every row accepted or rejected by itself."""

import io
import json
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.separated import RECORD_CHARACTERS, records_of
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.upload import Rejected, rows_of, surveyed
from tests.support.feedback import HEADER, a_file, a_row, many_rows


def read(body: bytes) -> list[Row | Rejected]:
    file = io.BytesIO(body)
    seen: Counter[str] = Counter()

    def occurrence(digest: str) -> int:
        seen[digest] += 1
        return seen[digest]

    entries = list(rows_of(file, surveyed(file), occurrence))
    assert not file.closed
    return entries


def texts(entries: list[Row | Rejected]) -> list[str]:
    return [entry.feedback.feedback for entry in entries if isinstance(entry, Row)]


def faults(entries: list[Row | Rejected]) -> list[tuple[int, str]]:
    return [(entry.line, entry.fault.column) for entry in entries if isinstance(entry, Rejected)]


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encoding_delimiter_and_line_ends_are_found(encoding: str, delimiter: str, line_end: str) -> None:
    rows = [a_row(feedback=f'Größe "L" fällt aus; schade, {delimiter} wirklich', title="naïve")] * 2 + many_rows(3)
    entries = read(a_file(rows, encoding=encoding, delimiter=delimiter, line_end=line_end))
    assert texts(entries) == [row["feedback"] for row in rows]
    assert [entry.line for entry in entries if isinstance(entry, Row)] == [2, 3, 4, 5, 6]


def test_the_same_rows_in_another_file_have_the_same_identities_and_twins_have_two() -> None:
    rows = [a_row(), a_row(), a_row(title="other")]
    plain = read(a_file(rows))
    other = read(a_file(rows, delimiter=";", line_end="\n", encoding="utf-16"))
    identities = [entry.identity for entry in plain if isinstance(entry, Row)]
    assert identities == [entry.identity for entry in other if isinstance(entry, Row)]
    assert len(set(identities)) == 3


def test_identity_does_not_depend_on_the_date_format_nor_on_columns_the_table_lacks() -> None:
    day_first = read(a_file([a_row(date="25/3/2024"), a_row(date="3/4/2024")]))
    year_first = read(a_file([a_row(date="2024-03-25", mood="x"), a_row(date="2024-04-03")], header=(*HEADER, "mood")))
    assert [entry.identity for entry in day_first if isinstance(entry, Row)] == [
        entry.identity for entry in year_first if isinstance(entry, Row)
    ]


def test_header_names_are_mapped_without_regard_to_case_order_or_blanks_and_the_rest_is_kept() -> None:
    body = b" Feedback ,Region,ID, DATE\nlate,north,7,2024-03-25\n"
    (row,) = read(body)
    assert isinstance(row, Row)
    assert (row.feedback.feedback, row.feedback.ref_id, dict(row.feedback.extra)) == ("late", "7", {"Region": "north"})


def test_a_file_without_a_date_column_has_rows_without_a_date() -> None:
    (row,) = read(b"id,feedback\n7,late\n")
    assert isinstance(row, Row)
    assert row.feedback.create_date is None


def test_quoted_line_breaks_and_quotes_belong_to_their_cell_and_lines_count_on() -> None:
    body = b'feedback,id\r\n"one\r\ntwo ""quoted"", and more",1\r\n\r\n  ,  \r\n5" screen broken,2\r\nlast,3'
    entries = read(body)
    assert texts(entries) == ['one\ntwo "quoted", and more', '5" screen broken', "last"]
    assert [entry.line for entry in entries if isinstance(entry, Row)] == [2, 6, 7]


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"feedback": "  "}, "feedback"),
        ({"date": ""}, "date"),
        ({"date": "31/2/2024"}, "date"),
        ({"date": "next week"}, "date"),
        ({"product_name": "x" * 256}, "product_name"),
        ({"store": "x" * 21}, "store"),
        ({"id": "x" * 101}, "id"),
        ({"stars": "******"}, "stars"),
        ({"title": "x" * 256}, "title"),
        ({"feedback": "x" * 20_001}, "feedback"),
        ({"feedback": "with \x00 in it"}, "feedback"),
    ],
)
def test_one_bad_row_costs_that_row_alone(change: dict[str, str], column: str) -> None:
    good = many_rows(4)
    entries = read(a_file([*good[:2], a_row(**change), *good[2:]]))
    assert faults(entries) == [(4, column)]
    assert texts(entries) == [row["feedback"] for row in good]


def test_values_at_their_limit_are_taken() -> None:
    row = a_row(
        product_name="x" * 255, store="y" * 20, id="z" * 100, stars="12345", title="t" * 255, feedback="f" * 20_000
    )
    assert len(texts(read(a_file([row])))) == 1


def test_a_quote_that_is_never_closed_costs_its_line_alone() -> None:
    body = b'id,feedback\n1,one\n2,"two\n3,three\n4,four\n'
    entries = read(body)
    assert texts(entries) == ["one", "three", "four"]
    assert faults(entries) == [(3, "")]


def test_a_quote_closed_by_a_later_rows_quote_gives_back_the_rows_between() -> None:
    body = b'id,feedback\n1,one\n2,"two\n3,three\n4,"four, really"\n5,five\n'
    entries = read(body)
    assert texts(entries) == ["one", "three", "four, really", "five"]
    assert faults(entries) == [(3, "")]


def test_a_line_beyond_every_limit_costs_itself_alone() -> None:
    monster = b"x" * (3 * RECORD_CHARACTERS)
    entries = read(b"id,feedback\n1,one\n2," + monster + b"\n3,three\n")
    assert texts(entries) == ["one", "three"]
    assert faults(entries) == [(3, "")]


def test_a_row_with_more_cells_than_the_header_is_no_row_but_empty_cells_at_its_end_are() -> None:
    entries = read(b"id,feedback\n1,one,,,\n2,late, very late\n3\n")
    assert texts(entries) == ["one"]
    assert faults(entries) == [(3, ""), (4, "feedback")]


def test_a_line_in_another_encoding_is_one_bad_row_in_a_utf8_file() -> None:
    lines = ["id,feedback", *(f"{number},schöne Grüße" for number in range(5))]
    body = "\n".join(lines).encode() + b"\n9,sch\xf6n\n"
    entries = read(body)
    assert len(texts(entries)) == 5
    assert faults(entries) == [(7, "feedback")]


def test_the_spreadsheets_own_delimiter_line_is_heeded() -> None:
    entries = read(b"sep=;\r\nid;feedback\r\n1;late, but fine\r\n")
    assert texts(entries) == ["late, but fine"]
    assert [entry.line for entry in entries if isinstance(entry, Row)] == [3]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is empty"),
        (b"\r\n \r\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"id,text\n1,late\n", "has no column named 'feedback'"),
        (b"feedback,Feedback\nlate,late\n", "has the column both 'feedback' and 'Feedback'"),
        (b"feedback,id,feedback\nlate,1,late\n", "has the column 'feedback' twice"),
        (b"id,ref_id,feedback\n1,2,late\n", "has the column both 'id' and 'ref_id'"),
        (b"late,DE,great\nlate,DE,great\n", "has no header line that we know"),
        (b"PK\x03\x04....", "is a zip archive"),
        (b"PK\x03\x04....xl/workbook.xml", "is an Excel workbook"),
        (b"\x1f\x8b....", "is compressed with gzip twice"),
        (b"\x00\x01\x02\x03" * 9, "is not text"),
        (b'[{"feedback": "late"}]', "is JSON and not JSON Lines"),
        (b'{\n"feedback": "late"\n}', "is JSON and not JSON Lines"),
        ("feedback\nlate\n".encode("utf-32"), "is UTF-32"),
        (b"feedback,\xff\xfe\x81\nlate,x\n", "has a column name that is not text"),
        (b'"feedback\nlate\n', "has a header line that opens a quote"),
    ],
)
def test_a_file_of_which_nothing_can_be_read_says_why(body: bytes, says: str) -> None:
    with pytest.raises(UnusableFile) as unusable:
        read(body)
    assert str(unusable.value).startswith(says)


@given(st.binary(max_size=400))
def test_no_bytes_make_reading_fail_in_any_other_way(body: bytes) -> None:
    for beginning in (
        b"",
        b"feedback,id\n",
        b"feedback;date\n25;1/2/2024\n",
        b"\xff\xfe",
        b"\xef\xbb\xbfid,feedback\r\n",
        b'{"feedback": "late"}\n',
    ):
        try:
            entries = read(beginning + body)
        except UnusableFile:
            continue
        assert all(entry.line >= 1 for entry in entries)


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=60)))
def test_whatever_a_csv_writer_wrote_is_read_again_row_by_row(cells: list[str]) -> None:
    entries = read(
        a_file([{"id": f"i{number}", "feedback": cell} for number, cell in enumerate(cells)], header=("id", "feedback"))
    )
    tidy = [cell.replace("\r\n", "\n").replace("\r", "\n").strip() for cell in cells]
    assert texts(entries) == [cell for cell in tidy if cell]
    assert len(entries) == len(cells)


def test_a_file_may_be_surveyed_again_from_wherever_it_was_left() -> None:
    file = io.BytesIO(a_file(many_rows(3)))
    assert surveyed(file) == surveyed(file)


@pytest.mark.parametrize(
    "again",
    [
        lambda rows: a_file(rows, line_end="\n", encoding="utf-8-sig"),
        lambda rows: a_file(rows, delimiter="\t", line_end="\r", encoding="utf-16-le"),
        lambda rows: a_file([{**row, "region": "north"} for row in rows], header=(*HEADER, "region")),
        lambda rows: a_file(rows, header=HEADER[::-1]),
        lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    ],
    ids=["line ends and encoding", "tabs and UTF-16", "one column more", "columns in another order", "JSON Lines"],
)
def test_rows_saved_again_in_another_way_are_the_same_rows(again: Callable[[list[dict[str, str]]], bytes]) -> None:
    rows = [*many_rows(4), a_row(feedback="two\r\nlines"), a_row(), a_row(), a_row(date="1/2/2024")]
    identities = [entry.identity for entry in read(a_file(rows)) if isinstance(entry, Row)]
    assert [entry.identity for entry in read(again(rows)) if isinstance(entry, Row)] == identities
    assert len(set(identities)) == len(rows)


def test_json_values_are_kept_as_they_are_written() -> None:
    line = b'{"id": 00, "x": 1}\n{"id": 7, "stars": 4.50, "feedback": "late", "date": null, "vip": true, "n": 1e400,'
    line += b' "tags": ["a", {"b": 2}], "tags ": "other", "Title": ""}\n'
    refused, row = read(line)
    assert isinstance(refused, Rejected)
    assert isinstance(row, Row)
    assert (row.line, row.feedback.ref_id, row.feedback.stars, row.feedback.title) == (2, "7", "4.50", None)
    assert row.feedback.create_date is None
    tags = '["a",{"b":"2"}]'
    assert dict(row.feedback.extra) == {"vip": "true", "n": "1e400", "tags": tags, "tags (2)": "other"}


def test_a_repeated_column_that_is_not_ours_is_kept_under_a_number() -> None:
    (row,) = read(b"mood,mood,,feedback\na,b,c,late\n")
    assert isinstance(row, Row)
    assert dict(row.feedback.extra) == {"mood": "a", "mood (2)": "b", "column 3": "c"}


def test_quotes_left_open_on_every_line_cost_no_more_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line would be read again with all that follow it: a file of a gigabyte would take days."""
    monkeypatch.setattr("services.feedback_tagger.domain.separated.READ_AGAIN_CHARACTERS", 100_000)
    reads = 0
    body = b"feedback,id\ngood,1\n" + b'a"b,"c\n' * 20_000 + b"good,2\n"

    class Counted(io.StringIO):
        def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
            nonlocal reads
            reads += 1
            return super().readline(size)

    records = list(records_of(Counted(body.decode(), newline=""), ",", columns=2))
    assert len(records) == 20_003
    assert [record.cells[0] for record in records if not record.problem] == ["feedback", "good", "good"]
    assert reads < 100_000
