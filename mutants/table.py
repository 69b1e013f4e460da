"""What is promised, which line keeps the promise, and which test would miss it.

Where code moves, `make mutants` and tests/test_mutants.py say which of these lines are no more
there. After a change here: python -m mutants --docs, into docs/promises.md.
"""

from __future__ import annotations

from mutants.cluster import CLUSTER
from mutants.exports import EXPORTS
from mutants.mutant import Mutant

_CACHE = "tests/features/cache/"
_THRESHOLDS = "tests/pipeline/thresholds/"

DURABILITY = (
    Mutant(
        "A power cut: rows are on the disk before the journal that counts on them",
        "features/cache/journal.py",
        "sync_descriptor(self._file.fileno())\n            journal = self._next_journal(header)",
        "journal = self._next_journal(header)",
        _CACHE + "test_journal.py::test_a_power_cut_leaves_the_old_or_the_new",
    ),
    Mutant(
        "A power cut: the journal is on the disk before it is applied",
        "features/cache/redo_log.py",
        "sync_descriptor(file.fileno())\n    sync_folder(path.parent)",
        "sync_folder(path.parent)",
        _CACHE + "test_journal.py::test_a_power_cut_leaves_the_old_or_the_new",
    ),
    Mutant(
        "A power cut: what a journal made of the file is on the disk before it is removed",
        "features/cache/redo_log.py",
        "file.truncate(journal.size)\n    sync_descriptor(file.fileno())",
        "file.truncate(journal.size)",
        _CACHE + "test_journal.py::test_a_power_cut_leaves_the_old_or_the_new",
    ),
    Mutant(
        "Torture: its power cuts would see rows that are not on the disk before the journal",
        "features/cache/journal.py",
        "sync_descriptor(self._file.fileno())\n            journal = self._next_journal(header)",
        "journal = self._next_journal(header)",
        "tests/test_torture.py::test_a_quick_run_breaks_no_promise[power_cuts]",
    ),
    Mutant(
        "A damaged journal is never applied",
        "features/cache/redo_log.py",
        "if _CHECKSUM.pack(zlib.crc32(memoryview(body)[: -_CHECKSUM.size])) != "
        "body[-_CHECKSUM.size :]:",
        "if not body:",
        _CACHE + "test_journal.py::test_a_journal_with_a_flipped_bit_is_dropped",
    ),
    Mutant(
        "A journal of another file is never applied",
        "features/cache/redo_log.py",
        "if header is None or header.identity != journal.identity:",
        "if header is None:",
        _CACHE + "test_journal.py::test_a_journal_of_the_versions_before_is_of_one_file_too",
    ),
    Mutant(
        "A journal of another state of its file is never applied: what was appended differs",
        "features/cache/redo_log.py",
        "return digest_of(file, journal.start, journal.size) == journal.appended",
        "return True",
        _CACHE + "test_journal.py::test_a_backup_put_back_beside_a_journal_is_not_touched",
    ),
    Mutant(
        "What is no journal is set aside, and neither read nor followed",
        "features/cache/redo_log.py",
        "if not stat.S_ISREG(path.lstat().st_mode):",
        "if not path.lstat().st_mode:",
        _CACHE + "test_journal.py::test_what_is_no_journal_is_never_read_and_set_aside",
    ),
    Mutant(
        "Two writers whose lock failed do not mix their rows",
        "features/cache/journal.py",
        "if Header.unpack(start) != self.header:",
        "if Header.unpack(start) is None:",
        _CACHE + "test_journal.py::test_another_writers_commit_is_noticed",
    ),
    Mutant(
        "A reader never takes rows of a file that replaced its own",
        "features/cache/cache.py",
        "if (file.header and file.header.identity) != identity:",
        "if file.header is None:",
        _CACHE + "test_cache.py::test_a_reader_is_told_when_its_cache_was_replaced",
    ),
    Mutant(
        "A result takes the old one's name, never its bytes",
        "features/files.py",
        "temporary.replace(path)",
        "shutil.copyfile(temporary, path)",
        "tests/features/test_files.py::test_a_reader_of_the_old_file_keeps_it",
    ),
    Mutant(
        "A result keeps the mode of the file that it replaces",
        "features/files.py",
        "_keep_mode(temporary, path, 0o666)\n            sync_file(temporary)",
        "sync_file(temporary)",
        "tests/features/test_files.py::test_a_new_file_has_the_mode_of_any_new_one",
    ),
    Mutant(
        "A result is on the disk before it has its name",
        "features/files.py",
        "sync_file(temporary)\n            temporary.replace(path)",
        "temporary.replace(path)",
        "tests/features/test_files.py::test_a_file_is_on_the_disk_before_it_has_its_name",
    ),
    Mutant(
        "A result that could not be written leaves nothing beside the old one",
        "features/files.py",
        "temporary.unlink(missing_ok=True)",
        "temporary.exists()",
        "tests/features/test_files.py::test_a_file_that_could_not_be_written_is_the_old_one",
    ),
    Mutant(
        "A row that does not match its checksum is an error and never a value",
        "features/cache/hdf5_file.py",
        'if check != entry["row_check"]:',
        'if check == -1 and entry["row_check"]:',
        _CACHE + "test_cache.py::test_damaged_rows_are_found",
    ),
    Mutant(
        "A row of no finite numbers is refused, whatever its checksum",
        "features/cache/schema.py",
        "if finite.all():",
        "if len(finite):",
        "tests/features/cache/test_repair.py::test_a_row_of_no_numbers_is_named_and_dropped[float32]",
    ),
    Mutant(
        "Keys, settings or photographs that no commit wrote are refused",
        "features/cache/cache.py",
        "broken = Seal.unpack(self._file.header.seal).broken(self._seal())",
        "broken: list[str] = []",
        _CACHE + "test_cache.py::test_contents_of_another_commit_are_refused",
    ),
    Mutant(
        "cache gc says first, and drops only when told",
        "features/cache/maintenance.py",
        "if not apply:",
        "if False:",
        _CACHE + "test_maintenance.py::test_gc_says_first_and_drops_only_when_told",
    ),
)

