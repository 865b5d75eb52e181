"""The index that `ndvr query` searches: published by the nightly job beside the tables, read without Spark.

`<lake>/_index/current.json` names the model; `<lake>/_index/<model_id>/current.json` is its card, which names folders
that never change: shards of segments and frames (`udfs.indexing.shard`), and a listing of the videos that are there.
"""
