"""The ground truth as questions to a policy: the facts of each case and the course that is right. No model is asked."""

from collections.abc import Iterator

from services.ticket_agent.domain.access import AccessType
from services.ticket_agent.domain.directory import Employee, Environment
from services.ticket_agent.domain.ticket import parse_access_request
from services.ticket_agent.evaluation.cases import EvaluationCase, GroundTruth, rows_before
from services.ticket_agent.evaluation.tables import GRANT, Row, Snapshot
from services.ticket_agent.policy.guard import Facts
from services.ticket_agent.policy.trial import Course, Question

ASKED_AT = 4_102_488_000
"""Some second; what ends before it is over, as a case's grants are given relative to it."""


def questions(truth: GroundTruth) -> Iterator[Question]:
    """One a case, in the cases' order."""
    for case in truth.cases:
        yield Question(
            name=case.case_id, about=case.about, facts=facts_of(case, truth), expected=_expected(case, truth)
        )


def facts_of(case: EvaluationCase, truth: GroundTruth) -> Facts | None:
    """What the guard would read for the case's ticket; None if the requester or the environment is in no table."""
    rows = _rows(case, truth)
    request = parse_access_request(case.ticket_text)
    user = _row(rows["User"], "employeeId", case.employee_id)
    place = _row(rows["Environment"], "environmentId", request.environment_id or "")
    if user is None or place is None or case.before.leaves:
        return None
    return Facts(
        employee=Employee(employee_id=case.employee_id, manager=_somebody(user.get("manager"))),
        environment=Environment(
            environment_id=str(place["environmentId"]), owner=_somebody(place.get("managing_entity"))
        ),
        request=request,
        ticket_open=True,
        held=_held(rows, case.employee_id, str(place["environmentId"])),
    )


def _rows(case: EvaluationCase, truth: GroundTruth) -> Snapshot:
    if case.before.after is None:
        return rows_before(case, truth.seed, at=ASKED_AT)
    earlier = truth.case(case.before.after)
    rows = dict(_rows(earlier, truth))
    asked = earlier.asks
    if earlier.expected.grant and asked.access_type and asked.environment:
        grant: Row = {
            "employeeId": earlier.employee_id,
            "environmentId": f"{asked.environment}{GRANT}{earlier.case_id}",
            "accessType": asked.access_type,
            "expiresAt": ASKED_AT + 1,
        }
        rows["UserAccess"] = (*rows["UserAccess"], grant)
    return rows


def _held(rows: Snapshot, employee_id: str, environment_id: str) -> frozenset[AccessType]:
    held: set[AccessType] = set()
    for row in rows["UserAccess"]:
        place, grant, _ = str(row["environmentId"]).partition(GRANT)
        if (str(row["employeeId"]), place) != (employee_id, environment_id):
            continue
        if grant and int(row.get("expiresAt", 0)) <= ASKED_AT:
            continue
        named = AccessType.named(str(row.get("accessType", "")))
        # A standing row of an unknown type is the least there is; a grant of one is nothing.
        if named is not None or not grant:
            held |= (named or AccessType.READ).covers
    return frozenset(held)


def _expected(case: EvaluationCase, truth: GroundTruth) -> Course:
    outcome = case.expected.outcomes[0]
    if outcome == "auto-resolved":
        return Course.GRANT if case.expected.grant else Course.RESOLVE
    place = _row(_rows(case, truth)["Environment"], "environmentId", case.asks.environment or "")
    owner = place.get("managing_entity") if place else None
    return Course.ASSIGN if outcome == f"assigned to {owner}" else Course.PERSON


def _row(rows: tuple[Row, ...], key: str, value: str) -> Row | None:
    return next((row for row in rows if str(row[key]) == value), None)


def _somebody(name: object) -> str | None:
    return None if name in (None, "", "None") else str(name)
