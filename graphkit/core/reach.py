"""What of a value an expression may reach.

That is its data, the methods of plain values and of the user's own classes, and those methods of arrays and tables
that only compute. Others may write files, run code or call services (``DataFrame.eval``, ``Path.write_text``), and no
list of those would be complete: what they do belongs into a function of the user's.
"""

from __future__ import annotations

import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

_PLAIN = frozenset({"builtins", "collections", "datetime", "decimal", "enum", "fractions", "re", "types", "uuid"})
#: Whose methods of the names below are known to do nothing but compute.
_OF_DATA = frozenset(
    {"cupy", "jax", "jaxlib", "numpy", "pandas", "polars", "pyarrow", "scipy", "tensorflow", "torch", "xarray"}
)
_COMPUTING = frozenset(
    [
        *("abs", "add", "all", "any", "argmax", "argmin", "argsort", "asof", "assign", "astype", "at", "between"),
        *("bfill", "capitalize", "casefold", "cat", "ceil", "clip", "combine_first", "conj", "conjugate", "contains"),
        *("copy", "corr", "count", "cov", "cummax", "cummin", "cumprod", "cumsum", "date", "day_name", "describe"),
        *("diagonal", "diff", "div", "divide", "dot", "drop", "drop_duplicates", "dropna", "duplicated", "endswith"),
        *("eq", "equals", "expanding", "ffill", "fillna", "filter", "find", "findall", "first", "first_valid_index"),
        *("flatten", "floor", "floordiv", "fullmatch", "ge", "get", "get_group", "get_loc", "groupby", "gt", "head"),
        *("iat", "idxmax", "idxmin", "iloc", "infer_objects", "interpolate", "is_integer", "isalnum", "isalpha"),
        *("isdecimal", "isdigit", "isin", "islower", "isna", "isnull", "isnumeric", "isocalendar", "isoformat"),
        *("isspace", "istitle", "isupper", "item", "items", "iterrows", "keys", "kurt", "last", "last_valid_index"),
        *("le", "len", "loc", "lower", "lstrip", "lt", "map", "mask", "match", "max", "mean", "median", "min", "mod"),
        *("mode", "month_name", "mul", "multiply", "ne", "nlargest", "nonzero", "normalize", "notna", "notnull"),
        *("nsmallest", "nth", "nunique", "pct_change", "pow", "prod", "product", "ptp", "quantile", "rank", "ravel"),
        *("rename", "replace", "reset_index", "reshape", "rolling", "round", "rsplit", "rstrip", "searchsorted"),
        *("select_dtypes", "sem", "set_index", "shift", "size", "skew", "slice", "sort", "sort_index", "sort_values"),
        *("split", "squeeze", "startswith", "std", "strftime", "strip", "sub", "subtract", "sum", "swapaxes"),
        *("swapcase", "tail", "take", "timestamp", "title", "to_dict", "to_frame", "to_list", "to_numpy"),
        *("to_period", "to_pydatetime", "tobytes", "tolist", "total_seconds", "trace", "transpose", "truediv"),
        *("truncate", "tz_convert", "tz_localize", "unique", "upper", "value_counts", "values", "var", "weekday"),
        *("where", "xs"),
    ]
)
#: Of other libraries' classes, such as records that a user's class derives from.
_OF_RECORDS = frozenset({"model_dump"})


def why_not(owner: Any, name: str, value: Any) -> str:
    """Return why an attribute may not be reached, or an empty text.

    Parameters
    ----------
    owner, name, value
        Whose attribute, its name, and what it is.

    Examples
    --------
    >>> why_not("a", "upper", "a".upper), why_not([], "append", [].append)
    ('', '')
    >>> why_not(Path(), "write_text", Path().write_text)
    'the method write_text of a PosixPath may do more than compute; call a function of your own instead'
    """
    if not callable(value):
        return ""
    if not isinstance(owner, type) and (of := given_by(owner, name, value)) is not owner:
        owner, name = of, getattr(value, "__name__", name)
    package = _module_of(owner, name, value).partition(".")[0]
    if package in _PLAIN:
        return ""
    if name in _COMPUTING and package in _OF_DATA:
        return ""
    if name in _OF_RECORDS or not _is_installed(package):
        return ""
    kind = owner if isinstance(owner, type) else type(owner)
    return f"the method {name} of a {kind.__name__} may do more than compute; call a function of your own instead"


def _module_of(owner: Any, name: str, value: Any) -> str:
    """Return the module of the class that has an attribute, which the user's own may inherit, or else its own."""
    kind = owner if isinstance(owner, type) else type(owner)
    for base in kind.__mro__:
        if name in vars(base):
            return str(base.__module__)
    return str(getattr(value, "__module__", None) or kind.__module__)


def given_by(owner: Any, name: str, value: Any) -> Any:
    """Return whose method a value is: of what an object hands on, or holds as an item, by a name of the object's."""
    of = getattr(value, "__self__", None)
    if of is None or isinstance(of, ModuleType) or any(name in vars(base) for base in type(owner).__mro__):
        return owner
    return of


@lru_cache(maxsize=256)
def _is_installed(package: str) -> bool:
    """Return whether a package is the standard library's, or was installed, rather than the user's own."""
    if package == "__main__":
        return False
    if package in sys.stdlib_module_names or package == "graphkit":
        return True
    module = sys.modules.get(package)
    places = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or ())]
    return any(_is_installed_file(place) for place in places if place)


def _is_installed_file(place: str) -> bool:
    path = Path(place)
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    return any(path.is_relative_to(root) for key in ("stdlib", "platstdlib") if (root := sysconfig.get_path(key)))
