"""The figures of a quality report, each against an example worked by hand."""

import pytest

from services.feedback_tagger.evaluation.metrics import figures, percentile

# Ten rows by hand: five cats (three called cats, one dog, one unknown), three dogs (two called dogs, one cat), two
# birds (one called a bird, one a cat). Right: 3 + 2 + 1 = 6. Called cat: 3 + 1 + 1 = 5.
ZOO = [
    *[("cat", "cat")] * 3,
    ("cat", "dog"),
    ("cat", "unknown"),
    *[("dog", "dog")] * 2,
    ("dog", "cat"),
    ("bird", "bird"),
    ("bird", "cat"),
]


def test_accuracy_and_what_always_saying_the_most_frequent_would_get() -> None:
    found = figures(ZOO, no_answer={"unknown"})

    assert found.accuracy == 6 / 10
    assert found.majority == ("cat", 5 / 10)


def test_precision_recall_and_f1_by_class() -> None:
    by_name = {each.name: each for each in figures(ZOO, no_answer={"unknown"}).classes}

    assert (by_name["cat"].precision, by_name["cat"].recall) == (3 / 5, 3 / 5)
    assert (by_name["dog"].precision, by_name["dog"].recall) == (2 / 3, 2 / 3)
    assert (by_name["bird"].precision, by_name["bird"].recall) == (1.0, 1 / 2)
    assert by_name["bird"].f1 == pytest.approx(2 * 1.0 * 0.5 / 1.5)
    assert (by_name["unknown"].support, by_name["unknown"].given, by_name["unknown"].recall) == (0, 1, None)


def test_the_mean_over_classes_leaves_out_what_no_row_is() -> None:
    found = figures(ZOO, no_answer={"unknown"})

    assert found.macro_f1 == pytest.approx((3 / 5 + 2 / 3 + 2 / 3) / 3)


def test_no_answer_is_counted_apart_from_a_wrong_one() -> None:
    found = figures(ZOO, no_answer={"unknown"})

    assert found.unanswered == 1
    assert found.unknown_rate == 1 / 10
    assert found.accuracy_of_answered == 6 / 9
    assert found.majority_of_answered == 4 / 9


def test_an_unknown_that_is_right_is_right_and_still_no_answer() -> None:
    found = figures([("unknown", "unknown"), ("cat", "cat"), ("unknown", "cat")], no_answer={"unknown"})

    assert found.accuracy == 2 / 3
    assert found.unknown_rate == 1 / 3
    assert found.unanswered == 0
    assert found.accuracy_of_answered == 1 / 2


def test_the_confusion_counts_every_row_once() -> None:
    found = figures(ZOO)

    assert found.confusion["cat", "dog"] == 1
    assert found.confusion["bird", "cat"] == 1
    assert sum(found.confusion.values()) == len(ZOO) == found.rows


def test_classes_stand_in_the_order_of_their_rows() -> None:
    assert [each.name for each in figures(ZOO).classes] == ["cat", "dog", "bird", "unknown"]


def test_a_class_that_is_never_said_has_no_precision_and_an_f1_of_nothing() -> None:
    one = next(each for each in figures([("bird", "cat"), ("cat", "cat")]).classes if each.name == "bird")

    assert one.precision is None
    assert one.f1 == 0.0


def test_nothing_has_no_figures() -> None:
    found = figures([])

    assert (found.accuracy, found.majority, found.macro_f1, found.unknown_rate) == (None, None, None, None)


@pytest.mark.parametrize(
    ("share", "value"),
    [(0.5, 3), (0.99, 5), (0.2, 1), (0.21, 2), (1.0, 5)],
)
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(share: float, value: float) -> None:
    assert percentile([5, 1, 4, 2, 3], share) == value


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile([], 0.5) is None
