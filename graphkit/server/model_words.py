"""What is said of a model that is added without what makes it answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.spec.keywords import misspelt

_EXAMPLE = """:
    class MyModel(graphkit.V2ModelServer):
        def predict(self, request):
            return self.model.predict(request["inputs"]).tolist()
"""


def is_model(value: Any) -> bool:
    """Return whether an object can predict by itself, as estimators do.

    >>> is_model("model.pkl")
    False
    """
    return not isinstance(value, type) and callable(getattr(value, "predict", None))


def named(value: Any) -> str:
    """Return what kind of object a value is.

    >>> named({})
    'an object of type dict'
    """
    return f"an object of type {type(value).__name__}"


def no_class(key: str, model_path: Any, class_args: Mapping[str, Any]) -> str:
    """Return what is wrong with a model without a class, and how the class of a ready object is written.

    >>> no_class("m", None, {"clas_name": int})
    "the model 'm' needs a class_name, found 'clas_name', did you mean 'class_name'?"
    """
    hint = misspelt((name for name in class_args if name != "model"), ("class_name", "handler"))
    ready = class_args.get("model")
    found = ""
    if is_model(model_path):
        ready, found = model_path, f", found {named(model_path)} as model_path"
    if hint or ready is None:
        return f"the model {key!r} needs a class_name{hint}"
    return (
        f"the model {key!r} needs a class_name{found}; the class says how {named(ready)} is asked{_EXAMPLE}"
        f"and then add_model({key!r}, class_name=MyModel, model=...)"
    )
