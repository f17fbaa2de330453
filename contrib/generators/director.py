"""The Director's baskets: commands, a service template for each, and the fields that ask for their options.

director-basket.json is for Icinga Director 1.11 and later. Its UUIDs are made of the objects' names, so that a newer
basket changes what an older one has made. Director 1.10 (Debian 12) refuses a basket with UUIDs, and knows objects by
their names: director-basket-1.10.json is the same without.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from checks.spec import CheckSpec, Option

from . import flag, for_monitoring, variable
from .services import SERVICES

PATH, PATH_1_10 = "contrib/icinga/director-basket.json", "contrib/icinga/director-basket-1.10.json"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "tcptide")
BASE = "tcptide-service"
TYPES = "Icinga\\Module\\Director\\DataType\\DataType"


def files(checks: Sequence[CheckSpec]) -> dict[str, str]:
    """The two files."""
    fields: dict[str, str] = {}
    for spec in checks:
        for option in for_monitoring(spec):
            fields[variable(spec, option)] = str(len(fields) + 1)
    basket: dict[str, dict[str, dict[str, Any]]] = {
        "Command": {spec.key: _command(spec, fields) for spec in checks},
        "ServiceTemplate": {BASE: _base(), **{f"{BASE}-{spec.key}": _template(spec) for spec in checks}},
        "DataList": {name: _list(name, words) for spec in checks for name, words in _lists(spec)},
        "Datafield": {
            fields[variable(spec, option)]: _field(spec, option) for spec in checks for option in for_monitoring(spec)
        },
    }
    identified = {
        kind: {key: {**object, "uuid": _uuid(kind, object)} for key, object in objects.items()}
        for kind, objects in basket.items()
    }
    return {PATH: _json(identified), PATH_1_10: _json(basket)}


def _json(basket: Mapping[str, Any]) -> str:
    return json.dumps(basket, indent=4) + "\n"


def _uuid(kind: str, object: Mapping[str, Any]) -> str:
    name = next(object[key] for key in ("object_name", "list_name", "varname") if key in object)
    return str(uuid.uuid5(NAMESPACE, f"{kind} {name}"))


def _command(spec: CheckSpec, fields: Mapping[str, str]) -> dict[str, Any]:
    options = for_monitoring(spec)
    ids = [int(fields[variable(spec, option)]) for option in options]
    return {
        "object_name": spec.key,
        "object_type": "object",
        "methods_execute": "PluginCheck",
        "command": f"PluginContribDir + /{spec.name}",
        "timeout": "60",
        "arguments": {flag(option): _argument(spec, option) for option in options},
        "fields": [{"datafield_id": id, "is_required": "n", "var_filter": None} for id in ids],
        "vars": {f"{spec.key}_record": "$service.name$"},
    }


def _argument(spec: CheckSpec, option: Option) -> dict[str, Any]:
    given = {"value" if option.metavar else "set_if": f"${variable(spec, option)}$", "description": option.help}
    return given | ({"repeat_key": True} if option.repeatable else {})


def _base() -> dict[str, Any]:
    """As contrib/icinga/services.conf has it."""
    intervals = {"check_interval": "60", "retry_interval": "15", "max_check_attempts": "3"}
    on_the_host = {"use_agent": True}  # else it would look at whichever machine runs it
    return {"object_name": BASE, "object_type": "template", **intervals, **on_the_host, "fields": [], "vars": {}}


def _template(spec: CheckSpec) -> dict[str, Any]:
    quiet = [service.spec for service in SERVICES if not service.pages]
    return {
        "object_name": f"{BASE}-{spec.key}",
        "object_type": "template",
        "imports": [BASE],
        "check_command": spec.key,
        "fields": [],
        "vars": {},
        "notes": spec.summary,
        **({"enable_notifications": False} if spec in quiet else {}),
    }


def _lists(spec: CheckSpec) -> Iterator[tuple[str, Sequence[str]]]:
    for option in for_monitoring(spec):
        if option.choices:
            yield _list_name(spec, option), option.choices


def _list_name(spec: CheckSpec, option: Option) -> str:
    return f"{variable(spec, option)} words"


def _list(name: str, words: Sequence[str]) -> dict[str, Any]:
    entries = [{"entry_name": word, "entry_value": word, "format": "string", "allowed_roles": None} for word in words]
    return {"list_name": name, "owner": "tcptide", "entries": entries}


def _field(spec: CheckSpec, option: Option) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if not option.metavar:
        kind = "Boolean"
    elif option.choices:
        kind = "Datalist"
        settings = {
            "behavior": "suggest_optional",  # a word may have more to it, as in `spike=critical`
            "data_type": "array" if option.repeatable else "string",
            "datalist": _list_name(spec, option),
        }
    else:
        kind = "Array" if option.repeatable else "String"
    return {
        "varname": variable(spec, option),
        "caption": f"{spec.key} {flag(option)} {option.metavar or ''}".rstrip(),
        "description": option.help,
        "datatype": TYPES + kind,
        "format": None,
        "settings": settings,
    }