ROWS = (
    Mutant(
        "A cache has one fingerprint; rows of other settings are refused",
        "features/cache/cache.py",
        "if fingerprint_of(dict(fields)) != self.fingerprint:",
        "if not fields:",
        _CACHE + "test_cache.py::test_other_settings_are_refused_with_both_shown",
    ),
    Mutant(
        "A file that was hashed within a tick of its change is read again",
        "features/cache/sample_table.py",
        "and max(stat.st_mtime_ns, stat.st_ctime_ns) + _TICK_NS < table_row.checked_ns",
        "and max(stat.st_mtime_ns, stat.st_ctime_ns) < table_row.checked_ns",
        _CACHE + "test_sample_table.py::"
        "test_a_file_that_was_hashed_within_a_tick_of_its_change_is_read_again",
    ),
    Mutant(
        "A changed file whose times were put back is noticed",
        "features/cache/sample_table.py",
        "== (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)",
        "== (stat.st_size, stat.st_mtime_ns, sample.ctime_ns)",
        "tests/features/cache/test_sample_table.py::test_any_change_is_noticed",
    ),
    Mutant(
        "Weights of a cut-off download are not used",
        "features/backbones/weights.py",
        "return file_digest(path, kind) == self.checksum",
        "return bool(kind)",
        "tests/features/backbones/test_weights.py::test_a_cut_off_download_is_not_used",
    ),
    Mutant(
        "Weights that see nothing are refused after the first batch",
        "features/backbones/drift_probe.py",
        "if _are_equal(pair):",
        "if len(pair) < 2:",
        "tests/features/backbones/test_drift_probe.py::"
        "test_blind_networks_are_refused_after_the_first_batch",
    ),
    Mutant(
        "Weights that see nothing are refused, though the drift probe's own row differs",
        "features/extract.py",
        "self.sight.check(backbone.run, seen, pictures, len(self.riders))",
        "self.sight.check(backbone.run, seen, pictures)",
        "tests/features/backbones/test_drift_probe.py"
        "::test_rows_that_only_tell_the_probe_apart_see_nothing",
    ),
    Mutant(
        "A kept network under another's name is not opened",
        "features/backbones/kept_networks.py",
        "if content[: len(name)].tobytes() != name:",
        "if False:",
        "tests/features/backbones/test_kept_networks.py"
        "::test_a_file_under_another_name_is_not_opened",
    ),
    Mutant(
        "Round parts that lie a little off the middle are not turned copies",
        "pipeline/groups/changed_copies.py",
        "_LIKELY = 0.3  # expected strangers up to which a turned picture is laid on another",
        "_LIKELY = np.inf",
        "tests/pipeline/groups/test_changed_copies.py"
        "::test_round_parts_that_lie_a_little_off_are_no_copies",
    ),
    Mutant(
        "Parts of one design that a fixture puts in one place are no cropped copies",
        "pipeline/groups/changed_copies.py",
        "cut = left < _BETTER * _left_by_wholes(rows, found, ground)",
        "cut = left < np.inf",
        "tests/pipeline/groups/test_changed_copies.py"
        "::test_parts_of_one_design_that_lie_alike_are_no_windows_of_one_another",
    ),
    Mutant(
        "Copies that were cropped and mirrored are found",
        "pipeline/groups/changed_copies.py",
        "found = [_like_windows(small, steps) for steps in (_AS_IT_LIES, _MIRRORED)]",
        "found = [_like_windows(small, steps) for steps in (_AS_IT_LIES,)]",
        "tests/pipeline/groups/test_changed_copies.py"
        "::test_copies_cropped_and_mirrored_are_told_from_parts_of_one_design",
    ),
    Mutant(
        "Turned copies are compared at whole size among up to 20,000 photographs",
        "pipeline/groups/changed_copies.py",
        "side = SIDE if source.count <= MOST_WHOLE else SIDE // 2",
        "side = SIDE // 2",
        "tests/pipeline/groups/test_changed_copies.py"
        "::test_turned_pictures_are_laid_at_whole_size_while_there_are_not_too_many",
    ),
    Mutant(
        "A network that takes more memory than it may is refused before it is built",
        "features/runtime.py",
        "if needed > (memory_room() if told else (_told_memory() or math.inf) * memory_share()):",
        "if needed > (math.inf if told else (_told_memory() or math.inf) * memory_share()):",
        "tests/test_memory.py::test_a_network_that_does_not_fit_is_refused_before_it_is_built",
    ),
    Mutant(
        "Photographs that cannot be compared within the memory limit are refused beforehand",
        "pipeline/groups/propose.py",
        "    if gap is None:\n        _refuse_above_limit(len(first))",
        "    if gap is None:\n        pass",
        "tests/test_memory.py::test_parts_that_cannot_be_found_within_the_limit_are_asked_for",
    ),
    Mutant(
        "A backbone that gives other rows is named",
        "features/backbones/drift_probe.py",
        "if gap <= allowed:",
        "if gap <= 100 * allowed:",
        "tests/features/backbones/test_drift_probe.py::"
        "test_other_rounding_is_accepted_and_other_weights_are_not",
    ),
)

