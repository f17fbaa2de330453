"""The baskets for Director: objects that fit together, and that keep their identity from version to version."""

import json
from typing import Any

import pytest

from checks import options
from contrib.generate import checks
from tcptide.model import ALARM_PATTERNS, STATES

from .test_layers import TREE

Basket = dict[str, dict[str, dict[str, Any]]]
KINDS = ["Command", "ServiceTemplate", "DataList", "Datafield"]


def basket(name: str) -> Basket:
    with open(f"{TREE}/contrib/icinga/{name}.json", encoding="utf-8") as file:
        found: Basket = json.load(file)
    return found


@pytest.fixture(scope="module")
def newer() -> Basket:
    return basket("director-basket")


def test_each_check_has_a_command_whose_fields_are_its_arguments(newer: Basket) -> None:
    assert list(newer) == KINDS
    assert list(newer["Command"]) == [spec.key for spec in checks()]
    for spec in checks():
        command = newer["Command"][spec.key]
        flags = [option.flags[-1] for option in options.of(spec) if option.flags[-1] != "--output"]
        assert command["command"] == f"PluginContribDir + /{spec.name}"
        assert list(command["arguments"]) == flags
        asked = [newer["Datafield"][str(field["datafield_id"])]["varname"] for field in command["fields"]]
        assert asked == [f"{spec.key}_{flag[2:].replace('-', '_')}" for flag in flags]
    asked_somewhere = [field["datafield_id"] for one in newer["Command"].values() for field in one["fields"]]
    assert sorted(asked_somewhere) == sorted(int(id) for id in newer["Datafield"])


def test_nothing_has_a_value_that_would_beat_the_configuration_file(
    newer: Basket,
) -> None:
    given = [one["vars"] for kind in ("Command", "ServiceTemplate") for one in newer[kind].values() if one["vars"]]
    assert given == [{f"{spec.key}_record": "$service.name$"} for spec in checks()]


def test_what_is_one_of_some_words_is_chosen_from_a_list(newer: Basket) -> None:
    words = {name: [entry["entry_name"] for entry in one["entries"]] for name, one in newer["DataList"].items()}
    assert words == {
        "tcp_connections_state words": list(STATES),
        "tcp_connections_family words": ["4", "6"],
        "tcp_pattern_alert_on words": [*ALARM_PATTERNS, "all"],
    }
    from_lists = [one["settings"]["datalist"] for one in newer["Datafield"].values() if one["settings"]]
    assert from_lists == list(words)


def test_checks_that_say_why_notify_nobody(newer: Basket) -> None:
    templates = newer["ServiceTemplate"]
    quiet = [one["check_command"] for one in templates.values() if one.get("enable_notifications") is False]
    assert sorted(quiet) == ["tcp_pattern", "tcp_quality", "tcp_time_wait"]
    assert [one.get("imports") for one in templates.values()] == [None, *[["tcptide-service"]] * len(checks())]


def test_services_run_on_the_agent_of_their_host(newer: Basket) -> None:
    assert newer["ServiceTemplate"]["tcptide-service"]["use_agent"] is True


def test_uuids_are_those_of_the_first_version_and_differ(newer: Basket) -> None:
    assert newer["Command"]["tcp_connections"]["uuid"] == "44e04f59-2d5d-52de-a48e-ca33fad28241"
    assert newer["Command"]["tcp_time_wait"]["uuid"] == "4a4d8752-4c54-578c-8102-a645b3321529"
    uuids = [one["uuid"] for objects in newer.values() for one in objects.values()]
    assert len(set(uuids)) == len(uuids)


def test_basket_for_1_10_is_the_same_without_uuids(newer: Basket) -> None:
    without = {
        kind: {key: {name: value for name, value in one.items() if name != "uuid"} for key, one in objects.items()}
        for kind, objects in newer.items()
    }
    assert basket("director-basket-1.10") == without
