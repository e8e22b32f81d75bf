"""Mistakes in services, roles, pipeline, dashboards and alarms."""

from tests.infra.mutants import Mutant

SERVICES: tuple[Mutant, ...] = ()