PHOTOGRAPHS = (
    Mutant(
        "Bombs are refused on their headers: pixels",
        "features/photographs/file_header.py",
        "if max(pixels, declared.piece) > max_pixels:",
        "if declared.piece > max_pixels:",
        "tests/features/test_hostile_photographs.py::"
        "test_what_claims_too_much_is_refused_before_it_is_opened[-900,000,000 pixels0]",
    ),
    Mutant(
        "Bombs are refused on their headers: passes over the pixels",
        "features/photographs/file_header.py",
        "if pixels * declared.passes > MAX_PASSES * max_pixels:",
        "if pixels > MAX_PASSES * max_pixels:",
        "tests/features/test_hostile_photographs.py::"
        "test_what_claims_too_much_is_refused_before_it_is_opened[-10,000 passes]",
    ),
    Mutant(
        "Formats that are not on the list never reach a decoder",
        "features/photographs/file_header.py",
        "read = next((read for starts, read in _READERS if data.startswith(starts)), _boxed)",
        "read = next((read for starts, read in _READERS if data.startswith(starts)), _bmp)",
        "tests/features/test_hostile_photographs.py::"
        "test_other_formats_are_refused_before_they_are_parsed",
    ),
    Mutant(
        "A damaged JPEG is no verdict: zeros among its coded pixels",
        "features/photographs/jpeg.py",
        "if any(_has_lost(data, start, end) for start, end in frame.dense):",
        "if frame.width < 0:",
        "tests/features/photographs/test_damage.py::test_eighty_zeros_anywhere_are_seen",
    ),
    Mutant(
        "A damaged JPEG is no verdict: zeros in the scans of a progressive one that refine",
        "features/photographs/jpeg.py",
        "if any(_has_lost(data, start, end) for start, end in frame.refining) and not _repeats(",
        "if frame.width < 0 and not _repeats(",
        "tests/features/photographs/test_damage.py::test_zeros_in_a_progressive_file_are_seen[512]",
    ),
    Mutant(
        "A drawn pattern is no damaged JPEG",
        "features/photographs/jpeg.py",
        "if (same & drawn[:high, :wide].reshape(cells).any(axis=(1, 3))).sum() >= _REPEATS:",
        "if same.sum() < 0:",
        "tests/features/photographs/test_damage.py::test_drawn_patterns_are_no_damage",
    ),
    Mutant(
        "A damaged JPEG is no verdict: what its decoder warns of",
        "features/photographs/jpeg.py",
        "data, mode, min_width=size[0], min_height=size[1], strict=True",
        "data, mode, min_width=size[0], min_height=size[1], strict=False",
        "tests/features/photographs/test_damage.py::"
        "test_a_jpeg_that_its_decoder_warns_of_is_refused",
    ),
    Mutant(
        "A damaged JPEG is no verdict: scans that were lost",
        "features/photographs/jpeg.py",
        "if frame.incomplete:",
        "if frame.width < 0:",
        "tests/features/photographs/test_damage.py::test_scans_that_were_lost_are_missed",
    ),
)

FOLDERS = (
    Mutant(
        "Several products above the classes are refused",
        "pipeline/data/layouts.py",
        "if third and not any(map(is_healthy, level)):",
        "if len(third) > 99:",
        "tests/pipeline/data/test_layouts.py::test_what_cannot_be_read_says_what_to_do",
    ),
    Mutant(
        "Masks are no photographs",
        "pipeline/data/masks.py",
        "if _letters(name) in _SURELY_MASKS:\n        return True\n"
        "    made = _MASKS | _MASKS_BESIDE_IMAGES | _DRAWN",
        "made = _MASKS | _MASKS_BESIDE_IMAGES | _DRAWN",
        "tests/pipeline/data/test_layouts.py::test_mvtec_masks_are_no_photographs",
    ),
    Mutant(
        "Boxes and outlines are refused: YOLO, COCO, Pascal VOC",
        "pipeline/data/layouts.py",
        "if what:",
        "if not root:",
        "tests/pipeline/data/test_layouts.py::test_what_cannot_be_read_says_what_to_do",
    ),
    Mutant(
        "Photographs of a test folder without classes have none",
        "pipeline/data/layouts.py",
        "if place.label and nothing and key not in trained | self.meant:",
        "if not place.label:",
        "tests/pipeline/data/test_layouts.py::test_unlabelled_test_folder_of_keras",
    ),
    Mutant(
        "What has no class is said first where a model is scored, and the exit status says it",
        "pipeline/model/evaluate.py",
        "return not (self.not_scored or self.unreadable)",
        "return not self.unreadable",
        "tests/pipeline/data/test_strangers.py::test_what_has_no_verdict_is_not_scored_and_said_first",
    ),
    Mutant(
        "A good folder below bad is refused",
        "pipeline/data/class_level.py",
        "found = contradictions(paths, depth)\n    if found:",
        "found = contradictions(paths, depth)\n    if not root:",
        "tests/pipeline/data/test_layouts.py::test_a_good_folder_below_bad_is_asked_about",
    ),
    Mutant(
        "What was made of photographs is no second place of a class",
        "pipeline/data/named_classes.py",
        'found.append(("", "") if way.outer in outside | made else way.at(place))',
        'found.append(("", "") if way.outer in outside else way.at(place))',
        "tests/pipeline/data/test_layouts.py"
        "::test_what_was_made_of_photographs_beside_the_classes_is_left_out",
    ),
    Mutant(
        "What waits or was thrown away beside good and bad is no class",
        "pipeline/data/leftovers.py",
        'return ["" if label in left else label for label in labels]',
        "return list(labels)",
        "tests/pipeline/data/test_layouts.py::test_no_verdict_in_any_language",
    ),
    Mutant(
        "Lists that leave photographs out are no given split",
        "pipeline/data/split_lists.py",
        "left = [path for path in named if not split.get(path)]",
        "left = list[str]()",
        "tests/pipeline/data/test_strangers.py"
        "::test_lists_without_classes_are_the_split_of_the_folders_of_classes",
    ),
    Mutant(
        "Gaps of one kind make no parts",
        "pipeline/groups/timeline.py",
        "if min(far.sum(), (~far).sum()) < _FEWEST_RUNS or (depth > _CLEAR and step < _STEP):",
        "if min(far.sum(), (~far).sum()) < _FEWEST_RUNS:",
        "tests/pipeline/groups/test_readings.py::test_gaps_of_one_kind_are_not_cut",
    ),
    Mutant(
        "A gap parts photographs between the two kinds of gaps, nearer to the longer ones",
        "pipeline/groups/timeline.py",
        "return Cut(float(2**surely), float(2 ** np.median(logs[far])))",
        "return Cut(float(2 ** (surely - 9)), float(2 ** np.median(logs[far])))",
        "tests/pipeline/groups/test_readings.py::test_gaps_of_two_kinds_are_cut_between[near-0]",
    ),
    Mutant(
        "Names that look equal are one class",
        "pipeline/output/names.py",
        'composed = unicodedata.normalize("NFC", name.translate(_INVISIBLE))\n'
        '    return unicodedata.normalize("NFC", " ".join(composed.split()).casefold())',
        'return " ".join(name.split()).casefold()',
        "tests/pipeline/data/test_layouts.py::test_names_that_look_equal_are_one_class",
    ),
    Mutant(
        "Two photographs are one part only if both sides say so",
        "pipeline/groups/similarity.py",
        "return np.asarray(np.exp(np.clip(np.maximum(*logs), -700, 700)), dtype=np.float64)",
        "return np.asarray(np.exp(np.clip(np.minimum(*logs), -700, 700)), dtype=np.float64)",
        "tests/pipeline/groups/test_similarity.py::"
        "test_a_pair_counts_as_the_photograph_with_the_more_alike_strangers_sees_it",
    ),
    Mutant(
        "What parts of one design share hides no copies among them",
        "pipeline/groups/along_rings.py",
        "return middle, axes * np.stack([whitening(one) for one in variances])[:, None]",
        "return middle, axes * np.ones(variances.shape)[:, None]",
        "tests/pipeline/groups/test_changed_copies.py::"
        "test_many_copies_of_one_photograph_are_found",
    ),
    Mutant(
        "Of an augmented export all turned copies of a photograph are found, however many",
        "pipeline/groups/changed_copies.py",
        "return _copies(rows, numbers[:, :-BEHIND], np.minimum(share, same), source.count)",
        "return _copies(rows, numbers[:, :-BEHIND], share, source.count)",
        "tests/pipeline/groups/test_changed_copies.py::"
        "test_many_copies_of_one_photograph_are_found",
    ),
    Mutant(
        "Parts that an export turned alike, with the same black corners, stay apart",
        "pipeline/groups/propose.py",
        "kept = ~crowded | np.isin(near.a * count + near.b, of_laid)",
        "kept = np.ones(len(near.a), dtype=np.bool_)",
        "tests/pipeline/groups/test_groups.py::"
        "test_parts_that_were_turned_alike_by_an_export_stay_apart",
    ),
    Mutant(
        "A few photographs that look alike do not join two large groups",
        "pipeline/groups/joining.py",
        "return min(tied) >= max(2, -(-smaller // 2))",
        "return min(tied) >= min(3, max(2, -(-smaller // 2)))",
        "tests/pipeline/groups/test_groups.py::test_a_few_links_do_not_join_two_large_groups",
    ),
    Mutant(
        "No share is bounded with a confidence for parts that are only proposed",
        "pipeline/model/evaluate.py",
        "found.outcome = replace(outcome, told=found.group_rule.known)",
        "found.outcome = outcome",
        "tests/pipeline/model/test_evaluate.py::"
        "test_nothing_is_bounded_for_parts_that_are_only_proposed",
    ),
    Mutant(
        "Photographs that a table of parts leaves out are counted",
        "pipeline/model/part_predictions.py",
        "notes += grouped.say()",
        "notes += []",
        "tests/pipeline/model/test_part_predictions.py::"
        "test_photographs_that_a_table_leaves_out_are_counted",
    ),
)

