"""Which photographs show one physical part: said by a person, or found in the photographs."""

from pipeline.grouping.proposal import Evidence, Link, Proposal, Question
from pipeline.grouping.remembered import proposed_groups
from pipeline.grouping.rules import GroupRule

__all__ = ["Evidence", "GroupRule", "Link", "Proposal", "Question", "proposed_groups"]
