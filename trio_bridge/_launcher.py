"""Runs a program as plain Python would, from inside a Python that runs already.

To the program all is the same: ``sys.argv``, ``sys.path``, the module ``__main__``, the exit
status, and the traceback of what it raises.
"""

from __future__ import annotations

import builtins
import importlib.util
import io
import marshal
import sys
import zipfile
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, Final

from ._asyncio_first import HostLoop

LAUNCHER: Final = "python -m trio_bridge"


def run_script(path: str, args: list[str]) -> None:
    """Run a file, or a directory or zip file with a ``__main__.py``; as ``python path args...``.

    Raises:
      BaseException: what the program raises; with nothing more to do but to end the process.
    """
    is_file = not (Path(path).is_dir() or zipfile.is_zipfile(path))
    sys.argv = [path, *args]
    module, code = _from_file(path) if is_file else _from_directory(path)
    _run(module, code)


def run_module(name: str, args: list[str]) -> None:
    """Run a module, or a package's ``__main__``; as ``python -m name args...``.

    Raises:
      BaseException: as :func:`run_script`.
    """
    module, code = _from_spec(_find_module(name))
    sys.argv = [str(module.__file__), *args]
    _run(module, code)


# ---- finding it


def _from_file(path: str) -> tuple[ModuleType, CodeType]:
    _replace_path(str(Path(path).resolve().parent), also_if_safe=False)
    path = str(Path(path).absolute())
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as exc:
        reason = f"[Errno {exc.errno}] {exc.strerror}"
        print(f"{LAUNCHER}: can't open file {path!r}: {reason}", file=sys.stderr)
        sys.exit(2)
    if source.startswith(importlib.util.MAGIC_NUMBER):  # a .pyc file, with a header of 16 bytes
        code = marshal.loads(source[16:])
        return _main_module(path, SourcelessFileLoader("__main__", path), None), code
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as exc:
        raise _as_the_programs_own(exc, None)  # noqa: B904 -- the same exception
    module = _main_module(path, SourceFileLoader("__main__", path), None)
    return module, code


def _from_directory(path: str) -> tuple[ModuleType, CodeType]:
    path = str(Path(path).absolute())
    _replace_path(path, also_if_safe=True)
    spec = PathFinder.find_spec("__main__", [path])
    if spec is None:
        sys.exit(f"{LAUNCHER}: can't find '__main__' module in {path!r}")
    return _from_spec(spec)


def _replace_path(first: str, *, also_if_safe: bool) -> None:
    """``python -m`` has put the current directory where this belongs, but for ``python -P``."""
    if not sys.flags.safe_path:
        sys.path[0] = first
    elif also_if_safe:
        sys.path.insert(0, first)


def _find_module(name: str) -> ModuleSpec:
    if name.startswith("."):
        sys.exit(f"{LAUNCHER}: Relative module names not supported: {name}")
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name += ".__main__"
            spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise  # something that the package imports
        spec = None
    if spec is None:
        sys.exit(f"{LAUNCHER}: No module named {name}")
    return spec


def _from_spec(spec: ModuleSpec) -> tuple[ModuleType, CodeType]:
    loader: Any = spec.loader
    code = loader.get_code(spec.name) if hasattr(loader, "get_code") else None
    if code is None:
        sys.exit(f"{LAUNCHER}: {spec.name} has no Python code to run")
    module = _main_module(spec.origin, loader, spec.cached)
    module.__spec__ = spec
    module.__package__ = spec.parent
    return module, code


def _main_module(file: str | None, loader: Any, cached: str | None) -> ModuleType:
    module = ModuleType("__main__")
    module.__file__ = file
    module.__loader__ = loader
    attributes = vars(module)
    attributes["__builtins__"] = builtins
    if sys.version_info < (3, 14):
        attributes["__annotations__"] = {}
    if sys.version_info < (3, 15):
        attributes["__cached__"] = cached
    return module


# ---- running it


def _run(module: ModuleType, code: CodeType) -> None:
    # The launcher's own module must live on, though it gives its names away: multiprocessing has
    # made another of them, if something has imported it before the program starts.
    launcher = sys.modules["__main__"]
    for name, loaded in list(sys.modules.items()):
        if loaded is launcher:
            sys.modules[name] = module
    sys.modules[f"{__package__}.__main__"] = launcher
    try:
        exec(code, vars(module))
    except SystemExit:
        raise
    except BaseException as exc:
        raise _as_the_programs_own(exc, module)  # noqa: B904 -- the same exception


def _as_the_programs_own(exc: BaseException, module: ModuleType | None) -> BaseException:
    """``exc``, which ends the process: to be printed without frames that plain Python hasn't."""
    program: Any = None if module is None else vars(module)
    print_error = sys.excepthook

    def excepthook(
        cls: type[BaseException], error: BaseException, tb: TracebackType | None
    ) -> None:
        while tb is not None and tb.tb_frame.f_globals is not program:
            tb = tb.tb_next
        error.__traceback__ = tb
        _hide_our_loop(error, set())
        print_error(cls, error, error.__traceback__)

    sys.excepthook = excepthook
    return exc


def _hide_our_loop(exc: BaseException | None, seen: set[int]) -> None:
    """Leave out the one frame that our loop adds to asyncio's, wherever it shows."""
    if exc is None or id(exc) in seen:
        return
    seen.add(id(exc))
    tb = exc.__traceback__
    while tb is not None:
        while tb.tb_next is not None and _is_our_loops(tb.tb_next):
            tb.tb_next = tb.tb_next.tb_next
        tb = tb.tb_next
    inner = exc.exceptions if isinstance(exc, BaseExceptionGroup) else ()
    for related in (exc.__context__, exc.__cause__, *inner):
        _hide_our_loop(related, seen)


def _is_our_loops(tb: TracebackType) -> bool:
    return tb.tb_frame.f_code is HostLoop.run_forever.__code__