HONESTY = (
    Mutant(
        "Curves of a report allow for a kind of defect that no part had",
        "pipeline/report/sections/ranking.py",
        "low = np.quantile(_drawn(rows.failing, weights, grid), (1 - LEVEL) / 2, axis=0)",
        "low = np.quantile(_drawn(rows.convincing, weights, grid), (1 - LEVEL) / 2, axis=0)",
        "tests/pipeline/report/test_report_page.py::"
        "test_bands_know_a_kind_of_defect_that_no_part_had",
    ),
    Mutant(
        "A picture of ours is not written among the photographs that it shows",
        "pipeline/output/overwrite.py",
        "if folder.is_dir() and place.is_relative_to(folder.resolve()):",
        "if folder == place:",
        "tests/test_wrong_use.py::test_no_picture_of_ours_becomes_a_photograph",
    ),
    Mutant(
        "Splits keep parts together",
        "pipeline/data/splits.py",
        'units = groups if kind == "grouped" else np.arange(len(y))',
        "units = np.arange(len(y))",
        "tests/pipeline/model/test_model.py::test_fit_holds_out_whole_parts_and_scores_both_sides",
    ),
    Mutant(
        "Settings are chosen on folds that keep parts together",
        "pipeline/heads/tuning.py",
        "return folds(compact, groups, n_folds=n_folds, repeats=1, seed=seed)",
        "return folds(compact, np.arange(len(y)), n_folds=n_folds, repeats=1, seed=seed)",
        "tests/pipeline/heads/test_tuning.py::test_inner_folds_keep_parts_together",
    ),
    Mutant(
        "Early stopping holds out whole parts",
        "pipeline/heads/dense.py",
        "train, validation = holdout(y, groups, test_size=share, seed=self.seed)",
        "train, validation = holdout(y, np.arange(len(y)), test_size=share, seed=self.seed)",
        "tests/pipeline/heads/test_dense.py::test_early_stopping_holds_out_whole_parts",
    ),
    Mutant(
        "evaluate scores nothing that was learned from",
        "pipeline/model/evaluate.py",
        "new = np.flatnonzero(~known & ~failed)",
        "new = np.flatnonzero(~failed)",
        "tests/pipeline/model/test_evaluate.py::"
        "test_parts_that_the_threshold_was_chosen_on_are_not_scored",
    ),
    Mutant(
        "evaluate scores no part that the threshold was chosen on",
        "pipeline/model/bundle.py",
        'return {entry["digest"] for entry in self.split() if entry["side"] != "holdout"}',
        'return {entry["digest"] for entry in self.split() if entry["side"] == "train"}',
        "tests/pipeline/model/test_evaluate.py::"
        "test_parts_that_the_threshold_was_chosen_on_are_not_scored",
    ),
    Mutant(
        "evaluate warns of near copies of what was trained on",
        "pipeline/model/evaluate.py",
        "found.known = int(like.sum())",
        "found.known = 0",
        "tests/pipeline/model/test_model.py::test_near_copies_of_what_was_trained_on_are_told",
    ),
    Mutant(
        "A calibration is taken only if it helps photographs that it was not fitted on",
        "pipeline/thresholds/choose.py",
        "made = Recalibration.fit(unit.p[~inside], y, scale) if len(set(y.tolist())) > 1 else None",
        "made = Recalibration.fit(unit.p, unit.y, scale)",
        _THRESHOLDS + "test_choose.py::test_probabilities_that_are_true_are_seldom_calibrated",
    ),
    Mutant(
        "What calibrated probabilities are worth is told of photographs beside the fit",
        "pipeline/thresholds/choose.py",
        "honest[inside] = _apply(made, honest[inside])",
        "honest[inside] = _apply(Recalibration.fit(unit.p, unit.y, scale), honest[inside])",
        _THRESHOLDS
        + "test_choose.py::test_a_calibration_is_worth_what_it_does_to_other_photographs",
    ),
    Mutant(
        "audit learns what a fact tells from the training side alone",
        "pipeline/audit/permutation_test.py",
        "learned = (positive[:, self.fold.train] @ self.train).reshape(shape).astype(np.float64)",
        "learned = (positive[:, self.fold.test] @ self.test).reshape(shape).astype(np.float64)",
        "tests/pipeline/audit/test_permutation_test.py::"
        "test_a_fact_is_learned_from_the_training_side_alone",
    ),
    Mutant(
        "audit suggests another class only where it is more probable than all others together",
        "pipeline/audit/labels.py",
        "suspect = counted & (suggested != y) & (P[rows, suggested] > 0.5)",
        "suspect = counted & (suggested != y)",
        "tests/pipeline/audit/test_labels.py::"
        "test_a_suggested_class_is_more_probable_than_all_others_together",
    ),
    Mutant(
        "The best of many heads is scored on parts that did not choose it",
        "pipeline/evaluation/nested.py",
        "moved = others - _mean_finite(others.T)[:, None] + point",
        "moved = drawn - _mean_finite(drawn.T)[:, None] + point",
        "tests/pipeline/evaluation/test_nested.py::"
        "test_the_best_of_ten_flatters_and_the_nested_estimate_does_not",
    ),
    Mutant(
        "The ensemble says the mean of its members' log-odds",
        "pipeline/heads/novelty.py",
        "return probabilities(np.mean(logs, axis=0))",
        "return probabilities(np.max(logs, axis=0))",
        "tests/pipeline/heads/test_novelty.py::"
        "test_the_ensemble_says_the_mean_of_its_members_log_odds",
    ),
    Mutant(
        "A linear SVM of many rows, trained without their pairs, is libsvm's",
        "pipeline/heads/hinge.py",
        "yield from _WIDTHS",
        "yield _WIDTHS[0]",
        "tests/pipeline/heads/test_hinge.py::test_a_machine_in_the_primal_is_that_of_libsvm[400-20]",
    ),
    Mutant(
        "A linear SVM with little C tells rows apart",
        "pipeline/heads/hinge.py",
        "while width > max(_SHARPEST, _SHARP * float(self._F[seen].std())):",
        "while width > 1:",
        "tests/pipeline/heads/test_hinge.py::test_much_regularisation_tells_rows_apart[5-0.001]",
    ),
    Mutant(
        "Where float32 loses the way, the best linear SVM that was passed is kept",
        "pipeline/heads/hinge.py",
        "        return best\n",
        "        return self._w, self._b\n",
        "tests/pipeline/heads/test_hinge.py::"
        "test_next_to_no_regularisation_is_no_worse_than_little[100000000.0]",
    ),
    Mutant(
        "Linear SVMs of all folds are trained together, none on the rows that it is judged by",
        "pipeline/heads/linear_heads.py",
        "each = (counted[:, :, None] * targets.astype(np.float32)[:, None, :]).reshape(n, -1)",
        "each = (counted[:, :, None] ** 0 * targets.astype(np.float32)[:, None, :]).reshape(n, -1)",
        "tests/pipeline/heads/test_hinge.py::"
        "test_the_head_is_the_same_on_both_sides_of_the_crossing[2]",
    ),
    Mutant(
        "RBF SVMs of all candidates share their distances, each with a kernel of its own gamma",
        "pipeline/heads/kernel_heads.py",
        "kernel = np.exp(-gamma * distances)",
        "kernel = np.exp(-models[0].gamma * distances)",
        "tests/pipeline/heads/test_columns.py::"
        "test_machines_of_all_candidates_share_their_distances[2]",
    ),
    Mutant(
        "What heads of one space keep in memory is counted together",
        "pipeline/heads/sides.py",
        "stays = 4 * n * d * any(head.centred for head in heads)",
        "stays = 0",
        "tests/pipeline/heads/test_columns.py::test_what_does_not_fit_is_refused_beforehand",
    ),
    Mutant(
        "What a model keeps to predict raw rows is counted before it is trained",
        "pipeline/heads/sides.py",
        "held = _held_bytes((n, d), heads) + (8 * n * n + kept if n <= d else 0)",
        "held = _held_bytes((n, d), heads) + (8 * n * n if n <= d else 0)",
        "tests/pipeline/heads/test_columns.py::test_the_way_from_raw_rows_is_counted",
    ),
    Mutant(
        "Heads on rows as they are, are refused where memory does not hold the rows and a copy",
        "pipeline/heads/sides.py",
        "each += [head.bytes_raw(n, d) * read + head.bytes_beside(n, d) for head in raw]",
        "each += [0 * read + head.bytes_beside(n, d) for head in raw]",
        "tests/pipeline/heads/test_columns.py::"
        "test_heads_on_rows_as_they_are_are_refused_beforehand",
    ),
    Mutant(
        "What a fold held in memory goes with it",
        "pipeline/heads/columns.py",
        "self._whole = whole",
        "self._whole = self if whole is None else whole",
        "tests/pipeline/heads/test_columns.py::test_a_fold_leaves_no_matrices_behind[20]",
    ),
    Mutant(
        "The limit of memory that a refusal names is enough",
        "pipeline/heads/sides.py",
        "needed = limit_that_holds(held)",
        "needed = held + block_bytes() * BLOCK_COPIES",
        "tests/pipeline/heads/test_columns.py::"
        "test_the_limit_that_is_named_is_enough[shape1-heads1]",
    ),
    Mutant(
        "A part's probability is the mean of the log-odds of its photographs",
        "pipeline/evaluation/part_rules.py",
        "logs = np.log(np.clip(P, _LEAST, 1 - _LEAST))",
        "logs = np.clip(P, _LEAST, 1 - _LEAST)",
        "tests/pipeline/evaluation/test_part_rules.py::test_rules_by_hand",
    ),
)

