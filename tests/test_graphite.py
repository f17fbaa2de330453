"""contrib/icinga/graphite: templates of the checks' own metrics, in the form that the module reads."""

import configparser
import os
import re

import pytest

from checks.spec import CheckSpec
from contrib.generate import checks

from .test_layers import TREE

FOLDER = f"{TREE}/contrib/icinga/graphite"
PARTS = ["graph", "metrics_filters", "urlparams", "functions"]


def test_each_check_has_a_file_and_no_other_is_left() -> None:
    assert sorted(os.listdir(FOLDER)) == sorted(f"{spec.key}.ini" for spec in checks())


@pytest.mark.parametrize("spec", checks(), ids=lambda spec: spec.key)
def test_graphs_draw_metrics_of(spec: CheckSpec) -> None:
    found = configparser.RawConfigParser(interpolation=None)
    found.optionxform = str  # type: ignore[method-assign,assignment]
    found.read(f"{FOLDER}/{spec.key}.ini", encoding="utf-8")
    names = list(dict.fromkeys(section.rpartition(".")[0] for section in found.sections()))
    assert found.sections() == [f"{name}.{part}" for name in names for part in PARTS]
    labels = [metric.label for metric in spec.metrics]
    for name in names:
        assert dict(found[f"{name}.graph"]) == {"check_command": f'"{spec.key}"'}
        filters = dict(found[f"{name}.metrics_filters"])
        drawn = [curve.removesuffix(".value") for curve in filters]
        assert set(drawn) <= set(labels)
        assert filters == {f"{label}.value": f'"$service_name_template$.perfdata.{label}.value"' for label in drawn}
        functions = dict(found[f"{name}.functions"])
        assert list(functions) == list(filters)
        for curve, function in functions.items():
            unit = next(metric.unit for metric in spec.metrics if f"{metric.label}.value" == curve)
            metric = "scale($metric$, 1000)" if unit == "ms" else "$metric$"  # Icinga hands on seconds
            assert re.fullmatch(rf'"alias\(color\({re.escape(metric)}, \'#[0-9a-f]{{6}}\'\), \'[^\']+\'\)"', function)
