# /// script
# dependencies = ["python-dateutil"]
# ///
import datetime

from dateutil import parser, relativedelta, rrule, tz


def operate():
    start = parser.parse("29 Feb 2024 10:00 PST", tzinfos={"PST": -28800})
    days = rrule.rrule(rrule.MONTHLY, count=3, bymonthday=-1, dtstart=datetime.datetime(2024, 1, 1))
    return [start.isoformat(), str(start.astimezone(tz.UTC) + relativedelta.relativedelta(years=1)), [str(day) for day in days]]
