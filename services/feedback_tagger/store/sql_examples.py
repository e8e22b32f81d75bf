"""Prompt examples on either engine: sets of rows, each kept once, and which set a run has."""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from services.feedback_tagger.domain.feedback import Feedback
from services.feedback_tagger.store.examples import Corrected, ExampleSet, Tenant
from services.feedback_tagger.store.statements import Database, Statements, first, in_transaction, places
from shared.backoff import Uniform

_SAID = "coalesce(nullif(label_post_processing, ''), nullif(label_llm, ''), 'unknown')"
_CORRECTED = (
    "select id, row_identity, product_name, store, title, feedback, label_correction,"  # noqa: S608
    f" {_SAID} as said from customer_feedback where label_correction = %s"
)


class SqlExamples:
    """The ExampleStore port."""

    def __init__(self, database: Database, *, uniform: Uniform = random.uniform) -> None:
        self._database = database
        self._uniform = uniform

    async def corrected(self, labels: Sequence[str], *, tenant: Tenant | None, each: int) -> list[Corrected]:
        async def read(statements: Statements) -> list[Corrected]:
            found: list[Corrected] = []
            # A statement a label: each is read off the index from its end.
            for label in labels:
                condition = "" if tenant is None else f" and {tenant.column} = %s"
                values = [label, *(() if tenant is None else (tenant.value,)), each]
                rows = await statements.fetch(f"{_CORRECTED}{condition} order by id desc limit %s", values)
                # One engine compares without case: a tenant of nearly the same name is another one.
                found += [_corrected(row) for row in rows if tenant is None or row[tenant.column] == tenant.value]
            return found

        return await in_transaction(self._database, read, self._uniform)

    async def of_run(self, run_id: str, tenant: str) -> ExampleSet | None:
        return await in_transaction(self._database, lambda statements: _of_run(statements, run_id, tenant))

    async def bind(self, run_id: str, tenant: str, rows: Sequence[tuple[int, str]]) -> ExampleSet:
        content = json.dumps([list(row) for row in rows], ensure_ascii=False)
        digest = hashlib.sha256(content.encode()).hexdigest()

        async def once(statements: Statements) -> ExampleSet:
            await statements.insert_missing(
                "feedback_example_set", [{"digest": digest, "content": content}], key="digest"
            )
            kept = await first(statements, "select version from feedback_example_set where digest = %s", [digest])
            assert kept is not None  # It is there, or was before; none is ever deleted.
            bound = {"run_id": run_id, "tenant": tenant, "version": kept["version"]}
            await statements.insert_missing("feedback_run_example", [bound], key="run_id")
            found = await _of_run(statements, run_id, tenant)
            assert found is not None
            return found

        return await in_transaction(self._database, once, self._uniform)

    async def feedback(self, row_ids: Sequence[int]) -> Mapping[int, Feedback]:
        if not row_ids:
            return {}

        async def read(statements: Statements) -> Mapping[int, Feedback]:
            rows = await statements.fetch(
                # Placeholders alone are put in.
                f"select id, title, feedback from customer_feedback where id in ({places(row_ids)})",  # noqa: S608
                row_ids,
            )
            return {row["id"]: Feedback(title=row["title"], feedback=row["feedback"]) for row in rows}

        return await in_transaction(self._database, read, self._uniform)


async def _of_run(statements: Statements, run_id: str, tenant: str) -> ExampleSet | None:
    row = await first(
        statements,
        "select kept.version, kept.content from feedback_run_example bound"
        " join feedback_example_set kept on kept.version = bound.version where bound.run_id = %s and bound.tenant = %s",
        [run_id, tenant],
    )
    if row is None:
        return None
    return ExampleSet(row["version"], [(row_id, label) for row_id, label in json.loads(row["content"])])


def _corrected(row: Mapping[str, Any]) -> Corrected:
    return Corrected(
        row["id"],
        row["row_identity"] or "",
        row["said"],
        row["label_correction"],
        Feedback(title=row["title"], feedback=row["feedback"]),
    )
