"""The Grafana dashboard, derived from the catalogue: a row for each family, a panel for each figure."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from streams.metrics.catalogue import Catalogue, Figure

Panel = dict[str, Any]

DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
UNITS = {"seconds": "s", "ratio": "percentunit"}
WIDTH, HEIGHT, COLUMNS = 8, 7, 24
SCOPE = 'app=~"$app",environment=~"$environment"'
SHOWN = 10  # of a dimension's values, the worst or busiest

_MONITOR = (  # title, query, unit, meaning
    (
        "Figures are fresh",
        "min(xmon_up) * min(xmon_snapshot_complete)",
        "bool",
        "1 while every partition is caught up.",
    ),
    ("Alerts firing", "max by (severity) (xmon_alerts_firing)", "short", "Alerts that fire now, by severity."),
    ("Records a second", "max by (topic) (rate(xmon_records_total[$__rate_interval]))", "short", "Applied, by topic."),
    (
        "Lag",
        "max by (topic) (sum by (topic, instance) (xmon_lag_records))",
        "short",
        "Records that wait to be applied.",
    ),
    (
        "Dead letters a second",
        "max by (reason) (rate(xmon_dead_letters_total[$__rate_interval]))",
        "short",
        "Records refused, by reason; `xmon dlq list` shows them.",
    ),
    (
        "Late events a second",
        "max by (topic) (rate(xmon_late_events_total[$__rate_interval]))",
        "short",
        "Events that were counted nowhere else, because their pane had closed.",
    ),
)


def metric(figure: Figure) -> str:
    """The name under which the figure's first statistic is published."""
    first = figure.statistics[0]
    suffix = "" if first == "value" else "_quantile" if first[1:].isdigit() else f"_{first}"
    return f"xmon_{figure.name}{suffix}"


def query(figure: Figure) -> str:
    """PromQL for a figure by the chosen dimension; every `serve` answers the same, so `instance` goes."""
    labels = [SCOPE, 'dimension="$dimension"']
    if figure.kind != "live":
        labels.append('window="$window"')
    if metric(figure).endswith("_quantile"):
        labels.append(f'quantile="{float("0." + figure.statistics[0][1:])}"')
    lowest = "bottomk" if figure.better == "higher" and figure.kind in {"ratio", "score"} else "topk"
    return f"{lowest}({SHOWN}, max without (instance, job) ({metric(figure)}{{{','.join(labels)}}}))"


def dashboard(catalogue: Catalogue) -> dict[str, Any]:
    """Grafana's JSON."""
    return {
        "uid": "xmon-experience",
        "title": "Digital experience",
        "description": "What customers live through, by the figures of the experience monitor.",
        "tags": ["experience-monitor"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": list(_variables(catalogue))},
        "panels": list(_panels(catalogue)),
    }


def _variables(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for name in ("app", "environment"):
        yield {
            "name": name,
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": f'label_values({{__name__=~"xmon_.+_total",dimension="all"}}, {name})', "refId": name},
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "allValue": ".+",
            "current": {"text": "All", "value": "$__all"},
        }
    values = ("all", *catalogue.dimensions)
    options = [{"text": value, "value": value, "selected": value == values[0]} for value in values]
    yield {"name": "dimension", "type": "custom", "query": ",".join(values), "options": options, "current": options[0]}
    yield {
        "name": "window",  # totals have more windows than the values of dimensions
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": 'label_values({__name__=~"xmon_.+_n",dimension="$dimension"}, window)', "refId": "window"},
        "refresh": 2,
        "current": {"text": "5m", "value": "5m"},
    }


def _panels(catalogue: Catalogue) -> Iterator[Panel]:
    numbers, top = count(1), 0
    groups = [("The monitor itself", [_panel(*row) for row in _MONITOR])]
    groups += [(family.name, [_figure_panel(figure) for figure in family.figures]) for family in catalogue.families]
    for title, panels in groups:
        yield _row(next(numbers), title, top)
        top += 1
        for index, panel in enumerate(panels):
            column, line = index % (COLUMNS // WIDTH), index // (COLUMNS // WIDTH)
            place = {"h": HEIGHT, "w": WIDTH, "x": column * WIDTH, "y": top + line * HEIGHT}
            yield {"id": next(numbers), "gridPos": place, **panel}
        top += HEIGHT * -(-len(panels) // (COLUMNS // WIDTH))


def _row(number: int, title: str, top: int) -> Panel:
    place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _figure_panel(figure: Figure) -> Panel:
    title = figure.name.replace("_", " ").capitalize()
    better = f" {figure.better.capitalize()} is better." if figure.better else ""
    unit = UNITS.get(figure.unit, "short") if figure.kind != "rate" else "short"
    labels = "".join(f" {{{{{name}}}}}" for name in figure.labels)
    return _panel(title, query(figure), unit, f"{figure.help}{better}", f"{{{{app}}}} {{{{value}}}}{labels}")


def _panel(title: str, expression: str, unit: str, meaning: str, legend: str = "__auto") -> Panel:
    return {
        "type": "timeseries",
        "title": title,
        "description": meaning,
        "datasource": DATASOURCE,
        "targets": [{"refId": "A", "datasource": DATASOURCE, "expr": expression, "legendFormat": legend}],
        "fieldConfig": {"defaults": {"unit": unit, "custom": {"lineWidth": 2, "fillOpacity": 8}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }
