"""How to look at arrays and frames: NumPy, pandas, Arrow, Polars, torch, SciPy.

Nothing is imported here; a class is known by its package and by the names of what it inherits.
"""

import sys
import zlib

from . import kinds
from .fingerprint import EXTENSIONS, IMMUTABLE, TEMPORARY, WEAK, Walk

#: Elements of an object array that are looked at one by one, when they can change.
ELEMENTS = 50_000


def handler_of(cls):
    """The handler for a class of one of these libraries, or None."""
    for base in cls.__mro__:
        found = _HANDLERS.get((kinds.root_of(base), base.__name__))
        if found is not None:
            return found
    found = _BY_ROOT.get(kinds.root_of(cls))
    return found(cls) if found is not None else None


# ---- NumPy


def _array(walk, value, cls, mode):
    numpy = sys.modules["numpy"]
    plain = value if cls is numpy.ndarray else numpy.ndarray.view(value, numpy.ndarray)
    own = owner_of(value)
    if not mode & TEMPORARY:
        (walk.made.weak if mode & WEAK else walk.made.parts).add(id(own))
    walk.tokens.append((cls.__name__, plain.dtype.str if plain.dtype.names is None else str(plain.dtype), plain.shape))
    if plain.dtype.hasobject:
        _elements(walk, plain, mode)
    else:
        walk.tokens.append(_checksum(walk, plain))
    if cls is not numpy.ndarray and cls.__name__ != "memmap":
        state = object.__getattribute__(value, "__dict__") if hasattr(cls, "__dict__") and _has_dict(value) else {}
        for name, part in sorted(state.items()):
            if name not in {"_sharedmask", "_basedict", "_isfield"}:
                walk.tokens.append(name)
                walk.push([part], mode)


def _has_dict(value):
    try:
        object.__getattribute__(value, "__dict__")
    except AttributeError:
        return False
    return True


def owner_of(array):
    """The object that owns an array's memory: the last in the chain of bases."""
    owner = array
    for _ in range(100):
        cls = type(owner)
        if cls is memoryview:
            base = owner.obj
        elif kinds.root_of(cls) == "numpy":
            base = getattr(owner, "base", None)
        else:
            break
        if base is None:
            break
        owner = base
    return owner


def _checksum(walk, array):
    """A checksum of an array's content; memory that is no object's."""
    numpy = sys.modules["numpy"]
    if array.size == 0:
        return 0
    if 0 in array.strides and array.ndim:
        # Repeated rows count once: a broadcast scalar may pretend to be of any size.
        array = array[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)]
    key = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str)
    found = walk.walker.buffers.get(key)
    if found is None:
        if array.flags.c_contiguous:
            flat = array
        elif array.flags.f_contiguous:
            flat = array.T
        else:
            flat = numpy.ascontiguousarray(array)
        found = zlib.crc32(flat.reshape(-1).view(numpy.uint8) if flat.ndim else flat.tobytes())
        walk.walker.buffers[key] = found
    walk.made.size += array.nbytes
    return found


def _elements(walk, array, mode):
    """An array of objects: which they are, and what is in those that can change."""
    if array.dtype.names is not None:
        for name in array.dtype.names:
            walk.push([array[name]], mode | TEMPORARY)
        return
    numpy = sys.modules["numpy"]
    flat = array.ravel() if array.flags.c_contiguous else numpy.ascontiguousarray(array).ravel()
    if not flat.size:
        return
    walk.made.size += flat.nbytes
    key = (zlib.crc32(flat), flat.size, zlib.adler32(flat[: 1 << 16]))
    kept = walk.walker.objects.get(key)
    if kept is None:
        elements = flat.tolist()
        if walk.walker.immutable(set(map(type, elements))):
            # A tuple of its own: the elements live on, so that equal pointers mean equal elements.
            kept = _Kept(elements)
            walk.walker.objects[key] = kept
        else:
            if len(elements) > ELEMENTS:
                walk.made.opaque["large"] = 1
                elements = elements[:ELEMENTS]
            walk.push(elements, mode)
            return
    walk.made.keep.append(kept)
    walk.tokens.append(key)


