"""Onepass under one name: all that the menus of `features` and `pipeline` hold.

`features` and `pipeline` are names that other projects use, too; `onepass` is safe. Importing it
loads nothing: each name is fetched when it is first asked for.

Example:
    >>> import onepass
    >>> data = onepass.load_dataset(Path("features.h5"))
    >>> done = onepass.fit(data, Path("model"), onepass.FitOptions(head="logistic"))
    >>> done.held_out.scores["roc_auc"]
    1.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what a checker or an editor sees; a star, so that the menus stand once
    import features
    import pipeline
    from features import *  # noqa: F403
    from pipeline import *  # noqa: F403

    __version__: str
    __all__: list[str] = []
    __all__ += features.__all__
    __all__ += pipeline.__all__

_MENUS = ("pipeline", "features")


def _fetch(name: str) -> Any:  # noqa: ANN401 - anything that is public
    """Fetch a public name from the menu that has it, once.

    Args:
        name: of a function, class or constant of `features` or `pipeline`; or `__all__`, the
            names of both; or `__version__`, of the installed package.

    Raises:
        AttributeError: no menu has it.
    """
    if name == "__all__":
        found: Any = [entry for menu in _MENUS for entry in importlib.import_module(menu).__all__]
    elif name == "__version__":
        found = importlib.import_module("importlib.metadata").version("onepass")
    else:
        found = _from_menus(name)
    globals()[name] = found
    return found


def _from_menus(name: str) -> Any:  # noqa: ANN401 - anything that is public
    if not name.startswith("_"):
        for menu in map(importlib.import_module, _MENUS):
            if name in menu.__all__:
                return getattr(menu, name)
    raise AttributeError(f"module 'onepass' has no attribute {name!r}; dir(onepass) lists all")


if not TYPE_CHECKING:  # a checker would let any name pass
    __getattr__ = _fetch


def __dir__() -> list[str]:
    """List the names of both menus, for completion and `help`."""
    return sorted({*_fetch("__all__"), "__all__", "__doc__", "__version__"})