CLAIMS = (
    Mutant(
        "Claims are refused where parts are only proposed",
        "pipeline/thresholds/claims.py",
        'if rule.method == "claim" and groups in ("proposed", "none"):',
        'if rule.method == "claim" and groups == "none":',
        _THRESHOLDS + "test_claims.py::test_a_claim_about_proposed_parts_is_refused",
    ),
    Mutant(
        "A claim sets whole parts aside",
        "pipeline/thresholds/claims.py",
        "return np.flatnonzero(np.isin(groups, np.concatenate(drawn)))",
        "return np.flatnonzero(np.isin(groups, np.concatenate(drawn)))[::2]",
        _THRESHOLDS
        + "test_bounds.py::test_parts_are_set_aside_whole_and_half_where_that_is_enough",
    ),
    Mutant(
        "A claim holds with 95 % confidence",
        "pipeline/thresholds/bounds.py",
        "return int((bdtr(counts, trials, share) <= 1 - confidence).sum()) - 1",
        "return int((bdtr(counts, trials, share) <= confidence).sum()) - 1",
        _THRESHOLDS + "test_bounds.py::test_two_claims_make_a_band_or_one_threshold",
    ),
    Mutant(
        "Proposed parts of several classes are judged photograph by photograph",
        "pipeline/thresholds/claims.py",
        "if mixed <= _MIXED * len(several):",
        "if mixed <= len(several):",
        "tests/pipeline/thresholds/test_claims.py::"
        "test_proposed_parts_of_several_classes_are_judged_photograph_by_photograph",
    ),
)