class _Kept:
    """Elements that stay alive as long as someone compares their pointers."""

    __slots__ = ("__weakref__", "elements")

    def __init__(self, elements):
        self.elements = elements


def _number(walk, value, cls, mode):
    if value.dtype.hasobject:
        walk.opaque(value, cls, mode)
    else:
        walk.tokens.append((cls.__name__, value.tobytes()))


def _dtype(walk, value, cls, mode):
    walk.tokens.append(("dtype", str(value)))
    categories = getattr(value, "categories", None) if cls.__name__ == "CategoricalDtype" else None
    if categories is not None:
        walk.tokens.append(bool(value.ordered))
        walk.push([categories], mode | WEAK)


def _random_state(walk, value, cls, mode):
    numpy = sys.modules.get("numpy.random")
    if numpy is not None and value is getattr(numpy.mtrand, "_rand", None):
        walk.tokens.append("the global generator")
        return
    bits = value._bit_generator
    walk.part(bits, mode)
    walk.push([value.get_state(legacy=False)], mode | TEMPORARY)


def _generator(walk, value, cls, mode):
    bits = value.bit_generator
    walk.part(bits, mode)
    walk.push([bits.state], mode | TEMPORARY)


def _bits(walk, value, cls, mode):
    walk.part(value, mode)
    walk.push([value.state], mode | TEMPORARY)


def _python_random(walk, value, cls, mode):
    walk.part(value, mode)
    walk.tokens.append((cls.__name__, hash(value.getstate()) if cls.__name__ != "SystemRandom" else 0))


# ---- pandas


def copies_on_write():
    """Whether pandas frames copy shared memory before they write to it."""
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return False
    version = getattr(pandas, "__version__", "0").partition(".")[0]
    if version.isdigit() and int(version) >= 3:
        return True
    config = sys.modules.get("pandas._config.config")
    try:
        return config._global_config["mode"]["copy_on_write"] is True
    except Exception:
        return False


def _frame(walk, value, cls, mode):
    manager = object.__getattribute__(value, "_mgr")
    walk.tokens.append((cls.__module__, cls.__name__))
    if not mode & TEMPORARY:
        walk.made.parts.add(id(value))
    inner = mode | WEAK if copies_on_write() else mode
    pieces = []
    for axis in manager.axes:
        walk.made.rims.add(id(axis))
        pieces.append((axis, mode | WEAK))
    columns = {}
    for block in manager.blocks:
        _block(walk, block, columns, pieces, inner)
    walk.tokens.append(tuple(sorted(columns.items())))
    for name, part in object.__getattribute__(value, "__dict__").items():
        if name in {"_mgr", "_item_cache", "_cacher", "_is_copy", "_flags"} or (name == "_attrs" and not part):
            continue
        walk.tokens.append(name)
        pieces.append((part, mode))
    flags = object.__getattribute__(value, "__dict__").get("_flags")
    if flags is not None:
        walk.tokens.append(bool(getattr(flags, "_allows_duplicate_labels", True)))
    walk.stack.extend(reversed(pieces))


def _block(walk, block, columns, pieces, mode):
    """The content of a block, column by column, so that the same columns in other blocks are the same frame."""
    values = block.values
    places = block.mgr_locs.as_array.tolist() if getattr(block, "ndim", 2) > 1 else [0]
    numpy = sys.modules["numpy"]
    if type(values) is not numpy.ndarray:
        columns[places[0]] = ("extension", len(pieces))
        pieces.append((values, mode))
        return
    walk.memo.setdefault(id(values), len(walk.memo))
    if not mode & TEMPORARY:
        (walk.made.weak if mode & WEAK else walk.made.parts).add(id(owner_of(values)))
    if values.ndim == 1:
        # The one block of a Series: its places are those of the rows.
        values = values.reshape(1, -1)
        places = places[:1] or [0]
    kind = values.dtype.str
    if values.dtype.hasobject:
        for row, place in enumerate(places):
            before = len(walk.tokens)
            _elements(walk, values[row], mode)
            columns[place] = (kind, *walk.tokens[before:])
            del walk.tokens[before:]
    elif len(places) <= 64 or values.strides[-1] == values.itemsize:
        if len(places) > 64 and values.flags.c_contiguous and values.shape[1] < 64:
            columns[places[0]] = (kind, tuple(places), _checksum(walk, values))
            return
        for row, place in enumerate(places):
            columns[place] = (kind, _checksum(walk, values[row]))
    else:
        columns[places[0]] = (kind, tuple(places), _checksum(walk, values))


