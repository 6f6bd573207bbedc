"""Nearest rows by other libraries, run in an environment of their own.

    PYTHON peer_neighbours.py faiss|sklearn|anonymeter REFERENCE.parquet QUERIES.parquet OUT.npz ROWS

Only the first ROWS queries are asked for: the rate is what counts, and some would take days for all. Columns
named n* are numbers between 0 and 1, columns named c* categories. faiss and scikit-learn see categories as
halves of a one-hot code, so that their L1 distance is Gower's; anonymeter computes its own. One thread each.
Prints one line of JSON and writes the distances. Imports nothing of jaxsynth.
"""

import json
import os
import sys
import time
from importlib.metadata import version

os.environ["OMP_NUM_THREADS"] = "1"  # before any library reads it

import numpy as np
import pandas as pd


def features(reference: pd.DataFrame, queries: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    both = pd.concat([reference, queries])
    names = [c for c in both if str(c).startswith("c")]
    codes = pd.get_dummies(both[names].astype(str)).to_numpy(np.float32) / 2
    wide = np.concatenate([both.drop(columns=names).to_numpy(np.float32), codes], axis=1)
    return wide[: len(reference)], wide[len(reference) :]


def by_faiss(reference: pd.DataFrame, queries: pd.DataFrame) -> tuple[float, float, np.ndarray]:
    import faiss

    faiss.omp_set_num_threads(1)
    left, right = features(reference, queries)
    started = time.perf_counter()
    index = faiss.IndexFlat(left.shape[1], faiss.METRIC_L1)
    index.add(left)
    built = time.perf_counter()
    distances, _ = index.search(right, 2)
    return built - started, time.perf_counter() - built, distances


def by_sklearn(reference: pd.DataFrame, queries: pd.DataFrame) -> tuple[float, float, np.ndarray]:
    from sklearn.neighbors import NearestNeighbors

    left, right = features(reference, queries)
    started = time.perf_counter()
    index = NearestNeighbors(n_neighbors=2, algorithm="ball_tree", metric="manhattan").fit(left)
    built = time.perf_counter()
    distances, _ = index.kneighbors(right)
    return built - started, time.perf_counter() - built, distances


def by_anonymeter(reference: pd.DataFrame, queries: pd.DataFrame) -> tuple[float, float, np.ndarray]:
    import anonymeter.evaluators  # noqa: F401  first: the neighbours import one another otherwise
    from anonymeter.neighbors.mixed_types_kneighbors import MixedTypeKNeighbors

    index = MixedTypeKNeighbors(n_neighbors=2, n_jobs=1).fit(reference)
    index.kneighbors(queries.iloc[:1], return_distance=True)  # compiles
    started = time.perf_counter()
    _, distances = index.kneighbors(queries, return_distance=True)
    return 0.0, time.perf_counter() - started, distances


PEERS = {"faiss": by_faiss, "sklearn": by_sklearn, "anonymeter": by_anonymeter}
PACKAGES = {"faiss": "faiss-cpu", "sklearn": "scikit-learn", "anonymeter": "anonymeter"}


def main(name: str, reference: str, queries: str, out: str, rows: int) -> None:
    asked = pd.read_parquet(queries).iloc[:rows]
    build, seconds, distances = PEERS[name](pd.read_parquet(reference), asked)
    np.savez(out, distances=distances)
    found = {"build": build, "seconds": seconds, "queries": len(asked), "version": version(PACKAGES[name])}
    print(json.dumps(found))


main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