MODELS = (
    Mutant(
        "A model that answers differently is refused: by a ten-thousandth",
        "pipeline/model/selftest.py",
        "PROBABILITY_TOLERANCE = 1e-4",
        "PROBABILITY_TOLERANCE = 1e-2",
        "tests/pipeline/model/test_selftest.py::test_a_probability_may_move_by_a_ten_thousandth",
    ),
    Mutant(
        "A decoder that gives other pixels is named",
        "pipeline/model/selftest.py",
        "if gap.max() > PIXEL_TOLERANCE or gap.mean() > MEAN_PIXEL_TOLERANCE:",
        "if gap.max() > 255:",
        "tests/pipeline/model/test_selftest.py::test_a_decoder_that_moved_is_named",
    ),
    Mutant(
        "A changed file of a model is found",
        "pipeline/model/files.py",
        "if found != digest:",
        'if found == "":',
        "tests/pipeline/model/test_model.py::test_a_damaged_model_is_named",
    ),
    Mutant(
        "Predictions at once: rows that another process wrote meanwhile are found",
        "pipeline/model/probabilities.py",
        "cache = reader if reader and whole else stack.enter_context(open_cache(path))",
        "cache = reader if reader and not done.rows else stack.enter_context(open_cache(path))",
        "tests/pipeline/model/test_busy_cache.py::test_the_same_new_photographs_at_once",
    ),
    Mutant(
        "What a model has never seen is told: no number that is none hides it",
        "pipeline/model/familiar.py",
        "finite = np.isfinite(vectors).all() and np.isfinite(numbers).all()",
        "finite = np.isfinite(numbers).all()",
        "tests/pipeline/model/test_hostile_models.py"
        "::test_what_is_familiar_fits_the_rows_and_is_finite[change1]",
    ),
    Mutant(
        "A model reads no file outside itself",
        "pipeline/model/files.py",
        'if not stays_inside(name) or "\\\\" in name or _through_link(folder, name):',
        "if not name:",
        "tests/pipeline/model/test_hostile_models.py::test_links_and_pipes_in_a_model_are_refused",
    ),
    Mutant(
        "A user's own estimator runs only where the user says so",
        "pipeline/model/bundle.py",
        "if is_users(fit.head) and not trust:",
        "if is_users(fit.head) and trust is None:",
        "tests/pipeline/heads/test_user_heads.py::test_a_model_cannot_name_a_module_by_itself",
    ),
    Mutant(
        "An address space that cannot hold the program is refused before BLAS hangs in it",
        "pipeline/terminal/address_space.py",
        "if limit < needed:",
        "if limit < taken:",
        "tests/test_low_memory.py::"
        "test_an_address_space_that_cannot_hold_blas_is_refused_first[next]",
        hangs=True,
    ),
    Mutant(
        "A stranger's cache is told from one's own",
        "features/own_files.py",
        "return any(found) and hmac.compare_digest(mark(data), found)",
        "return any(found)",
        _CACHE + "test_foreign_caches.py::test_a_mark_is_of_one_header",
    ),
    Mutant(
        "A forged table whose columns differ in length is refused",
        "features/cache/schema.py",
        'if len({column.shape for column in columns.values()}) != 1 or columns["path"].ndim != 1:',
        'if columns["path"].ndim != 1:',
        _CACHE + "test_foreign_caches.py::test_a_table_of_unequal_columns_is_refused",
    ),
    Mutant(
        "A stranger's cache has nothing read in a bucket",
        "features/own_files.py",
        "if is_remote(root) or is_address(Path(root)):",
        "if is_remote(root):",
        "tests/pipeline/data/test_strange_roots.py::test_a_bucket_is_not_even_asked",
    ),
    Mutant(
        "A photograph of a bucket that comes short is refused",
        "features/photographs/bucket.py",
        'if len(data) != size and len(data) != _asked(file, _info_now)["size"]:',
        'if len(data) > size and len(data) != _asked(file, _info_now)["size"]:',
        "tests/pipeline/data/test_bucket.py::test_a_file_that_changes_is_another",
    ),
    Mutant(
        "Archives that inflate are refused",
        "features/untrusted_files.py",
        "if claimed > len(content):",
        "if claimed < 0:",
        "tests/pipeline/model/test_hostile_models.py::"
        "test_archives_that_inflate_or_overlap_are_refused",
    ),
    Mutant(
        "A stranger's cache does not choose which tables are read",
        "pipeline/data/folder_record.py",
        "if table and is_strange_root(cache, table):",
        "if not table and is_strange_root(cache, table):",
        "tests/pipeline/data/test_strange_roots.py::test_its_tables_are_asked_for",
    ),
    Mutant(
        "A stranger's cache does not choose the pattern that is searched",
        "pipeline/data/folder_record.py",
        'if rule.kind == "regex" and not told.groups:',
        'if rule.kind == "regex" and told.groups:',
        "tests/pipeline/data/test_strange_roots.py::test_its_pattern_is_asked_for",
    ),
    Mutant(
        "A stranger's model does not choose where pictures are read",
        "pipeline/model/bundle.py",
        "if not self.record.own and is_strange_root(self.folder, root):",
        "if not root:",
        "tests/pipeline/model/test_strange_models.py::test_its_folder_is_asked_for",
    ),
    Mutant(
        "The mark of a model is of every field",
        "pipeline/model/record.py",
        'rest = {name: value for name, value in entries.items() if name != "mark"}',
        'rest = {"files": entries["files"]}',
        "tests/pipeline/model/test_strange_models.py::test_the_mark_is_of_every_field",
    ),
    Mutant(
        "A watched folder's links to folders are not followed",
        "pipeline/line/new_files.py",
        "if entry.name.startswith(_OF_SYSTEMS) or entry.is_symlink():",
        "if entry.name.startswith(_OF_SYSTEMS):",
        "tests/pipeline/line/test_watch.py::test_what_is_no_photograph_holds_up_nothing",
    ),
    Mutant(
        "A cache's table names no file outside its folder",
        "features/cache/sample_table.py",
        'if (".." in path or ":" in path or path[:1] in ("/", "\\\\")) and _leads_outside(path):',
        'if path == "..":',
        _CACHE + "test_hostile_caches.py::test_a_forged_table_is_refused_and_mended",
    ),
    Mutant(
        "A cache's table names no row of another photograph",
        "features/cache/sample_table.py",
        "if others:",
        "if others < 0:",
        _CACHE + "test_hostile_caches.py::test_a_forged_table_is_refused_and_mended",
    ),
)

