"""What the commands of this package say of what they did."""

from __future__ import annotations

from pipeline.export.export import CHECK, Export


def exported(done: Export) -> str:
    """Say what an export is and what its proof found."""
    card, proof = done.card, done.proof
    file = done.folder / card["file"]
    lines = [f"{file}: {card['target']}, {card['precision']}, {done.bytes / 1e6:,.1f} MB"]
    kind = "training" if proof.refitted else "held-out"
    held = f"{proof.held_out} {kind} photographs of {proof.parts} parts"
    if not proof.held_out:
        held = f"no {kind} photographs: their files are not where they were (--data FOLDER)"
    of_held_out = f" ({proof.held_out_difference:.1g} of {kind} ones)" if proof.held_out else ""
    lines.append(
        f"proof    {proof.drawn} drawn photographs, {held}: a probability differs by at most "
        f"{proof.difference:.1g}{of_held_out}; {_differ(proof.verdicts, 'verdict')}, "
        f"{_differ(proof.part_verdicts, 'verdict')} about parts"
    )
    if card["accepted_difference"] is not None:
        lines.append(
            f"accepted {card['accepted_difference']:g} as the largest difference of a probability"
        )
    if proof.scores is not None:
        lines.append(
            f"AUC      by part {proof.scores[0]:.4f} of the model, "
            f"{proof.scores[1]:.4f} of the file"
        )
    if proof.refused:
        path, why = next(iter(proof.refused.items()))
        lines.append(
            f"note     {CHECK} does not read what the model reads in {len(proof.refused)} of the "
            f"photographs, such as {path}: {why}"
        )
    lines.append(f"there    python {done.folder / CHECK}   (exits with 0 if it is the same there)")
    return "\n".join(lines)


def _differ(count: int, what: str) -> str:
    if count == 0:
        return f"no {what} differs"
    return f"{count} {what}{' differs' if count == 1 else 's differ'}"
