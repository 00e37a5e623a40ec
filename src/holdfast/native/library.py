"""The compiled parts (the C files beside this one), called through ctypes without the GIL."""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path

LIBRARY = Path(__file__).with_name("_native.so")
try:
    _library = ctypes.CDLL(str(LIBRARY))
except OSError as error:
    raise ImportError(f"{LIBRARY.name} is missing or of another machine: run `make build` in the checkout.") from error


class PathColumns(ctypes.Structure):
    """`struct paths` of paths.h."""

    _fields_ = (
        ("parents", ctypes.c_void_p),
        ("name_lengths", ctypes.c_void_p),
        ("name_starts", ctypes.c_void_p),
        ("lengths", ctypes.c_void_p),
        ("names", ctypes.c_char_p),
        ("count", ctypes.c_int64),
    )


SPLIT_STATE_BYTES = 24 + 32_768 * 6 + 65_536
"""`struct split_state` of paths.c."""

paths_split = _library.holdfast_paths_split
paths_split.argtypes = [
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
]
paths_split.restype = ctypes.c_int64

paths_lengths = _library.holdfast_paths_lengths
paths_lengths.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
paths_lengths.restype = ctypes.c_int

paths_expand = _library.holdfast_paths_expand
paths_expand.argtypes = [ctypes.POINTER(PathColumns), ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
paths_expand.restype = None

paths_match = _library.holdfast_paths_match
paths_match.argtypes = [ctypes.POINTER(PathColumns), ctypes.POINTER(PathColumns), ctypes.c_void_p]
paths_match.restype = ctypes.c_int

paths_find = _library.holdfast_paths_find
paths_find.argtypes = [ctypes.POINTER(PathColumns), ctypes.c_char_p, ctypes.c_int64]
paths_find.restype = ctypes.c_int64

walk = _library.holdfast_walk
walk.argtypes = [
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_int32),
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.c_void_p,
    ctypes.c_uint64,
    ctypes.c_uint64,
    ctypes.POINTER(ctypes.c_void_p),
]
walk.restype = ctypes.c_int

walk_more_notices = _library.holdfast_walk_more_notices
walk_more_notices.argtypes = [ctypes.c_void_p]
walk_more_notices.restype = ctypes.c_uint64

_walk_array = _library.holdfast_walk_array
_walk_array.argtypes = [
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_size_t),
]
_walk_array.restype = None

walk_free = _library.holdfast_walk_free
walk_free.argtypes = [ctypes.c_void_p]
walk_free.restype = None

ignore_new = _library.holdfast_ignore_new
ignore_new.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p)]
ignore_new.restype = ctypes.c_int

ignore_free = _library.holdfast_ignore_free
ignore_free.argtypes = [ctypes.c_void_p]
ignore_free.restype = None

ignore_can_match = _library.holdfast_ignore_can_match
ignore_can_match.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
ignore_can_match.restype = ctypes.c_int

ignore_scan = _library.holdfast_ignore_scan
ignore_scan.argtypes = [ctypes.c_void_p, ctypes.POINTER(PathColumns), ctypes.c_void_p, ctypes.c_void_p]
ignore_scan.restype = ctypes.c_int

open_beneath = _library.holdfast_open_beneath
open_beneath.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
open_beneath.restype = ctypes.c_int

NEW_FILE = struct.Struct("<QQQqIIII")
"""`struct new_file` of write.c: path start, data start, data size, mtime_ns, mode, uid, gid, reserved."""

write_files = _library.holdfast_write_files
write_files.argtypes = [
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_uint64,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_uint64),
]
write_files.restype = ctypes.c_int

rename_new = _library.holdfast_rename_new
rename_new.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
rename_new.restype = ctypes.c_int

sync_disk = _library.holdfast_sync_disk
sync_disk.argtypes = [ctypes.c_int]
sync_disk.restype = ctypes.c_int

overlay_open = _library.holdfast_overlay_open
overlay_open.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_uint32, ctypes.c_uint32]
overlay_open.restype = ctypes.c_void_p

overlay_load = _library.holdfast_overlay_load
overlay_load.argtypes = [
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_uint32,
    ctypes.c_uint32,
    ctypes.c_char_p,
    ctypes.c_uint32,
]
overlay_load.restype = ctypes.c_void_p

overlay_facts = _library.holdfast_overlay_facts
overlay_facts.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32)]
overlay_facts.restype = ctypes.c_void_p

overlay_read = _library.holdfast_overlay_read
overlay_read.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
overlay_read.restype = ctypes.c_int64

overlay_run = _library.holdfast_overlay_run
overlay_run.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.POINTER(ctypes.c_uint64)]
overlay_run.restype = None

overlay_check = _library.holdfast_overlay_check
overlay_check.argtypes = [ctypes.c_int, ctypes.c_char_p]
overlay_check.restype = ctypes.c_int

overlay_close = _library.holdfast_overlay_close
overlay_close.argtypes = [ctypes.c_void_p]
overlay_close.restype = None

ENTRIES, NAMES, TARGETS, NOTICES, NOTICE_PATHS = range(5)


def walk_array(handle: ctypes.c_void_p, which: int) -> bytes:
    """Return a copy of one array of a walk."""
    data, size = ctypes.c_void_p(), ctypes.c_size_t()
    _walk_array(handle, which, ctypes.byref(data), ctypes.byref(size))
    return ctypes.string_at(data, size.value) if size.value else b""
