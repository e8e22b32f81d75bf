"""Judging the ticket agent: ground truth, trajectory matches, an oracle over table differences, and the report.

Nothing here runs in the service; ``deskhand eval`` composes it.
"""
