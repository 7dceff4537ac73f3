# /// script
# dependencies = ["orjson"]
# ///
import datetime

import orjson


def operate():
    value = {"b": [1, 2.5, None], "a": datetime.datetime(2024, 2, 29, 12)}
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    return [text.decode(), orjson.loads(text)]