def _index(walk, value, cls, mode):
    walk.tokens.append(cls.__name__)
    state = object.__getattribute__(value, "__dict__")
    name = cls.__name__
    if not mode & TEMPORARY:
        walk.made.rims.add(id(value))
    if name == "RangeIndex":
        walk.push([value._range, value._name], mode)
    elif name == "MultiIndex":
        walk.push([list(value._names)], mode | TEMPORARY)
        walk.push([*value._levels, *value._codes], mode | WEAK)
    else:
        walk.push([value._name], mode)
        walk.push([state.get("_data", None) if "_data" in state else value._data], mode | WEAK)


def _extension(walk, value, cls, mode):
    """Extension arrays over one ndarray: dates, categories, periods, strings."""
    walk.tokens.append(cls.__name__)
    freq = getattr(value, "_freq", None)
    if freq is not None:
        walk.tokens.append(str(freq))
    walk.push([value._ndarray, value._dtype], mode)


def _arrow_extension(walk, value, cls, mode):
    """Extension arrays over Arrow: the Arrow array is never changed, only replaced."""
    walk.tokens.append(cls.__name__)
    if not mode & TEMPORARY:
        (walk.made.weak if mode & WEAK else walk.made.parts).add(id(value))
    inner = getattr(value, "_pa_array", None)
    if inner is None:
        inner = getattr(value, "_data", None)
    walk.push([inner], mode)
    try:
        walk.made.size += inner.nbytes
    except Exception:
        return


def _masked(walk, value, cls, mode):
    walk.tokens.append((cls.__name__, str(getattr(value, "_dtype", ""))))
    walk.push([value._data, value._mask], mode)


def _interval(walk, value, cls, mode):
    walk.tokens.append((cls.__name__, str(value._dtype)))
    walk.push([value._left, value._right], mode)


def _sparse(walk, value, cls, mode):
    walk.tokens.append((cls.__name__, str(value._dtype)))
    walk.push([value._sparse_values], mode)
    index = value._sparse_index
    walk.push([index.indices if hasattr(index, "indices") else index.blocs], mode | TEMPORARY)


def _block_manager(walk, value, cls, mode):
    walk.tokens.append(cls.__name__)
    pieces, columns = [(axis, mode | WEAK) for axis in value.axes], {}
    for block in value.blocks:
        _block(walk, block, columns, pieces, mode)
    walk.tokens.append(tuple(sorted(columns.items())))
    walk.stack.extend(reversed(pieces))


# ---- others


def _tensor(walk, value, cls, mode):
    torch = sys.modules["torch"]
    walk.tokens.append(
        (cls.__name__, str(value.dtype), tuple(value.shape), bool(value.requires_grad), str(value.device))
    )
    with torch.no_grad():
        pointer = value.untyped_storage().data_ptr() if hasattr(value, "untyped_storage") else value.data_ptr()
        if not mode & TEMPORARY:
            walk.made.parts.update({pointer, id(value)})
        if value.device.type == "cpu" and value.layout is torch.strided:
            walk.tokens.append(_checksum(walk, value.detach().numpy()))
        else:
            walk.tokens.append((value.data_ptr(), value._version))
        if value.grad is not None:
            walk.push([value.grad], mode)


def _polars_frame(walk, value, cls, mode):
    """A frame or column of Polars: its buffers are never changed, only replaced."""
    walk.part(value, mode)
    columns = [value] if cls.__name__ == "Series" else value.get_columns()
    walk.tokens.append((cls.__name__, len(columns)))
    for column in columns:
        walk.tokens.append((column.name, str(column.dtype), len(column), tuple(_polars_buffers(column))))
    walk.made.size += int(value.estimated_size())
    walk.made.keep.append(value.clone())


