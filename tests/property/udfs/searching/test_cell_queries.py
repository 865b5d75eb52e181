"""Nights in any order over stored cells find what one join by cells finds, which is what the rule of the cells says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tests.property.udfs.searching.test_cells import DIM, assign, draw_vectors, encode
from udfs.searching.cell_queries import CellQueries, make_cell_searcher
from udfs.searching.codes import CodedRows, decode, measure_code_error
from udfs.searching.groups import make_group_searcher
from udfs.searching.pair_search import make_pair_checker

if TYPE_CHECKING:
    from collections.abc import Iterable

    Found = dict[tuple[str, str], float]

THRESHOLD = 0.6
faiss.omp_set_num_threads(1)


def search(stored: pa.Table, new: pa.Table, threshold: float) -> Found:
    """Search stored rows with new ones, as one task of a night does."""
    queries = CellQueries(CodedRows.read(new), np.array([], np.int64), 0)
    return keep_best(make_cell_searcher(queries, threshold)(iter(stored.to_batches(max_chunksize=7))))


def keep_best(batches: Iterable[pa.RecordBatch]) -> Found:
    found: Found = {}
    for row in (row for batch in batches for row in batch.to_pylist()):
        pair = row["left_id"], row["right_id"]
        found[pair] = max(found.get(pair, -1.0), row["cosine_similarity"])
    return found


def expect(coded: pa.Table, vectors: np.ndarray, threshold: float) -> Found:
    """Compare all rows that the rule of the cells compares, in the plainest way."""
    ids, probes = coded.column("video_id").to_pylist(), CodedRows.read(coded).probes
    found = {}
    for i in range(len(ids)):
        for j in range(i + 1, len(ids)):
            similarity = min(1.0, round(float(vectors[i].astype(float) @ vectors[j].astype(float)), 6))
            if similarity >= threshold and (probes[i, 0] in probes[j] or probes[j, 0] in probes[i]):
                found[ids[i], ids[j]] = similarity
    return found


@given(st.integers(4, 40), st.integers(1, 6), st.integers(1, 3), st.integers(1, 50), st.integers(0, 99), st.data())
def test_nights_in_any_order_find_what_one_join_by_cells_finds(
    count: int, num_cells: int, num_probes: int, block_rows: int, seed: int, data: st.DataObject
) -> None:
    num_cells = min(num_cells, count)
    coded = encode(draw_vectors(count, seed), num_cells, num_probes)
    expected = expect(coded, decode(CodedRows.read(coded).codes), THRESHOLD)
    order = np.array(data.draw(st.permutations(range(count))))
    cuts = sorted(data.draw(st.sets(st.integers(1, count - 1), max_size=3)))
    found: Found = {}
    for begin, end in zip([0, *cuts], [*cuts, count], strict=True):
        found |= search(coded.take(order[:end]), coded.take(order[begin:end]), THRESHOLD)
    assert found == expected
    joined = make_group_searcher(THRESHOLD, is_coded=True)(iter(assign(coded, num_cells, block_rows)))
    assert keep_best(joined) == expected


@given(st.integers(4, 40), st.integers(1, 6), st.integers(1, 3), st.integers(0, 99))
def test_codes_with_a_margin_and_a_check_find_what_vectors_find_in_the_same_cells(
    count: int, num_cells: int, num_probes: int, seed: int
) -> None:
    vectors = draw_vectors(count, seed)
    coded = encode(vectors, min(num_cells, count), num_probes)
    margin = measure_code_error(draw_vectors(400, 1)).margin
    candidates = search(coded, coded, THRESHOLD - margin)
    numbers = {video_id: number for number, video_id in enumerate(coded.column("video_id").to_pylist())}
    pairs = {
        "left_id": [left for left, _ in candidates],
        "right_id": [right for _, right in candidates],
        "left_vector": [vectors[numbers[left]].tolist() for left, _ in candidates],
        "right_vector": [vectors[numbers[right]].tolist() for _, right in candidates],
    }
    kind = pa.list_(pa.float32())
    schema = pa.schema({"left_id": pa.string(), "right_id": pa.string(), "left_vector": kind, "right_vector": kind})
    checked = make_pair_checker(THRESHOLD)(iter(pa.Table.from_pydict(pairs, schema).to_batches()))
    assert keep_best(checked) == expect(coded, vectors, THRESHOLD)


@given(st.integers(4, 40), st.integers(0, 99))
def test_a_sample_is_compared_with_all_rows_of_the_first_cells(count: int, seed: int) -> None:
    coded = encode(draw_vectors(count, seed), 4, 1)
    rows = CodedRows.read(coded)
    queries = CellQueries(rows, np.arange(2), 3)
    found = [
        row for batch in make_cell_searcher(queries, THRESHOLD)(iter(coded.to_batches())) for row in batch.to_pylist()
    ]
    vectors = decode(rows.codes)
    expected = {
        (f"v{min(i, j):03}", f"v{max(i, j):03}")
        for i in range(2)
        for j in range(count)
        if i != j
        and rows.probes[j, 0] < 3
        and round(float(vectors[i].astype(float) @ vectors[j].astype(float)), 6) >= THRESHOLD
    }
    assert {(row["left_id"], row["right_id"]) for row in found if row["is_sampled"]} == expected


def test_the_margin_of_512_dimensions_is_a_few_thousandths_and_no_pair_exceeds_it() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1000, 512)).astype(np.float32)
    error = measure_code_error(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    assert error.num_pairs == 499_500
    assert 0.001 < error.margin < 0.005
    assert error.largest < error.margin


def test_a_row_of_zeros_is_similar_to_nothing() -> None:
    assert (decode(np.zeros((1, DIM), np.int8)) == 0).all()
