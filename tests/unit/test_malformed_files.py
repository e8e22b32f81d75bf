"""Every malformed file through ingest: good rows survive, others are listed with their line, or the file says why."""

import pytest

from tests.support.ingesting import Desk
from tests.support.malformed_files import MALFORMED_FILES, MalformedFile


@pytest.mark.parametrize("file", MALFORMED_FILES, ids=lambda file: file.name)
async def test_a_malformed_file_costs_its_bad_rows_alone(file: MalformedFile) -> None:
    desk = Desk()
    await desk.read("a", file.build())
    outcome = desk.outcome
    assert outcome.problem.startswith(file.problem)
    assert bool(outcome.problem) == bool(file.problem)
    assert desk.texts == list(file.good)
    assert [(int(line), column) for line, column, _ in desk.rejects] == list(file.rejects)
    assert outcome.rows_read == len(desk.texts) + len(desk.rejects)
    assert outcome.total_chunks is not None


def test_there_are_at_least_sixty_kinds_with_names_of_their_own() -> None:
    names = [file.name for file in MALFORMED_FILES]
    assert len(set(names)) == len(names) >= 60
