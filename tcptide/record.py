"""NamedTuple, made in a fraction of the time: a check has fifty such types, and starts anew every minute.

The standard library's compiles a constructor for each of them. Those made here are the same to a type checker, and to
who uses their fields, defaults and methods, `_fields`, `_field_defaults`, `_asdict()` and `_replace()`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    try:
        from _collections import _tuplegetter
    except ImportError:  # as in the standard library, for other Pythons
        from operator import itemgetter

        def _tuplegetter(index: int, doc: str) -> property:
            return property(itemgetter(index), doc=doc)

    _getters: list[Any] = []  # of the first field, the second and so on: types share them

    def _constructor(count: int, new: Callable[..., Any] = tuple.__new__) -> Callable[..., Any]:
        """__new__ of a type with so many fields."""

        def __new__(cls: type, *values: Any, **named: Any) -> Any:  # noqa: N807 (it becomes the type's)
            if named or len(values) != count:
                values = cls._filled(values, named)
            return new(cls, values)

        return __new__

    class _Type(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            body["__slots__"] = ()
            if "__annotations__" not in body:  # the first of all, or one that only adds methods
                return super().__new__(cls, name, bases, body)
            fields = tuple(body["__annotations__"])
            while len(_getters) < len(fields):
                _getters.append(_tuplegetter(len(_getters), f"Field number {len(_getters)}"))
            defaults = {field: body[field] for field in fields if field in body}
            if tuple(defaults) != fields[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default follows one with a default")
            body.update(zip(fields, _getters, strict=False))
            body.update(__match_args__=fields, _fields=fields, _field_defaults=defaults)
            body["__new__"] = _constructor(len(fields))
            return super().__new__(cls, name, bases, body)

    class NamedTuple(tuple, metaclass=_Type):
        """A tuple whose items have names; made of values in the fields' order, or by name."""

        _fields, _field_defaults = (), {}

        @classmethod
        def _filled(cls, values: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
            """A value for each field. Raises TypeError."""
            rest = cls._fields[len(values) :]
            known = {**cls._field_defaults, **named}
            wrong = [f"no {field}" for field in rest if field not in known]
            wrong += [f"another {field}" for field in named if field not in rest]
            if wrong or len(values) > len(cls._fields):
                raise TypeError(f"{cls.__name__}: {', '.join(wrong) or 'too many values'}")
            return [*values, *(known[field] for field in rest)]

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **named: Any) -> "NamedTuple":
            values = {**self._asdict(), **named}
            if len(values) != len(self):
                raise ValueError(f"{type(self).__name__} has no {', '.join(sorted(named.keys() - set(self._fields)))}")
            return tuple.__new__(type(self), values.values())

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"
