"""Day and month are told apart by the whole file, and no row is read by another order than its file's."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback_tagger.domain.dates import Order, decided, moment, weighed
from services.feedback_tagger.domain.feedback import ImpossibleDate

DAY, MONTH = Order.DAY_FIRST, Order.MONTH_FIRST


@pytest.mark.parametrize(
    ("dates", "order"),
    [
        (["1/2/2024", "25/2/2024", "3/4/2024"], DAY),
        (["1/2/2024", "2/25/2024", "3/4/2024"], MONTH),
        (["1/2/2024", "3/4/2024"], DAY),
        ([], DAY),
        (["25/2/2024", "2/25/2024"], DAY),
        (["25/2/2024", "2/25/2024", "2/26/2024"], MONTH),
        (["2024-02-25", "2024-13-01", "13.1.2024", "yesterday", "99/99/2024", "2/25/2024"], MONTH),
    ],
)
def test_the_rows_that_can_be_read_in_one_way_only_decide_for_all(dates: list[str], order: Order) -> None:
    assert decided(weighed(dates)).order is order


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("3/4/2024", DAY, datetime(2024, 4, 3, tzinfo=UTC)),
        ("3/4/2024", MONTH, datetime(2024, 3, 4, tzinfo=UTC)),
        ("3.4.2024", MONTH, datetime(2024, 4, 3, tzinfo=UTC)),
        ("2024-04-03", MONTH, datetime(2024, 4, 3, tzinfo=UTC)),
        ("2024/4/3 7:05", DAY, datetime(2024, 4, 3, 7, 5, tzinfo=UTC)),
        ("3/4/24 7:05:09 pm", DAY, datetime(2024, 4, 3, 19, 5, 9, tzinfo=UTC)),
        ("4/3/2024, 12:00 AM", MONTH, datetime(2024, 4, 3, tzinfo=UTC)),
        ("2024-04-03T23:30:00.5+02:00", DAY, datetime(2024, 4, 3, 21, 30, 0, 500000, tzinfo=UTC)),
        ("2024-04-03T23:30:00Z", DAY, datetime(2024, 4, 3, 23, 30, tzinfo=UTC)),
        ("29/2/2024", DAY, datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_dates_in_the_shapes_people_use_are_read(text: str, order: Order, expected: datetime) -> None:
    assert moment(text, order) == expected


NO_DATES = """
yesterday | 31/2/2024 | 29/2/2023 | 0/1/2024 | 1/0/2024 | 13/13/2024 | 2024-02-30 | 1/2 | 1/2/024 | 45376 | 1/1/0000
25/3/2024 24:00 | 25/3/2024 13:00 pm | 25/3/2024 0:10 am | 25/3/1066 | 2024-04-03T10:00+99:99 | 3/4-2024
\u0663/\u0664/\u0662\u0660\u0662\u0664 | 2024-04-03 10:00:61 | 9999-12-31T23:59:59-23:00 | 2024-04-03 10 | 2024
"""


@pytest.mark.parametrize("text", ["", "   ", *NO_DATES.strip().replace("\n", " | ").split(" | ")])
def test_what_is_no_date_is_refused_with_a_remedy(text: str) -> None:
    for order in Order:
        with pytest.raises(ImpossibleDate, match=r"; write it as 2024-03-25"):
            moment(text, order)


def test_a_row_that_only_the_other_order_could_read_is_no_date() -> None:
    with pytest.raises(ImpossibleDate, match="day first"):
        moment("3/25/2024", DAY)
    with pytest.raises(ImpossibleDate, match="month first"):
        moment("25/3/2024", MONTH)


@given(st.lists(st.dates(datetime(1990, 1, 1).date(), datetime(2100, 1, 1).date()), min_size=1), st.sampled_from(Order))  # noqa: DTZ001
def test_a_file_written_in_one_order_is_never_read_in_the_other_where_any_row_tells(
    dates: list[datetime], order: Order
) -> None:
    pattern = "{0.day}/{0.month}/{0.year}" if order is DAY else "{0.month}/{0.day}/{0.year}"
    texts = [pattern.format(date) for date in dates]
    if any(date.day > 12 for date in dates):
        rule = decided(weighed(texts))
        assert rule.order is order
        assert [moment(text, rule.order).date() for text in texts] == dates


@given(st.text(max_size=40))
def test_no_text_makes_reading_a_date_fail_in_any_other_way(text: str) -> None:
    for order in Order:
        try:
            read = moment(text, order)
        except ImpossibleDate:
            continue
        assert read.tzinfo is UTC
