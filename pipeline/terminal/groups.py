"""Write what commands say of groups. Nothing here computes; nothing here prints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.groups.contact_sheets import Agreement, ShownGroups
from pipeline.groups.proposal import Proposal, Question, say_parts
from pipeline.groups.timeline import round_gap
from pipeline.model.evaluate import Evaluation
from pipeline.output.tables import align, printable
from pipeline.training.optimism import Optimism

_LARGEST = 10  # groups that are listed
_ASKED = 10  # questions that are listed


def proposed(proposal: Proposal | None, more: str = "look at them with: groups") -> list[str]:
    """Say where groups are proposed, and what to know of it; `more` is what a person can do."""
    if proposal is None:
        return []
    found = proposal.describe()
    line = "groups: nobody said which photographs show one part, so they are proposed: "
    line += f"{found}{'' if found.endswith('?') else ';'} {more}"
    return [line, *(f"note: {printable(note)}" for note in proposal.notes)]


def of_folder(proposal: Proposal | None) -> list[str]:
    """Write the lines of commands that work without a cache; none where groups are given."""
    more = "if you know better, say it with --groups, --group-regex or --group-gap"
    return proposed(proposal, more)


def of_rule(found: Evaluation) -> list[str]:
    """Say before any score that the parts of a holdout are only proposed, where they are."""
    if found.group_rule.kind != "proposed":
        return []
    parts = say_parts(len(np.unique(found.predicted.groups)), found.group_rule)
    return [f"groups: nobody said which photographs show one part, so it is only proposed: {parts}"]


def alike(known: int) -> list[str]:
    """Warn where photographs that are scored look like those trained on."""
    if not known:
        return []
    many = f"{known:,} photograph{' looks' if known == 1 else 's look'}"
    return [
        f"{many} so much like what the model was trained on that they probably show the same "
        "parts: the scores are flattered; score it on parts that it never saw"
    ]


def groups(shown: ShownGroups) -> str:
    """Write everything that `groups` found, and what to do with it."""
    proposal = shown.proposal
    parts = [_summary(proposal), _evidence(proposal)]
    parts += [_cuts(proposal)] if proposal.cuts else []
    if proposal.shared:
        parts.append(_largest(proposal))
    parts += [_questions(proposal)] if proposal.questions else []
    parts += [_agreement(shown.given)] if shown.given else []
    parts += [f"note: {note}" for note in proposal.notes]
    parts += (
        [f"what would settle it: {printable(proposal.question)}?"]
        if proposal.question and proposal.shared
        else []
    )
    parts.append(_files(shown))
    return "\n\n".join(parts)


def optimism(found: Optimism | None) -> str:
    """Set both kinds of split side by side, and say what it means; "" with nothing to tell."""
    if found is None:
        return ""
    if found.problem:
        return found.sentence()
    return f"{found.table().text()}\n{found.sentence()}"


def _summary(proposal: Proposal) -> str:
    sizes = proposal.sizes
    alone = int((sizes == 1).sum())
    if not proposal.shared:
        return f"{len(proposal.paths):,} photographs: {proposal.describe()}"
    several = sizes[sizes > 1]
    smallest, largest = int(several.min()), int(several.max())
    of_each = f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"
    word = "group" if len(several) == 1 else "groups"
    return (
        f"{len(proposal.paths):,} photographs, {say_parts(len(sizes), proposal.rule)}: "
        f"{int(several.sum()):,} photographs in {len(several):,} {word} of {of_each}, "
        f"{alone:,} on {'its' if alone == 1 else 'their'} own"
    )


def _evidence(proposal: Proposal) -> str:
    reasons = (f"  {printable(reason)}" for reason in proposal.reasons())
    return "\n".join([proposal.table().text(), "why:", *reasons])


def _cuts(proposal: Proposal) -> str:
    """Say how many parts each gap in time would make; to say one: --group-gap."""
    cuts = ", ".join(f"{round_gap(gap):g} s: {parts:,} parts" for gap, parts in proposal.cuts)
    return f"cut at another gap (extract DATA --group-gap 10s): {cuts}"


def _largest(proposal: Proposal) -> str:
    tied = proposal.tied_by()
    names = proposal.names()
    rows = [["largest groups", "photographs", "tied by", "such as"]]
    for group in range(min(_LARGEST, proposal.shared)):
        members = np.flatnonzero(proposal.groups == group)
        examples = [printable(proposal.paths[i]) for i in (members[0], members[-1])]
        rows.append(
            [names[members[0]], f"{len(members):,}", tied.get(group, ""), " and ".join(examples)]
        )
    return align(rows, right=False)


def _questions(proposal: Proposal) -> str:
    lines = [
        "pairs to look at, and how many photographs of other parts would be as alike by chance "
        "(the fewer, the likelier one part):"
    ]
    for question in _mixed(proposal.questions)[:_ASKED]:
        a, b = (printable(proposal.paths[i]) for i in (question.a, question.b))
        state = "one group now" if question.together else "two groups now"
        lines.append(f"  {question.doubt:.2g}  {state}  {a}  {b}")
    if len(proposal.questions) > _ASKED:
        lines.append(f"  … and {len(proposal.questions) - _ASKED:,} more on the sheet")
    return "\n".join(lines)


def _mixed(questions: Sequence[Question]) -> list[Question]:
    """Mix those apart and those together in turns, as far as both last."""
    apart = [question for question in questions if not question.together]
    together = [question for question in questions if question.together]
    paired = [q for pair in zip(apart, together, strict=False) for q in pair]
    count = min(len(apart), len(together))
    return [*paired, *apart[count:], *together[count:]]


def _agreement(given: Agreement) -> str:
    lines = [
        f"beside the groups that were given ({given.source}):",
        f"  {given.together:,} of {given.given_pairs:,} pairs of one given group "
        f"({100 * given.found_share:.1f} %) are in one proposed group",
        f"  {given.merged:,} of {given.apart_pairs:,} pairs of two given groups "
        f"({100 * given.merged_share:.2f} %) are in one proposed group",
    ]
    if given.conflicts:
        lines.append(
            "  given groups that the proposal puts together; if they are one part, scores by part "
            "are flattered too:"
        )
        lines += [
            f"    {', '.join(printable(name) for name in names[:6])}"
            + (f" and {len(names) - 6:,} more" if len(names) > 6 else "")
            for names in given.conflicts[:_LARGEST]
        ]
        if len(given.conflicts) > _LARGEST:
            lines.append(f"    … and {len(given.conflicts) - _LARGEST:,} more such sets")
    return "\n".join(lines)


def _files(shown: ShownGroups) -> str:
    lines = [f"written: {', '.join(str(file) for file in shown.files)}"]
    table = shown.files[0]
    if shown.given is None:
        lines.append(
            "fit and compare-heads use these groups as they are. To change them, edit the table "
            f"and: extract {printable(shown.root) or 'DATA'} --groups {table}"
        )
    return "\n".join(lines)
