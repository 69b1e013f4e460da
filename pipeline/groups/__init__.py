"""Say which photographs show one physical part: said by a person, or found in the photographs."""

from pipeline.groups.proposal import Evidence, Link, Proposal, Question
from pipeline.groups.proposal_cache import proposed_groups
from pipeline.groups.rules import GroupRule

__all__ = ["Evidence", "GroupRule", "Link", "Proposal", "Question", "proposed_groups"]
