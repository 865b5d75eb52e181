"""The index that `ndvr query` searches: published by the nightly job beside the tables, read without Spark.

`<lake>/_index/current.json` names the model: that of the newest published run whose model compares frames.
`<lake>/_index/<model_id>/current.json` is the card of its index. The card names folders that never change: shards of
segments and frames (`udfs.indexing.shard`), and a listing of the present videos.
"""
