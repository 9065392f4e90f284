"""The access patterns of the agreement table: 65,536 requests of 64 bytes each over 8 GiB."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

REQUESTS = 65_536
_BYTES = 64
_CAPACITY = 8 << 30
_SEED = 12345
_INDEX = np.arange(REQUESTS, dtype=np.int64)

Requests = tuple[np.ndarray, np.ndarray]


def _reads(address: np.ndarray) -> Requests:
    return address.astype(np.int64), np.zeros(REQUESTS, np.bool_)


def _writes(address: np.ndarray) -> Requests:
    return address.astype(np.int64), np.ones(REQUESTS, np.bool_)


def _stride(stride_bytes: int) -> Requests:
    """Reads at a stride; each time around the memory starts one burst further on."""
    # At a stride of 1 MiB the 8 GiB are passed after 8192 reads; the next round is 64 bytes further on, or it would
    # read the same bursts again.
    place = _INDEX * stride_bytes
    return _reads(place % _CAPACITY + place // _CAPACITY * _BYTES)


def _random_runs(bursts: int) -> Requests:
    """Reads of `bursts` consecutive bursts from random places."""
    rng = np.random.default_rng(_SEED)
    # The end of a run must lie inside the memory.
    last = _CAPACITY // _BYTES - (bursts if bursts > 1 else 0)
    starts = rng.integers(0, last, REQUESTS // bursts)
    return _reads((starts[:, None] + np.arange(bursts)).ravel() * _BYTES)


def _copy_blocks(bursts: int) -> Requests:
    """Blocks of `bursts` sequential reads, each followed by as many sequential writes 1 GiB further on."""
    # Blocks of 2 x `bursts` requests: with 16, request 40 is number 8 of block 1, a read; request 50 is number 18, a
    # write.
    block, place = np.divmod(_INDEX, 2 * bursts)
    write = place >= bursts
    address = (block * bursts + place % bursts) * _BYTES
    return np.where(write, address + (1 << 30), address), write


def _scattered_writes() -> Requests:
    """Writes to places 16 KiB apart in random order, none twice."""
    places = np.random.default_rng(_SEED).permutation(_CAPACITY // _BYTES // 256)[:REQUESTS]
    return _writes(places * 256 * _BYTES)


PATTERNS: dict[str, Callable[[], Requests]] = {
    "a_seq_read": lambda: _reads(_INDEX * _BYTES),
    "b_stride8k_read": lambda: _stride(8192),
    "c_random_read": lambda: _random_runs(1),
    "d_runs4_read": lambda: _random_runs(4),
    "d16_runs16_read": lambda: _random_runs(16),
    "e_mix_R1W1": lambda: _copy_blocks(1),
    "e3_mix_blk16": lambda: _copy_blocks(16),
    "f_seq_write": lambda: _writes(_INDEX * _BYTES),
    "g_random_write": _scattered_writes,
    "h_stride1M_read": lambda: _stride(1 << 20),
}
