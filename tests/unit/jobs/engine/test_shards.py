from __future__ import annotations

from jobs.engine.shards import BackfillShard, Pending, plan_shards


def test_the_newest_month_comes_first_and_videos_without_a_date_last() -> None:
    pending = [Pending(None, 0, 1), Pending("2023-12", 0, 1), Pending("2024-02", 0, 1), Pending("2024-01", 0, 1)]
    assert [shard.month for shard in plan_shards(pending, 10)] == ["2024-02", "2024-01", "2023-12", None]


def test_neighbouring_buckets_are_joined_up_to_the_size_of_a_commit() -> None:
    pending = [Pending("2024-01", bucket, num) for bucket, num in ((9, 2), (3, 4), (0, 3), (7, 1), (200, 6))]
    assert plan_shards(pending, 7) == [
        BackfillShard("2024-01", 0, 3, 7),
        BackfillShard("2024-01", 7, 9, 3),
        BackfillShard("2024-01", 200, 200, 6),
    ]


def test_a_bucket_larger_than_a_commit_is_a_separate_shard() -> None:
    pending = [Pending("2024-01", 0, 1), Pending("2024-01", 1, 50), Pending("2024-01", 2, 1)]
    assert [shard.num_videos for shard in plan_shards(pending, 10)] == [1, 50, 1]


def test_months_are_never_joined() -> None:
    assert len(plan_shards([Pending("2024-01", 5, 1), Pending("2024-02", 5, 1)], 10)) == 2


def test_there_are_no_shards_without_pending_videos() -> None:
    assert plan_shards([], 10) == []


def test_a_shard_is_named_by_its_month_and_its_buckets() -> None:
    assert BackfillShard("2024-01", 3, 255, 9).name == "2024-01/03-ff"
    assert BackfillShard(None, 0, 0, 9).name == "undated/00-00"
