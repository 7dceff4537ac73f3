"""Events and results as JSON, the way json.loads and json.dumps do it with NaN and Infinity refused.

Made once, when the module is loaded: given an option, those two make a decoder and an encoder anew for every
call, which takes several times as long as a small event itself. It also keeps what a handler replaces in json
out of the way, except for JSONEncoder.default, which people do set to have their own types encoded.
"""
import json
from json import encoder


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_scan = _decoder.scan_once
_encoding_of = json.detect_encoding
_encoder_class = json.JSONEncoder
_plain = json.JSONEncoder(allow_nan=False)


def _default(value: object) -> object:
    return _encoder_class.default(_plain, value)


# Of the containers that are being encoded, so that one inside itself is noticed.
_open: dict = {}
_pieces_of = encoder.c_make_encoder(
    _open, _default, encoder.encode_basestring_ascii, None, _plain.key_separator, _plain.item_separator, False, False, False
)


def decode(text: bytes) -> object:
    """Raises ValueError or RecursionError for what is no JSON value."""
    whole = str(text, _encoding_of(text), "surrogatepass")
    try:
        value, end = _scan(whole, 0)
        if end == len(whole):
            return value
    except StopIteration:
        pass
    # Space around the value, or something wrong, for which this has the words.
    return _decoder.decode(whole)


def encode(value: object) -> bytes:
    """Raises whatever a value that is no JSON leads to: TypeError, ValueError, RecursionError, or worse."""
    try:
        return "".join(_pieces_of(value, 0)).encode()
    except BaseException:
        _open.clear()
        raise
