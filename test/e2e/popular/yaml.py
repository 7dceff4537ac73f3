# /// script
# dependencies = ["pyyaml"]
# ///
import yaml


def operate():
    value = yaml.load("a: [1, 2.5, null]\nb: &x {c: yes}\nd: *x\n", Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return [value, yaml.safe_dump(value), yaml.__with_libyaml__]
