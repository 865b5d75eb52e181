"""Compares compact forms of vectors for the search of candidates: bytes, error, recall, surplus and speed."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import print_table
from benchmarks.search.vectors import draw_vectors
from udfs.embedding.embed import pack_vectors
from udfs.searching.codes import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_MARGIN_DEVIATIONS = 6.0
_NUM_QUERIES = 512
_MAX_TRAINING_ROWS = 10_000


@dataclass(frozen=True)
class Form:
    """A compact form: its bytes per vector, and the function that encodes and decodes vectors."""

    name: str
    num_bytes: int
    encode: Callable[[NDArray[np.float32]], NDArray[np.generic]]
    decode: Callable[[NDArray[np.generic]], NDArray[np.float32]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="number of vectors")
    parser.add_argument("--dim", type=int, default=512, help="dimensions of a vector")
    parser.add_argument("--similarity", type=float, default=0.3, help="cosine similarity of a candidate")
    arguments = parser.parse_args()
    vectors = draw_vectors(arguments.rows, dim=arguments.dim)
    exact, seconds = search(vectors[:_NUM_QUERIES], vectors, arguments.similarity)
    rows = [("float32", str(4 * arguments.dim), "0", "0", "1.0000", "1.00", f"{seconds:.2f}", "", "1.00")]
    rows += [measure(form, vectors, exact, seconds, arguments.similarity) for form in make_forms(vectors)]
    headings = (
        *("form", "bytes", "RMS error", "margin", "recall", "candidates / exact"),
        *("search s", "decode s", "(decode + search) / float32"),
    )
    title = (
        f"{arguments.rows:,} vectors of {arguments.dim} dims, {_NUM_QUERIES} queries, cosine {arguments.similarity:g}"
    )
    print_table(f"{title}, margin of {_MARGIN_DEVIATIONS:g} deviations", headings, rows)


def make_forms(vectors: NDArray[np.float32]) -> list[Form]:
    """Make the forms, with quantisers trained on the first vectors."""
    dim = vectors.shape[1]
    sample = vectors[:_MAX_TRAINING_ROWS]

    def pack(rows: NDArray[np.float32]) -> NDArray[np.generic]:
        return np.frombuffer(pack_vectors(rows), np.int8).reshape(rows.shape)

    forms = [
        Form("fp16", 2 * dim, lambda rows: rows.astype(np.float16), lambda codes: codes.astype(np.float32)),
        Form("int8, scaled by row", dim, pack, decode),
    ]
    kinds = {
        "FAISS SQ8": faiss.ScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit),
        "FAISS SQ6": faiss.ScalarQuantizer(dim, faiss.ScalarQuantizer.QT_6bit),
        "FAISS SQ4": faiss.ScalarQuantizer(dim, faiss.ScalarQuantizer.QT_4bit),
        "FAISS PQ, 128 bytes": faiss.ProductQuantizer(dim, 128, 8),
        "FAISS PQ, 64 bytes": faiss.ProductQuantizer(dim, 64, 8),
    }
    for name, quantiser in kinds.items():
        quantiser.train(sample)
        forms.append(Form(name, quantiser.code_size, quantiser.compute_codes, quantiser.decode))
    return forms


def measure(
    form: Form, vectors: NDArray[np.float32], exact: NDArray[np.bool_], exact_seconds: float, similarity: float
) -> tuple[str, ...]:
    """Search with full queries in decoded vectors, with a threshold that is lower by the margin."""
    codes = form.encode(vectors)
    started = time.monotonic()
    decoded = form.decode(codes)
    decoding = time.monotonic() - started
    decoded = decoded / np.linalg.norm(decoded, axis=1, keepdims=True)
    # Both sides are codes, as in a night.
    queries = decoded[:_NUM_QUERIES]
    errors = queries @ decoded[:2048].T - vectors[:_NUM_QUERIES] @ vectors[:2048].T
    rms = float(np.sqrt(np.mean(errors**2)))
    margin = _MARGIN_DEVIATIONS * rms
    found, seconds = search(queries, decoded, similarity - margin)
    return (
        form.name,
        str(form.num_bytes),
        f"{rms:.5f}",
        f"{margin:.4f}",
        f"{(found & exact).sum() / exact.sum():.4f}",
        f"{found.sum() / exact.sum():.2f}",
        f"{seconds:.2f}",
        f"{decoding:.2f}",
        f"{(seconds + decoding) / exact_seconds:.2f}",
    )


def search(
    queries: NDArray[np.float32], rows: NDArray[np.float32], similarity: float
) -> tuple[NDArray[np.bool_], float]:
    """Return which pairs of a query and a row reach a similarity, bool (queries, rows), and the seconds."""
    started = time.monotonic()
    reached: NDArray[np.bool_] = queries @ rows.T >= similarity
    return reached, time.monotonic() - started


if __name__ == "__main__":
    main()
