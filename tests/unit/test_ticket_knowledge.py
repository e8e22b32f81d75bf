"""Finding policy passages in the documents that ship."""

import pytest

from services.ticket_agent.knowledge.documents import DocumentKnowledgeBase, split_sections


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("when is access granted automatically, how many days", "Access that is granted automatically"),
        ("rules for read access", "Access"),
        ("requester already has the access", "Access that is already held"),
        ("the printer is broken, not about access", "Everything that is not about access"),
    ],
)
async def test_the_passage_that_answers_is_found_with_its_source(question: str, heading: str) -> None:
    passages = await DocumentKnowledgeBase.from_package().search(question)
    assert 1 <= len(passages) <= 3
    assert any(heading in passage.source for passage in passages)


async def test_a_question_that_fits_nothing_finds_nothing() -> None:
    assert await DocumentKnowledgeBase.from_package().search("zzz qqq") == ()


async def test_an_empty_base_finds_nothing() -> None:
    assert await DocumentKnowledgeBase([]).search("access") == ()


def test_a_passage_is_a_section_with_its_heading() -> None:
    passages = split_sections("a.md", "# Title\nIntro.\n## One\nFirst.\n## Empty\n## Two\nSecond.\n")
    assert [(passage.source, passage.text) for passage in passages] == [
        ("a.md#One", "One\nFirst."),
        ("a.md#Two", "Two\nSecond."),
    ]