OUTPUT = (
    Mutant(
        "No cell of a table is a formula",
        "pipeline/output/tables.py",
        'return _HIDDEN.sub(_escape, _FORMULA.sub(r"\\1\'\\2", value))',
        "return _HIDDEN.sub(_escape, value)",
        "tests/test_wrong_use.py::test_no_cell_is_a_formula",
    ),
    Mutant(
        "Names do nothing to a terminal",
        "pipeline/output/tables.py",
        'c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() '
        "for c in text",
        "c for c in text",
        "tests/test_wrong_use.py::test_control_characters_reach_neither_terminal_nor_table",
    ),
    Mutant(
        "Names do nothing in a table",
        "pipeline/output/tables.py",
        'return _HIDDEN.sub(_escape, _FORMULA.sub(r"\\1\'\\2", value))',
        'return _FORMULA.sub(r"\\1\'\\2", value)',
        "tests/test_wrong_use.py::test_control_characters_reach_neither_terminal_nor_table",
    ),
    Mutant(
        "Exit code 1: what the user can put right",
        "pipeline/terminal/console.py",
        "return fail(str(error), 1)",
        "return fail(str(error), 0)",
        "tests/test_wrong_use.py::test_fit_never_replaces_what_only_looks_like_a_model",
    ),
    Mutant(
        "An error is one line, and no forged file is quoted whole in it",
        "pipeline/terminal/console.py",
        "if len(text) > _LONGEST:  # what to do stands at its end",
        "if len(text) < 0:",
        "tests/test_cli.py::test_an_error_is_no_longer_than_a_page",
    ),
    Mutant(
        "Exit code 3: photographs that could not be read",
        "cli.py",
        "SOME_UNREADABLE = 3",
        "SOME_UNREADABLE = 0",
        "tests/test_cli.py::test_unreadable_photographs_are_listed_and_exit_with_three",
    ),
    Mutant(
        "Exit code 70: a mistake of ours, in one line",
        "pipeline/terminal/console.py",
        "INTERNAL_ERROR = 70",
        "INTERNAL_ERROR = 0",
        "tests/test_cli.py::test_a_mistake_of_ours_is_one_line_too",
    ),
    Mutant(
        "A folder that is no model is never replaced",
        "pipeline/model/files.py",
        "if not foreign:",
        "if foreign is not None:",
        "tests/test_wrong_use.py::test_fit_never_replaces_what_only_looks_like_a_model",
    ),
)

LINE = (
    Mutant(
        "watch reports each photograph once, over restarts",
        "pipeline/line/watch_journal.py",
        'return known is not None and known[1] == digest != ""',
        "return False",
        "tests/pipeline/line/test_watch.py::test_each_once_over_restarts",
    ),
    Mutant(
        "A line of watch stands in its table once, whenever it is killed",
        "pipeline/line/delivery.py",
        'if not new and text.rstrip("\\n") in _last_lines(self.path):',
        "if new is None:",
        "tests/pipeline/line/test_watch.py"
        "::test_a_crash_at_any_write_loses_and_repeats_nothing[.csv-2-after]",
    ),
    Mutant(
        "watch waits for a file that grows",
        "pipeline/line/new_files.py",
        "if before == stamp and now - since >= self.settle:",
        "if stamp.size:",
        "tests/pipeline/line/test_watch.py::test_a_growing_file_is_waited_for",
    ),
    Mutant(
        "Fewer defects than in the training data are no drift",
        "pipeline/line/drift_sides.py",
        "if min(len(a), len(b)) >= FEWEST:",
        "if number < 0:",
        "tests/pipeline/line/test_drift.py::test_no_change_is_none",
    ),
    Mutant(
        "Drift is measured on one photograph of each part",
        "pipeline/line/drift_sides.py",
        "chosen = order[first]",
        "chosen = order",
        "tests/pipeline/line/test_drift.py::test_one_photograph_stands_for_a_part",
    ),
    Mutant(
        "rethreshold keeps the old model",
        "pipeline/line/rethreshold.py",
        "if keep and (out / MODEL_FILE).is_file():",
        "if not keep:",
        "tests/pipeline/line/test_rethreshold.py::test_the_head_stays_and_the_old_model_is_kept",
    ),
    Mutant(
        "rethreshold leaves out parts that the model knows",
        "pipeline/line/rethreshold.py",
        "old = [bool(s.reason) or s.digest in known or s.group in of_known for s in table_rows]",
        "old = [bool(s.reason) for s in table_rows]",
        "tests/pipeline/line/test_rethreshold.py::test_parts_that_the_model_knows_are_left_out",
    ),
)

