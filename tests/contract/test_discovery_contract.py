"""New categories found among rows without one, on both engines, with vectors from the local Bedrock endpoint.

What does it do: plants a theme among rows of feedback, lets discovery look, and asks what is proposed, what an
acceptance changes, and what is left after kills between any two of its effects.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from local.bedrock_endpoint import BedrockEndpoint
from services.feedback_tagger.bucket.memory import MemoryBucket
from services.feedback_tagger.commands.categories import accept, category_kinds, merge_proposals, reject, split
from services.feedback_tagger.discovery.loop import Discovery
from services.feedback_tagger.discovery.naming import Naming
from services.feedback_tagger.discovery.placing import RULES, Rules
from services.feedback_tagger.discovery.splitting import parts_of
from services.feedback_tagger.domain.command import Command
from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from services.feedback_tagger.store.taxonomy import ShownProposal
from shared.errors import BadInput, TransientError
from shared.idempotency.memory import MemoryIdempotency
from shared.idempotency.standing import StandingClaim
from shared.model.bedrock import BedrockModel
from shared.model.embeddings import Embedding
from shared.model.prices import PRICES
from shared.model.titan import TITAN_V2, TitanEmbedder
from tests.support.bedrock_clients import NOVA, opened
from tests.support.databases import Sql
from tests.support.themes import SMELL, STRAP, other_texts, texts_about


class Kill(BaseException):
    """The process is gone: nothing may catch this."""


@dataclass
class Moments:
    """Counts the moments around every effect outside the process, and kills at the ``at``-th (0: never)."""

    at: int = 0
    passed: int = 0

    def moment(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Kill


class Watched:
    """``thing`` with a moment before and after every call that writes."""

    def __init__(self, thing: Any, moments: Moments, writes: Sequence[str]) -> None:
        self._thing, self._moments, self._writes = thing, moments, writes

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Awaitable[Any]] = getattr(self._thing, name)
        if name not in self._writes:
            return method

        async def watched(*arguments: Any, **named: Any) -> Any:
            self._moments.moment()
            result = await method(*arguments, **named)
            self._moments.moment()
            return result

        return watched


WRITES = (
    "note_rows", "begin_pass", "note_quote", "keep_vectors", "place", "keep_name", "keep_parts", "relabel_some", "put",
    "embed",
)  # fmt: skip


@dataclass
class Desk:
    """Discovery on a real database, with vectors and names over HTTP."""

    store: Store
    sql: Sql
    client: Any
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    embedded: list[str] = field(default_factory=list)
    orders: int = 0

    async def embed(self, text: str) -> Embedding:
        self.embedded.append(text)
        return await TitanEmbedder(self.client, dimensions=256).embed(text)

    def discovery(self, moments: Moments | None = None, **changes: Any) -> Discovery:
        moments = moments or Moments()
        found: dict[str, Any] = {
            "claim": StandingClaim(claims=MemoryIdempotency(), key="discovery", owner="me", ttl_seconds=60),
            "store": Watched(self.store.discovery, moments, WRITES),
            "taxonomy": Watched(self.store.taxonomy, moments, WRITES),
            "bucket": Watched(self.bucket, moments, WRITES),
            "embedder": Watched(self, moments, WRITES),
            "embedding_model_id": TITAN_V2,
            "embedding_id": f"{TITAN_V2}/256",
            "price_of": PRICES.of,
            "naming": Naming(
                model=BedrockModel(self.client), model_id=NOVA, price_of=PRICES.of, token_hex=lambda size: "ab" * size
            ),
            "rules": RULES,
            "texts": 5000,
            "accept_rows": None,
            "every_seconds": 60.0,
            "now": lambda: 0.0,
            "beat": lambda: None,
            **changes,
        }
        return Discovery(**found)

    async def look(self, moments: Moments | None = None, **changes: Any) -> None:
        await self.discovery(moments, **changes).turn()

    async def add_rows(self, texts: Sequence[str], label: str = "unknown", **columns: str) -> None:
        names = ["feedback", "label_llm", *columns]
        values = [", ".join(f"'{value.replace(chr(39), chr(39) * 2)}'" for value in (text, label, *columns.values()))
                  for text in texts]  # fmt: skip
        await self.sql.run(
            f"insert into customer_feedback ({', '.join(names)}) values {', '.join(f'({each})' for each in values)}"
        )

    async def proposals(self) -> list[ShownProposal]:
        return await self.store.taxonomy.proposals(examples=5)

    async def texts_of(self, proposal_id: int) -> set[str]:
        rows = await self.sql.rows(
            "select found.feedback from customer_feedback found join feedback_unknown_row seen"
            " on seen.row_id = found.id join feedback_membership member on member.text_digest = seen.text_digest"
            f" where member.proposal_id = {proposal_id}"
        )
        return {str(text) for (text,) in rows}

    async def order(self, work: Any, *, command_id: str = "", **fields: Any) -> Mapping[str, Any]:
        self.orders += 1
        command = Command(
            command_id=command_id or f"command-{self.orders}",
            kind="k",
            said_by="an analyst",
            principal="AWS:x",
            fields=fields,
        )

        async def carry_out(changing: Any) -> Mapping[str, Any]:
            return dict(await work(changing, command))

        return await self.store.taxonomy.change(command, carry_out)

    async def labels(self) -> dict[str, str]:
        return {
            str(text): str(label) for text, label in await self.sql.rows("select feedback, label from feedback_latest")
        }

    async def memberships(self) -> dict[str, int]:
        return {str(text): int(number) for text, number in await self.sql.rows(
            "select text_digest, proposal_id from feedback_membership")}  # fmt: skip


@pytest.fixture
async def desk(any_database: str, bedrock: BedrockEndpoint) -> AsyncIterator[Desk]:
    await migrate_store(door_to(any_database))
    async with (
        open_store(door_to(any_database), connections=4) as store,
        opened(bedrock, "bedrock-runtime") as client,
    ):
        yield Desk(store, Sql(any_database), client)


THEME = texts_about(STRAP, 20)


async def with_a_planted_theme(desk: Desk) -> None:
    """Twenty rows about straps among four hundred, in whose midst the other unknown ones are."""
    others = [text for text in other_texts() if "strap" not in text.lower()]
    await desk.add_rows([*others[:40], *THEME[:10], *others[40:80], *THEME[10:]])
    await desk.add_rows([*others[80:], *(f"{text} Again." for text in others[:60])], label="Payment")


async def test_a_planted_theme_comes_back_as_one_proposal_with_little_else(desk: Desk) -> None:
    await with_a_planted_theme(desk)
    await desk.look()

    found = [(each, await desk.texts_of(each.proposal.proposal_id)) for each in await desk.proposals()]
    (best,) = [(each, texts) for each, texts in found if len(texts & set(THEME)) > 1]
    shown, texts = best
    assert len(texts & set(THEME)) >= 0.8 * len(THEME)
    assert len(texts - set(THEME)) <= 0.1 * len(texts)
    assert "strap" in shown.proposal.name.lower()
    assert (shown.rows, shown.texts, shown.proposal.extends) == (len(texts), len(texts), "")
    assert len(shown.examples) == 5


async def test_a_second_look_embeds_nothing_and_changes_nothing(desk: Desk) -> None:
    await with_a_planted_theme(desk)
    await desk.look()
    before, embedded = await desk.memberships(), len(desk.embedded)
    await desk.look()
    await desk.add_rows(THEME)  # the same texts, as rows of another file
    await desk.look()

    assert await desk.memberships() == before
    assert len(desk.embedded) == embedded == len(set(desk.embedded))
    (shown,) = await desk.proposals()
    assert (shown.texts, shown.rows) == (20, 40)


async def test_the_order_in_which_rows_arrive_changes_no_proposal(desk: Desk) -> None:
    texts = [*THEME, *texts_about(SMELL, 25), *other_texts()[:60]]
    await desk.add_rows(texts)
    await desk.look()
    one = {frozenset(await desk.texts_of(each.proposal.proposal_id)) for each in await desk.proposals()}
    for table in (
        "feedback_membership",
        "feedback_proposal",
        "feedback_unknown_row",
        "feedback_text",
        "feedback_embedding",
    ):
        await desk.sql.run(f"delete from {table}")
    await desk.sql.run("delete from customer_feedback")
    await desk.add_rows(texts[::-1])
    await desk.look()

    other = {frozenset(await desk.texts_of(each.proposal.proposal_id)) for each in await desk.proposals()}
    assert one == other
    assert len(one) >= 2


async def test_what_comes_later_joins_a_known_proposal_and_moves_nobody(desk: Desk) -> None:
    more = texts_about(STRAP, 60, seed=9)
    later = [text for text in more if text not in THEME]
    await desk.add_rows(THEME)
    await desk.look()
    before = await desk.memberships()
    await desk.add_rows(later)
    await desk.look()

    after = await desk.memberships()
    assert {text: after[text] for text in before} == before
    assert len(after) >= len(before) + 0.8 * len(later)
    assert len(await desk.proposals()) == 1


async def test_left_over_texts_are_looked_at_again_with_new_ones(desk: Desk) -> None:
    await desk.add_rows(THEME[:8])
    await desk.look()
    assert await desk.proposals() == []
    await desk.add_rows(THEME[8:])
    await desk.look()

    (shown,) = await desk.proposals()
    assert shown.texts >= 16


async def test_acceptance_changes_exactly_the_rows_of_the_proposal_and_none_that_a_person_has_labelled(
    desk: Desk,
) -> None:
    await with_a_planted_theme(desk)
    await desk.add_rows(["The strap broke within ten days, says a person"], label_correction="Hardware failures")
    await desk.look()
    (shown,) = await desk.proposals()
    members = await desk.texts_of(shown.proposal.proposal_id)
    before = await desk.labels()
    answer = await desk.order(accept, proposal=shown.proposal.proposal_id, name="Straps")
    await desk.look()

    after = await desk.labels()
    assert (answer["category"], answer["new"], answer["texts"]) == ("Straps", True, len(members))
    assert {text for text in after if after[text] != before[text]} == members
    assert {after[text] for text in members} == {"Straps"}
    assert await desk.sql.value("select sum(rows_changed) from feedback_relabel") == len(members)
    assert "Straps" in (await desk.store.rows.taxonomy()).names
    assert await desk.proposals() == []


async def test_a_text_that_was_accepted_and_comes_again_gets_the_category_too(desk: Desk) -> None:
    await desk.add_rows(THEME)
    await desk.look()
    (shown,) = await desk.proposals()
    await desk.order(accept, proposal=shown.proposal.proposal_id, name="Straps")
    await desk.look()
    await desk.add_rows(THEME[:3], ref_id="again")
    await desk.look()

    again = await desk.sql.rows("select label from feedback_latest where ref_id = 'again'")
    assert again == [("Straps",)]  # one row a reference id: the latest
    assert (
        await desk.sql.value("select count(*) from customer_feedback where label_post_processing = 'Straps'")
        == len(THEME) + 3
    )


async def test_a_rejected_subject_is_not_proposed_again(desk: Desk) -> None:
    await desk.add_rows(THEME)
    await desk.look()
    (shown,) = await desk.proposals()
    await desk.order(reject, proposal=shown.proposal.proposal_id, reason="belongs to hardware")
    await desk.add_rows([text for text in texts_about(STRAP, 60, seed=5) if text not in THEME])
    await desk.look()

    assert await desk.proposals() == []
    rejected = [event for event in await desk.store.taxonomy.history(latest=9) if event["kind"] == "rejected"]
    assert [event["reason"] for event in rejected] == ["belongs to hardware"]
    with pytest.raises(BadInput, match="rejected"):
        await desk.order(accept, proposal=shown.proposal.proposal_id)


async def test_two_proposals_that_are_merged_are_one_and_the_event_says_so(desk: Desk) -> None:
    await desk.add_rows([*THEME, *texts_about(SMELL, 20)])
    await desk.look()
    one, other = await desk.proposals()
    await desk.order(
        merge_proposals, proposal=one.proposal.proposal_id, into_proposal=other.proposal.proposal_id, reason="one cause"
    )

    (left,) = await desk.proposals()
    assert left.texts == one.texts + other.texts
    merged = [event for event in await desk.store.taxonomy.history(latest=9) if event["kind"] == "merged"]
    assert [event["reason"] for event in merged] == ["one cause"]


SMELLS = texts_about(SMELL, 25)
split_by_the_rules = partial(split, parts_of=partial(parts_of, rules=RULES))


async def with_two_that_were_merged(desk: Desk) -> ShownProposal:
    """A proposal about two subjects: broken straps and a bad smell."""
    await desk.add_rows([*THEME, *SMELLS])
    await desk.look()
    one, other = (each.proposal.proposal_id for each in await desk.proposals())
    await desk.order(merge_proposals, proposal=one, into_proposal=other, reason="haste")
    await desk.look(accept_rows=10)  # of two subjects none is accepted without a person
    (shown,) = await desk.proposals()
    return shown


async def test_a_proposal_says_that_it_holds_two_subjects_and_is_split_into_them(desk: Desk) -> None:
    shown = await with_two_that_were_merged(desk)
    number = shown.proposal.proposal_id
    answer = await desk.order(split_by_the_rules, proposal=number, reason="two causes")
    await desk.look()
    smell, strap = await desk.proposals()

    assert list(shown.proposal.parts) == [25, 20]
    assert [smell.proposal.proposal_id, strap.proposal.proposal_id] == list(answer["parts"])
    assert await desk.texts_of(strap.proposal.proposal_id) == set(THEME)
    assert await desk.texts_of(smell.proposal.proposal_id) == set(SMELLS)
    assert {smell.proposal.part_of, strap.proposal.part_of} == {number}
    assert [list(each.proposal.parts) for each in (smell, strap)] == [[], []]
    assert "strap" in strap.proposal.name.lower()
    assert "smell" in smell.proposal.name.lower()
    history = await desk.store.taxonomy.history(latest=20)
    assert [each["reason"] for each in history if each["kind"] == "split"] == ["two causes"]
    assert f"20 texts of proposal {number}" in [each["reason"] for each in history if each["kind"] == "proposed"]
    with pytest.raises(BadInput, match="split already"):
        await desk.order(accept, proposal=number)


async def test_what_comes_after_a_split_joins_the_parts_and_never_the_whole(desk: Desk) -> None:
    shown = await with_two_that_were_merged(desk)
    more = [text for text in texts_about(STRAP, 60, seed=9) if text not in THEME]

    class Splitting:
        """Splits the proposal at the last moment before the pass ends."""

        def __getattr__(self, name: str) -> Any:
            return getattr(desk.store.discovery, name)

        async def place(self, *arguments: Any) -> bool:
            await desk.order(split_by_the_rules, proposal=shown.proposal.proposal_id)
            return await desk.store.discovery.place(*arguments)

    before = await desk.memberships()
    await desk.add_rows(more)
    await desk.look(store=Splitting())
    assert (await desk.memberships()).keys() == before.keys()
    await desk.look()

    after = await desk.memberships()
    assert shown.proposal.proposal_id not in after.values()
    (strap,) = [each for each in await desk.proposals() if "strap" in each.proposal.name.lower()]
    assert strap.texts >= len(THEME) + 0.8 * len(more)


async def test_a_split_is_done_once_or_not_at_all_and_one_subject_is_not_split(desk: Desk) -> None:
    shown = await with_two_that_were_merged(desk)
    number, before = shown.proposal.proposal_id, await desk.memberships()

    async def killed(changing: Any, command: Command) -> Mapping[str, Any]:
        await split_by_the_rules(changing, command)
        raise Kill

    with pytest.raises(Kill):
        await desk.order(killed, command_id="the split", proposal=number)
    assert await desk.memberships() == before
    assert [each.proposal for each in await desk.proposals()] == [shown.proposal]

    kinds = {kind.name: kind for kind in category_kinds(desk.store.taxonomy, partial(parts_of, rules=RULES))}
    command = Command(
        command_id="the split", kind="k", said_by="an analyst", principal="x", fields={"proposal": number}
    )
    answer = await kinds["categories.split"].carry_out(command)
    after = await desk.memberships()
    again = await desk.order(split_by_the_rules, command_id="the split", proposal=number)
    assert (again, await desk.memberships()) == (answer, after)
    assert before.keys() == after.keys()
    assert set(after.values()) == set(answer["parts"])
    for part in answer["parts"]:
        with pytest.raises(BadInput, match="one subject"):
            await desk.order(split_by_the_rules, proposal=part)


async def test_a_proposal_like_a_category_is_shown_as_part_of_it_and_accepted_into_it(desk: Desk) -> None:
    await desk.sql.run("insert into customer_feedback_category (category_name) values ('Watch straps that break')")
    await desk.add_rows(texts_about(STRAP, 40, seed=3)[:10], label="Watch straps that break")
    await desk.add_rows(THEME)
    await desk.look()
    (shown,) = await desk.proposals()
    answer = await desk.order(accept, proposal=shown.proposal.proposal_id)

    assert shown.proposal.extends == "Watch straps that break"
    assert (answer["category"], answer["new"]) == ("Watch straps that break", False)


async def test_rows_of_a_run_that_is_still_open_wait_for_its_end(desk: Desk) -> None:
    await desk.sql.run(
        "insert into feedback_run (run_id, bucket, object_key, task, rows_per_chunk"
        + (", cuts, date_order, problem, quote) values ('r', 'b', 'k', 'categorise', 20, '[]', '', '', '')"
           if desk.sql.engine == "mysql" else ") values ('r', 'b', 'k', 'categorise', 20)")
    )  # fmt: skip
    await desk.add_rows(THEME, run_id="r")
    await desk.look()
    assert desk.embedded == []
    await desk.sql.run("update feedback_run set status = 'complete'")
    await desk.look()

    assert len(await desk.proposals()) == 1


async def test_what_it_cost_is_kept_beside_what_was_quoted(desk: Desk) -> None:
    await desk.add_rows(THEME)
    await desk.look()

    summary = await desk.store.discovery.summary()
    assert summary["embedded"] >= len(THEME)
    assert summary["calls"] == len(desk.embedded) + 1  # and one name
    assert summary["usd"] > 0
    assert summary["latest_pass"]["quoted_usd"] > 0


async def test_no_proposal_is_accepted_by_itself_unless_that_is_set(desk: Desk) -> None:
    await desk.add_rows(THEME)
    await desk.look()
    assert len(await desk.proposals()) == 1
    await desk.look(accept_rows=15)

    assert await desk.proposals() == []
    assert await desk.sql.value("select count(*) from customer_feedback where label_post_processing is not null") >= 16
    (event,) = [each for each in await desk.store.taxonomy.history(latest=9) if each["kind"] == "accepted"]
    assert event["said_by"] == "automatic"


async def test_an_embedding_model_that_is_away_loses_nothing_that_was_paid_for(desk: Desk) -> None:
    class AwayAfter:
        def __init__(self, calls: int) -> None:
            self.left = calls

        async def embed(self, text: str) -> Embedding:
            self.left -= 1
            if self.left < 0:
                raise TransientError("away")
            return await desk.embed(text)

    await desk.add_rows(THEME)
    with pytest.raises(TransientError):
        await desk.look(embedder=AwayAfter(5))
    await desk.look()

    assert len(desk.embedded) == len(set(desk.embedded))
    assert len(await desk.proposals()) == 1


async def test_two_tasks_that_both_believe_the_claim_theirs_leave_what_one_would(desk: Desk) -> None:
    await desk.add_rows([*THEME, *texts_about(SMELL, 20)])
    await asyncio.gather(desk.look(), desk.look(), return_exceptions=True)
    await desk.look()

    assert sorted(each.texts for each in await desk.proposals()) == [20, 20]
    assert len(await desk.memberships()) == 40
    assert (await desk.store.discovery.summary())["passes"] == 1


async def test_a_text_does_not_join_a_proposal_that_is_accepted_while_its_place_is_worked_out(desk: Desk) -> None:
    await desk.add_rows(THEME)
    await desk.look()
    (shown,) = await desk.proposals()

    class Deciding:
        """Accepts the proposal at the last moment before the pass ends."""

        def __getattr__(self, name: str) -> Any:
            return getattr(desk.store.discovery, name)

        async def place(self, *arguments: Any) -> bool:
            await desk.order(accept, proposal=shown.proposal.proposal_id, name="Straps")
            return await desk.store.discovery.place(*arguments)

    await desk.add_rows([text for text in texts_about(STRAP, 60, seed=5) if text not in THEME])
    await desk.look(store=Deciding())
    assert len(await desk.memberships()) == len(THEME)
    await desk.look()

    assert await desk.sql.value("select count(*) from customer_feedback where label_post_processing = 'Straps'") == len(
        THEME
    )
    (other,) = await desk.proposals()
    assert other.texts >= 20


async def test_a_kill_between_any_two_effects_leaves_what_a_quiet_run_leaves(desk: Desk) -> None:
    """Each moment before and after a write is struck once, each time on rows of its own subject's database state.

    How: a quiet run counts the moments; then the same rows, the tables emptied in between, are worked on with a kill at
    each of them in turn and a second task that goes on. The end must be the same: members, labels, and one version.
    """
    texts = [*THEME[:5], other_texts()[0]]

    async def run(at: int) -> tuple[Any, ...]:
        for table in (
            "feedback_membership", "feedback_proposal", "feedback_unknown_row", "feedback_text", "feedback_relabel",
            "feedback_embedding", "feedback_discovery_pass", "feedback_taxonomy_event", "feedback_command",
            "customer_feedback",
        ):  # fmt: skip
            await desk.sql.run(f"delete from {table}")
        await desk.sql.run("delete from customer_feedback_category where category_name = 'Straps'")
        await desk.sql.run("update feedback_taxonomy_head set version = 1, pass_no = 0")
        await desk.add_rows(texts)
        killed = []
        for _ in range(2):
            killed.append(await until_done(Moments(at=at)))
            for shown in await desk.proposals():
                await desk.order(accept, proposal=shown.proposal.proposal_id, name="Straps")
        assert any(killed) == bool(at)
        groups: dict[int, set[str]] = {}
        for text, number in (await desk.memberships()).items():
            groups.setdefault(number, set()).add(text)
        changed = await desk.sql.value("select sum(rows_changed) from feedback_relabel")
        return (
            sorted(map(sorted, groups.values())), await desk.labels(), changed, await desk.store.taxonomy.version(),
            (await desk.store.discovery.summary())["passes"],
        )  # fmt: skip

    async def until_done(moments: Moments) -> bool:
        try:
            await desk.look(moments, rules=few)
        except Kill:
            await desk.look(rules=few)
            return True
        counted.append(moments.passed)
        return False

    few = Rules(distance=0.8, least=4)
    counted: list[int] = []
    quiet = await run(0)
    assert "Straps" in quiet[1].values()
    # A run takes seconds where every write waits for the disk: one engine is struck at every moment, the other at some.
    for at in range(1, max(counted) + 1, 1 if desk.sql.engine == "postgres" else 4):
        assert await run(at) == quiet, f"killed at moment {at}"
