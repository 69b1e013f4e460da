"""What is promised of work on a cluster, and of files that another process takes away meanwhile."""

from __future__ import annotations

from mutants.mutant import Mutant

_SPREAD, _CONNECTION = "features/cluster/spread.py", "features/cluster/connection.py"
_TESTS = "tests/features/cluster/"
_CACHE = "tests/features/cache/"

CLUSTER = (
    Mutant(
        "A cluster: what a lost worker was at is made again",
        _SPREAD,
        "except (distributed.CancelledError, distributed.KilledWorker) as error:",
        "except distributed.KilledWorker as error:",
        _TESTS + "test_spread.py::test_what_a_lost_worker_was_at_is_made_again_with_what_it_needs",
    ),
    Mutant(
        "A cluster: a call that nobody has any more is not waited for without end",
        _SPREAD,
        "call.missed = 0 if future.key in known else call.missed + 1",
        "call.missed = 0",
        _TESTS + "test_spread.py::test_a_call_that_nobody_has_any_more_is_made_again",
    ),
    Mutant(
        "A cluster whose workers are all gone: the run ends with a line, not without end",
        _SPREAD,
        "elif time.monotonic() - self._heard >= _PATIENCE:",
        "elif time.monotonic() < self._heard:",
        _TESTS + "test_spread.py::test_without_a_worker_the_run_ends",
    ),
    Mutant(
        "A cluster without workers: nothing is left out as if it were done",
        _SPREAD,
        "again.append(call)\n        for place in crew.free():",
        "return\n        for place in crew.free():",
        _TESTS + "test_spread.py::test_without_a_worker_the_run_ends",
    ),
    Mutant(
        "A cluster whose scheduler went away: the run ends with a line",
        _SPREAD,
        'if client.status != "running":',
        'if client.status == "closed":',
        _TESTS + "test_spread.py::test_without_a_scheduler_the_run_ends",
    ),
    Mutant(
        "A cluster: a call that ends its worker again and again ends the run, not all workers",
        _SPREAD,
        "if self.tries < _TRIES:",
        "if self.tries < 25 * _TRIES:",
        _TESTS + "test_spread.py::test_a_call_that_ends_its_worker_again_and_again_ends_the_run",
    ),
    Mutant(
        "A cluster: what all calls need goes to each worker once",
        _SPREAD,
        "if place not in self._there:",
        "if place:",
        _TESTS + "test_spread.py::"
        "test_each_worker_gets_what_is_common_once_and_a_call_goes_where_it_is",
    ),
    Mutant(
        "A cluster: no more workers of a computer get work than its memory limit holds",
        "features/cluster/spread.py",
        "chosen = places[: self._most_on(host, len(places))]",
        "chosen = places",
        _TESTS + "test_spread.py::"
        "test_no_more_workers_of_a_computer_get_calls_than_it_has_memory_for[taken4-False-places4]",
    ),
    Mutant(
        "A cluster whose workers see another cache under the same name is refused",
        _CONNECTION,
        "if one.seen != token:",
        "if not one.seen:",
        _TESTS + "test_cluster.py::test_a_disk_that_may_not_be_written_to",
    ),
    Mutant(
        "A cluster: a worker that joins later and has other versions or another cache is refused",
        _SPREAD,
        "meet(common.terms)",
        "common.terms.versions",
        _TESTS + "test_spread.py::test_who_joins_later_has_to_have_what_the_others_have",
    ),
    Mutant(
        "A cluster: the dense head is the same, whatever other threads of the worker draw",
        "pipeline/heads/dense.py",
        "generator = random.Random(seed % 2**32)  # noqa: S311 - no secret",
        "generator = random",
        "tests/pipeline/heads/test_dense.py::test_threads_that_draw_meanwhile_change_nothing",
    ),
    Mutant(
        "A cluster: small pictures do not travel: each worker reads them from the shared disk",
        "pipeline/groups/pictures.py",
        "if isinstance(self.read, partial):",
        "if not self.read:",
        _TESTS + "test_groups_on_a_cluster.py::test_pictures_do_not_travel",
    ),
    Mutant(
        "A cluster whose workers read other small pictures than were read here is refused",
        "pipeline/groups/pictures.py",
        "if zlib.crc32(grey.data) != check:",
        "if not check:",
        _TESTS + "test_groups_on_a_cluster.py::test_pictures_do_not_travel",
    ),
    Mutant(
        "A file put in the place of a stranger's, while it is looked at, vouches for nothing",
        "features/cache/hdf5_file.py",
        "if not os.path.samestat(file.path.stat(), stat):",
        "if not file.path.exists():",
        _CACHE + "test_foreign_caches.py::"
        "test_a_file_put_in_its_place_while_it_is_looked_at_vouches_for_nothing",
    ),
    Mutant(
        "A store that goes in the middle ends the run: no photograph is called unreadable for it",
        "features/photographs/bucket.py",
        "if _is_no_answer(error):",
        "if not address:",
        "tests/pipeline/data/test_bucket.py::test_a_store_that_goes_in_the_middle_is_one_line",
    ),
    Mutant(
        "A shard that goes while it is opened is called missing, with what to do",
        "features/cache/shards.py",
        'raise CacheError(f"{path} is missing; {mend}") from None',
        "raise",
        _CACHE + "test_shards.py::test_a_file_that_goes_between_two_looks_is_said_to_be_missing",
    ),
)