_SERVE = "tests/pipeline/serve/"

STATION = (
    Mutant(
        "The service: a page of another site may not ask",
        "pipeline/serve/access.py",
        'if origin is not None and origin not in (f"http://{host}", f"https://{host}"):',
        "if origin is not None and not origin:",
        _SERVE + "test_attacks.py::test_a_page_of_another_site_is_refused",
    ),
    Mutant(
        "The service: a name that leads here is refused",
        "pipeline/serve/access.py",
        "if name in self.names:",
        "if name in self.names or name:",
        _SERVE + "test_attacks.py::test_a_name_that_leads_here_is_refused",
    ),
    Mutant(
        "The service: another address demands the token",
        "pipeline/serve/access.py",
        "if self.token is None or path.startswith(_OPEN) or self._is_admitted(headers):",
        "if self.token is None or path.startswith(_OPEN) or headers:",
        _SERVE + "test_attacks.py::test_another_address_demands_the_token",
    ),
    Mutant(
        "The service: what is shown of the data lies in its folder",
        "pipeline/serve/kept_photographs.py",
        "if not file.resolve().is_relative_to(folder.resolve()):",
        "if not folder.exists():",
        _SERVE + "test_attacks.py::test_a_training_photograph_is_not_read_through_a_link",
    ),
    Mutant(
        "The service: no verdict is told that is not in the log",
        "pipeline/serve/history.py",
        'done.set_exception(OutputError(f"no verdict can be told: {error}"))',
        "done.set_result(None)",
        _SERVE + "test_service.py::test_a_full_disk_tells_no_verdict",
    ),
    Mutant(
        "Corrections: a copy that nobody acknowledged is not learned from",
        "pipeline/line/corrections.py",
        "if file.is_file() and file.relative_to(self.folder).as_posix() not in wanted:",
        "if not file.is_file() and file.relative_to(self.folder).as_posix() not in wanted:",
        "tests/pipeline/line/test_corrections.py::test_a_copy_that_nobody_acknowledged_is_put_aside",
    ),
    Mutant(
        "Refit: nothing that the active model learned from proves anything",
        "pipeline/serve/refit.py",
        "fresh = [n for n in merged.corrected.tolist() "
        "if dataset.table_rows[n].digest not in known]",
        "fresh = merged.corrected.tolist()",
        _SERVE + "test_refit.py::test_what_the_active_model_learned_proves_nothing",
    ),
    Mutant(
        "Refit: a model that sees pixels is refused before anything is looked at",
        "pipeline/serve/refit.py",
        "if refusal := why_not(bundle):",
        'if refusal := "":',
        _SERVE + "test_refit.py::test_a_model_that_sees_pixels_is_refused_in_one_line",
    ),
    Mutant(
        "A link inside the inbox is not followed",
        "features/files.py",
        "if path.resolve().is_relative_to(folder.resolve()):",
        "if path.name:",
        "tests/pipeline/line/test_corrections.py::test_a_link_inside_the_inbox_is_not_followed",
    ),
    Mutant(
        "The service: the report of a model runs no script and has no origin of ours",
        "pipeline/serve/access.py",
        "f\"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; sandbox; \"",
        "f\"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; \"",
        _SERVE + "test_attacks.py::test_a_report_runs_nothing",
    ),
    Mutant(
        "Corrections: right is a class that the verdict stands for",
        "pipeline/serve/station.py",
        "agrees = self.class_of(label) == told.verdict",
        "agrees = label == told.verdict",
        _SERVE + "test_service.py::test_several_folders_are_one_verdict",
    ),
    Mutant(
        "Drift: a measurement beside the keeper's own thread finds no row taken away",
        "pipeline/line/kept_rows.py",
        "with self._flushing:  # who measures drift does not wait for the thread's next turn",
        "with threading.Lock():",
        "tests/pipeline/line/test_live_model.py::test_two_who_write_what_waits_take_turns",
    ),
    Mutant(
        "Drift is measured by itself while parts come",
        "pipeline/serve/drift_watch.py",
        "if time.monotonic() < following or not self.is_due(FEWEST):",
        "if time.monotonic() < following or self.is_due(FEWEST):",
        _SERVE + "test_service.py::test_drift_is_measured_by_itself_and_shown_to_machines",
    ),
    Mutant(
        "Drift: the latest parts alone are looked at, so the cost is bounded",
        "pipeline/line/drift.py",
        "if latest is not None and groups.size:",
        "if latest is None and groups.size:",
        "tests/pipeline/line/test_drift.py::test_the_latest_parts_alone",
    ),
    Mutant(
        "watch polls a network drive",
        "pipeline/line/new_files.py",
        "if kind and not polling:",
        "if kind and polling:",
        "tests/pipeline/line/test_watch.py::test_a_network_drive_is_polled",
    ),
)

MUTANTS = (
    *DURABILITY, *ROWS, *PHOTOGRAPHS, *FOLDERS, *HONESTY, *CLAIMS, *MODELS, *OUTPUT, *LINE,
    *STATION, *EXPORTS, *CLUSTER,
)  # fmt: skip
