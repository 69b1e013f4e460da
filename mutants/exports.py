"""What is promised of models that leave: exports, their check, packed files, the card, MLflow."""

from __future__ import annotations

from mutants.mutant import Mutant

_TESTS = "tests/pipeline/export/"
_PROOF = _TESTS + "test_export.py::"
_CHECK, _PACK = "pipeline/export/check.py", "pipeline/export/pack.py"

EXPORTS = (
    Mutant(
        "Exports: a file that gives other probabilities is not written",
        "pipeline/export/proof.py",
        "if not worst <= accepted:",
        "if not worst <= 1:",
        _PROOF + "test_a_file_that_fails_the_proof_is_not_written",
    ),
    Mutant(
        "Exports: nor is one with other verdicts",
        "pipeline/export/proof.py",
        "if changed and accepted <= TOLERANCE:",
        "if changed and accepted < TOLERANCE:",
        _PROOF + "test_a_verdict_that_differs_fails_the_proof",
    ),
    Mutant(
        "Exports: nor is one that computes no numbers",
        "pipeline/export/proof.py",
        'if not np.isfinite(made["probabilities"]).all():',
        'if np.isinf(made["probabilities"]).any():',
        _PROOF + "test_a_file_that_computes_no_numbers_is_not_written",
    ),
    Mutant(
        "Exports: what was accepted stands in the card",
        "pipeline/export/export.py",
        '"accepted_difference": wish.accept,',
        '"accepted_difference": None,',
        _PROOF + "test_a_file_that_fails_the_proof_is_not_written",
    ),
    Mutant(
        "Exports: held-out photographs that are no longer what they were prove nothing",
        "pipeline/export/proof.py",
        'if _digest(root / entry["path"]) == entry["digest"]',
        'if _digest(root / entry["path"])',
        _PROOF + "test_photographs_are_held_out_and_as_they_were",
    ),
    Mutant(
        "Exports: the proof is not of what the model learned from",
        "pipeline/export/proof.py",
        'entries = [entry for entry in bundle.split() if entry["side"] == side]',
        "entries = [entry for entry in bundle.split() if side]",
        _PROOF + "test_photographs_are_held_out_and_as_they_were",
    ),
    Mutant(
        "Exports: the proof is not of the exported network against itself",
        "pipeline/export/export.py",
        'if wish.engine == "onnx":',
        'if wish.engine == "none":',
        _PROOF + "test_only_an_export_is_replaced",
    ),
    Mutant(
        "Exports: a folder that is no export is not replaced",
        "pipeline/export/export.py",
        "if not ours:",
        "if ours is None:",
        _PROOF + "test_only_an_export_is_replaced",
    ),
    Mutant(
        "Exports: the model itself is not replaced by what is made of it",
        "pipeline/export/export.py",
        "if there.is_relative_to(own) or own.is_relative_to(there):",
        "if there.is_relative_to(own) and there != own:",
        _PROOF + "test_only_an_export_is_replaced",
    ),
    Mutant(
        "Exports: a user's own estimator is refused with what can be exported",
        "pipeline/export/graph.py",
        "if is_users(head.name):",
        "if not head.name:",
        _TESTS + "test_graph.py::test_what_has_no_form_is_refused_with_what_has",
    ),
    Mutant(
        "Exports: trees part rows exactly where the head does",
        "pipeline/export/heads.py",
        "threshold = np.where(threshold > exact, "
        "np.nextafter(threshold, np.float32(-np.inf)), threshold)",
        "threshold = np.nextafter(threshold, np.float32(-np.inf))",
        _TESTS + "test_graph.py::test_trees_part_rows_exactly_at_their_thresholds",
    ),
    Mutant(
        "LiteRT: rows of a cache in float16 are rounded there as here",
        "pipeline/export/litert.py",
        '"Sub": tf.subtract,',
        '"Sub": lambda a, b: tf.cast(tf.cast(a, tf.bfloat16), tf.float32) - b,',
        _TESTS + "test_litert.py::test_rows_in_half_are_rounded_after_the_conversion",
    ),
    Mutant(
        "LiteRT: what would be computed otherwise is refused",
        "pipeline/export/litert.py",
        "raise ValueError",
        "return",
        _TESTS + "test_litert.py::test_a_node_of_another_form_is_refused",
    ),
    Mutant(
        "check.py: a changed file is noticed",
        _CHECK,
        "if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:",
        "if not (folder / name).read_bytes():",
        _PROOF + "test_one_weight_is_noticed",
    ),
    Mutant(
        "check.py: a changed weight is noticed by what it computes",
        _CHECK,
        'if not difference <= card["tolerance"] or (exact and not logs <= LOGS):',
        "if difference > 1:",
        _PROOF + "test_one_weight_is_noticed",
    ),
    Mutant(
        "check.py: limits, classes and rules that somebody changed are noticed",
        _CHECK,
        'moved = [key for key in DECIDES if card[key] != expected["card"][key]]',
        "moved = []",
        _PROOF + "test_another_card_is_noticed",
    ),
    Mutant(
        "check.py: order of channels, filter, rows for columns are noticed",
        _CHECK,
        "if gap.max() > PIXELS_MOST or gap.mean() > PIXELS_MEAN:",
        "if gap.max() > 255:",
        _PROOF + "test_another_preprocessing_is_noticed",
    ),
    Mutant(
        "check.py: reads photographs bit for bit as the program does",
        _CHECK,
        "image.draft(None, (2 * target[0], 2 * target[1]))",
        "image.draft(None, (target[0], target[1]))",
        _TESTS + "test_check.py::test_pixels_are_those_of_the_program",
    ),
    Mutant(
        "check.py: what it would read otherwise is refused",
        _CHECK,
        'if deep or image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"):',
        'if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16"):',
        _TESTS + "test_check.py::test_what_would_be_read_otherwise_is_refused",
    ),
    Mutant(
        "check.py: what is unlike anything goes to a person",
        _CHECK,
        "if strangeness is not None and strangeness > 1:",
        "if strangeness is not None and strangeness > 1e9:",
        _PROOF + "test_verdicts_are_those_of_predict",
    ),
    Mutant(
        "check.py: one line where a file of it is damaged",
        _CHECK,
        "except Exception as error:  # noqa: BLE001 - whatever a runtime makes of a damaged file",
        "except OSError as error:",
        _PROOF + "test_what_is_damaged_or_of_another_export_is_one_line",
    ),
    Mutant(
        "unpack: nothing comes out elsewhere",
        _PACK,
        "if not stays_inside(name) or _NOT_ON_WINDOWS.search(name.lower()):",
        "if not name:",
        _TESTS + "test_pack.py::test_what_is_not_whole_is_refused",
    ),
    Mutant(
        "unpack: a damaged model does not come out",
        _PACK,
        "if hashlib.sha256(members[name]).hexdigest() != digest:",
        "if not members[name]:",
        _TESTS + "test_pack.py::test_what_is_not_whole_is_refused",
    ),
    Mutant(
        "pack: a damaged model is not packed",
        _PACK,
        'check_files(model, dict(facts["files"]))',
        'dict(facts["files"])',
        _TESTS + "test_pack.py::test_a_damaged_model_is_not_packed",
    ),
    Mutant(
        "A model's card: scores stand with their intervals",
        "pipeline/export/model_card.py",
        'low, high = assessment.get("intervals_95", {}).get(name, (None, None))',
        "low, high = None, None",
        _TESTS + "test_pack.py::test_the_card_says_what_the_model_says",
    ),
    Mutant(
        "MLflow: what is logged gives the verdicts of predict",
        "pipeline/export/mlflow_flavour.py",
        '"class": one.verdict,',
        '"class": self.bundle.classes.names[0],',
        _TESTS + "test_mlflow.py::test_what_is_logged_loads_back",
    ),
    Mutant(
        "MLflow: nothing is logged unasked",
        "cli.py",
        "if log_to:",
        "if log_to or out:",
        _TESTS + "test_mlflow.py::test_what_is_logged_loads_back",
    ),
)