def _polars_buffers(column):
    for chunk in column.get_chunks():
        try:
            yield chunk._get_buffer_info()
        except Exception:
            yield _polars_content(chunk)


def _polars_content(chunk):
    """For texts and nested values, whose buffers can't be told: their content."""
    try:
        return zlib.crc32(chunk.hash().to_numpy())
    except Exception:
        return tuple(zlib.crc32(part) if part is not None else None for part in chunk.to_arrow().buffers())


def _image(walk, value, cls, mode):
    """A picture of PIL: its pixels, once they are loaded."""
    if getattr(value, "_im", None) is None and getattr(value, "im", None) is None:
        walk.opaque(value, cls, mode)
        return
    walk.part(value, mode)
    walk.tokens.append((cls.__name__, value.mode, value.size, zlib.crc32(value.tobytes())))


def _pandas(cls):
    if cls.__name__ in _PANDAS_ATOMS or any(base.__name__ in _PANDAS_ATOMS for base in cls.__mro__):
        return Walk.by_text
    if cls.__name__ in {"ExcelWriter", "ExcelFile", "HDFStore", "TextFileReader"} or cls.__name__.endswith("Writer"):
        return Walk.unseen
    if cls.__name__.endswith("Dtype"):
        return _dtype
    return None


def _arrow(cls):
    if cls.__name__ in _ARROW_OPEN or "Writer" in cls.__name__ or "Reader" in cls.__name__ or "File" in cls.__name__:
        return Walk.unseen
    return Walk.by_identity


def _polars(cls):
    if "SQLContext" in cls.__name__ or "Batched" in cls.__name__:
        return Walk.unseen
    return Walk.by_identity


def _jax(cls):
    return Walk.by_identity


def _numpy(cls):
    if cls.__name__ in {"ufunc", "_ArrayFunctionDispatcher"}:
        return Walk.by_name
    if cls.__name__ in {"flatiter", "nditer", "NpzFile", "broadcast", "ndenumerate", "ndindex"}:
        return Walk.unseen
    return None


_PANDAS_ATOMS = frozenset(
    {"_Timestamp", "Timestamp", "Timedelta", "_Timedelta", "Period", "_Period", "Interval", "NaTType", "_NaT", "NAType",
     "BaseOffset", "DateOffset", "Resolution"}
)  # fmt: skip
_ARROW_OPEN = frozenset({"Buffer", "ResizableBuffer", "BufferOutputStream", "BufferedOutputStream", "PythonFile"})
_HANDLERS = {
    ("numpy", "ndarray"): _array,
    ("numpy", "generic"): _number,
    ("numpy", "dtype"): _dtype,
    ("numpy", "RandomState"): _random_state,
    ("numpy", "Generator"): _generator,
    ("numpy", "BitGenerator"): _bits,
    ("_random", "Random"): _python_random,
    ("pandas", "NDFrame"): _frame,
    ("pandas", "Index"): _index,
    ("pandas", "NDArrayBacked"): _extension,
    ("pandas", "NDArrayBackedExtensionArray"): _extension,
    ("pandas", "ArrowExtensionArray"): _arrow_extension,
    ("pandas", "ArrowStringArray"): _arrow_extension,
    ("pandas", "BaseMaskedArray"): _masked,
    ("pandas", "IntervalArray"): _interval,
    ("pandas", "SparseArray"): _sparse,
    ("pandas", "BlockManager"): _block_manager,
    ("pandas", "SingleBlockManager"): _block_manager,
    ("torch", "Tensor"): _tensor,
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_frame,
    ("PIL", "Image"): _image,
}
_BY_ROOT = {
    "pandas": _pandas,
    "pyarrow": _arrow,
    "polars": _polars,
    "jax": _jax,
    "jaxlib": _jax,
    "numpy": _numpy,
}
IMMUTABLE.update({_number, _dtype})
EXTENSIONS.append(handler_of)
