"""The room of patches: pairs of LR and HR images on HDF5, the index of their 33 x 33 patches, and batches of them.

`grid` says where patches begin, `layout` what a file holds, `strips` is what a writer is given, `shard` writes a file, `store` reads a
folder of them, and `readers` draw batches: from memory, from a device, or in chunks from the files; `mixture` makes a batch of
several stores.
"""

from sr_core.patches.grid import origins, pair_count
from sr_core.patches.layout import ShardHeader
from sr_core.patches.mixture import Mixture, Part
from sr_core.patches.readers import DeviceReader, MemoryReader, Reader, StreamReader, each_pair, whole_pairs
from sr_core.patches.shard import PairImage, ShardInfo, find_shard, write_shard
from sr_core.patches.store import PairCounts, PatchStore, summarise

__all__ = [
    "DeviceReader",
    "MemoryReader",
    "Mixture",
    "PairCounts",
    "PairImage",
    "Part",
    "PatchStore",
    "Reader",
    "ShardHeader",
    "ShardInfo",
    "StreamReader",
    "each_pair",
    "find_shard",
    "origins",
    "pair_count",
    "summarise",
    "whole_pairs",
    "write_shard",
]
