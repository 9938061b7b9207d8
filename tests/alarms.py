"""Evaluates the template's alarms with metric math against made series, as CloudWatch would: points that arrive on time, late,
sparsely, or not at all.

    python tests/alarms.py
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
import template  # noqa: E402

RESOURCES = template.resolve(
    template.transformed(), template.SOURCES["existing-bucket"] | {"FastPath": "on", "SilenceHours": "6"}
)["Resources"]


class Series(list):
    """Points of consecutive periods. `None` is a missing point. A number counts for each period."""

    def combine(self, other, function):
        others = other if isinstance(other, list) else [other] * len(self)
        return Series(None if one is None or two is None else function(one, two) for one, two in zip(self, others))

    def __add__(self, other):
        return self.combine(other, lambda one, two: one + two)

    def __sub__(self, other):
        return self.combine(other, lambda one, two: one - two)

    def __gt__(self, other):
        return self.combine(other, lambda one, two: float(one > two))

    def __eq__(self, other):
        return self.combine(other, lambda one, two: float(one == two))

    def __and__(self, other):
        return self.combine(other, lambda one, two: float(bool(one) and bool(two)))


def fill(series, value):
    return Series(value if point is None else point for point in series)


def running_sum(series):
    total, sums = 0, Series()
    for point in series:
        total += point or 0
        sums.append(None if point is None else total)
    return sums


def diff(series):
    return Series([None, *(None if old is None or new is None else new - old for old, new in zip(series, series[1:]))])


def choose(condition, yes, no):
    return Series(None if point is None else yes if point else no for point in condition)


FUNCTIONS = {"FILL": fill, "RUNNING_SUM": running_sum, "DIFF": diff, "IF": choose}


def evaluate(alarm, series):
    """Returns the points of the alarm's own series. An expression stands before those that it reads."""
    known = FUNCTIONS | {"__builtins__": {}} | series
    for metric in reversed(alarm["Metrics"]):
        if "Expression" in metric:
            # Python's `&` binds more tightly than its comparisons, so both sides of AND have parentheses in the template.
            known[metric["Id"]] = eval(metric["Expression"].replace("AND", "&"), known)
    return known[alarm["Metrics"][0]["Id"]]


def is_alarming(alarm, series, more=0):
    """Whether the newest points of the evaluation range alarm. CloudWatch may fetch `more` points before them."""
    periods = int(alarm["EvaluationPeriods"])
    range_ = {name: Series(points[-(periods + more) :]) for name, points in series.items()}
    compare = {
        "GreaterThanThreshold": lambda point: point > alarm["Threshold"],
        "LessThanThreshold": lambda point: point < alarm["Threshold"],
    }[alarm["ComparisonOperator"]]
    breaching = alarm["TreatMissingData"] == "breaching"
    points = [breaching if point is None else compare(point) for point in evaluate(alarm, range_)[-periods:]]
    return sum(points) >= int(alarm.get("DatapointsToAlarm", periods))


def states(alarm, series, late=None, more=0):
    """The state after each period. The points of the metrics in `late` arrive this many periods later than the others."""
    length, late = len(next(iter(series.values()))), late or {}
    pad = int(alarm["EvaluationPeriods"]) + more
    result = []
    for now in range(1, length + 1):
        seen = {
            name: Series([None] * pad + points[: now - late.get(name, 0)] + [None] * min(now, late.get(name, 0)))
            for name, points in series.items()
        }
        result.append(is_alarming(alarm, seen, more))
    return result


def at(length, **points):
    """A series with these values at these places, and no other points."""
    return [points.get(f"p{place}") for place in range(length)]


def pages(found):
    """Returns the periods in which the alarm begins."""
    return [period for period, (old, new) in enumerate(zip([False, *found], found)) if new and not old]


class Alarms(unittest.TestCase):
    def alarm(self, name):
        return RESOURCES[name]["Properties"]

    def not_delivered(self, delivered, failed=None, late=None, more=0):
        length = len(delivered)
        series = {"published": at(length, p2=1), "delivered": delivered, "failed": failed or [None] * length}
        return states(self.alarm("NotDeliveredAlarm"), series, late, more)

    def test_an_alert_that_is_delivered_never_alarms(self):
        for delivered in (at(9, p2=1), at(9, p3=1), at(9, p2=3)):
            for late in ({}, {"delivered": 1}, {"published": 1}, {"delivered": 1, "published": 1}):
                for more in (0, 5):
                    self.assertNotIn(True, self.not_delivered(delivered, late=late, more=more), (delivered, late, more))

    def test_an_alert_that_nobody_receives_alarms_within_fifteen_minutes_and_ends(self):
        for more in (0, 5):
            found = self.not_delivered([None] * 12, more=more)
            self.assertEqual(found[:5], [False, False, False, False, True], more)
        self.assertFalse(self.not_delivered([None] * 12)[-1])
        self.assertTrue(any(self.not_delivered([0] * 12)))

    def test_a_failed_notification_has_its_own_alarm(self):
        self.assertNotIn(True, self.not_delivered([None] * 9, failed=at(9, p2=1)))

    def test_no_alerts_are_no_alarm(self):
        nothing = {name: [None] * 9 for name in ("published", "delivered", "failed")}
        self.assertNotIn(True, states(self.alarm("NotDeliveredAlarm"), nothing))

    def test_silence_alarms_on_time(self):
        alarm = self.alarm("SilenceAlarm")
        hours = int(alarm["EvaluationPeriods"])
        self.assertEqual(hours, 6)
        files = [50.0] * 10 + [None] * 12
        found = states(alarm, {"scanned": files})
        self.assertEqual(found.index(True), 10 + hours - 1)
        # However far back CloudWatch looks.
        self.assertEqual(states(alarm, {"scanned": files}, more=hours).index(True), 10 + hours - 1)

    def test_sparse_log_files_are_not_silence(self):
        files = ([1.0] + [None] * 4) * 6
        self.assertNotIn(True, states(self.alarm("SilenceAlarm"), {"scanned": files})[1:])
        # A metric that arrives an hour late.
        self.assertNotIn(True, states(self.alarm("SilenceAlarm"), {"scanned": files}, {"scanned": 1})[2:])

    def test_a_new_stack_without_log_files_is_silent(self):
        self.assertTrue(all(states(self.alarm("SilenceAlarm"), {"scanned": [None] * 3})))

    def test_one_poison_message_is_one_page(self):
        alarm = self.alarm("DeadLetterQueueGrowsAlarm")
        for more in (0, 1, 5):
            self.assertNotIn(True, states(alarm, {"waiting": [0, 0, 1, 1, 1, 0, 0]}, more=more))
            self.assertNotIn(True, states(alarm, {"waiting": [None, None, 1, 1, None, 0]}, more=more))
            found = states(alarm, {"waiting": [0, 1, 1, 2, 2, 2, 1, 0]}, more=more)
            self.assertEqual(pages(found), [3], more)
        first = self.alarm("DeadLetterQueueAlarm")
        self.assertEqual((first["MetricName"], first["Threshold"]), ("ApproximateNumberOfMessagesVisible", 0))

    def test_every_expression_is_tested(self):
        math = {name for name, each in RESOURCES.items() if "Metrics" in each.get("Properties", {})}
        self.assertEqual(math, {"NotDeliveredAlarm", "SilenceAlarm", "DeadLetterQueueGrowsAlarm"})


if __name__ == "__main__":
    unittest.main()
