"""Reading a model's answer strictly: row number, colon, choice; whatever else it wrote counts as nothing."""

import re

# ASCII digits only: int() would also take Arabic-Indic or full-width ones, and a thousand of them.
_LINE = re.compile(r"[ \t]*([0-9]{1,5})[ \t]*:[ \t]*([0-9]{1,5})[ \t]*")


def read_answer(text: str, *, rows: int, choices: int) -> dict[int, int]:
    """Row numbers (1 to ``rows``) to choices (0 to ``choices``), for every row that has exactly one valid choice.

    A row that is named twice with different choices, or with one that does not exist, is left out, so that it is asked
    again: of two answers there is no telling which one a text in the rows has forged.
    """
    given: dict[int, set[int]] = {}
    for line in text.splitlines():
        if (match := _LINE.fullmatch(line)) is not None:
            given.setdefault(int(match[1]), set()).add(int(match[2]))
    return {
        row: choice
        for row, answers in given.items()
        if 1 <= row <= rows and len(answers) == 1 and 0 <= (choice := next(iter(answers))) <= choices
    }
