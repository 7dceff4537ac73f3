"""What pip is configured to, said to `uv pip compile`, which reads none of pip's files and variables.

Pure. What decides which versions are chosen is said or refused by its name; the rest of pip's options is about what uv
does not do.
"""
import ast
import re
import sys

import target_tags

# Those that `pip download` reads; what comes later counts more.
_SECTIONS = ("global", "download", ":env:")
_LINE = re.compile(r"(\S+?)=(['\"].*)")
_TRUE = ("1", "true", "yes", "on", "y", "t")
# Neither chooses a version nor finds a file: pip's own affairs, and what it is told anyway when it fetches.
_NO_MATTER = {
    "config-file", "no-input", "require-virtualenv", "disable-pip-version-check", "quiet", "verbose", "no-cache-dir", "cache-dir",
    "progress-bar", "no-color", "exists-action", "log", "debug", "isolated", "dest", "src", "no-clean", "no-python-version-warning",
    "root-user-action", "break-system-packages", "no-warn-script-location", "no-warn-conflicts", "compile", "no-compile", "user",
    "prefer-binary", "only-binary", "no-binary", "use-pep517", "no-build-isolation", "check-build-dependencies", "resume-retries",
}
_SAID = {
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy", "timeout", "retries",
    "pre", "constraint", "keyring-provider",
}
_OTHER_NAMES = {"default-timeout": "timeout", "pypi-url": "index-url"}
_KEYRINGS = ("subprocess", "disabled")
# Variables that pip takes certificates from, of which uv knows the first.
_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_GLIBC_MINORS = (17, 28, *range(31, 41))
_MACHINES = ("x86_64", "aarch64")


class Unsayable(Exception):
    """pip has it, and uv has no word for it."""


def configured(printed: str) -> "dict[str, str]":
    """What `pip config list` printed, by option, as `pip download` takes it."""
    found: "dict[str, dict[str, str]]" = {section: {} for section in _SECTIONS}
    for line in printed.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is None:
            continue  # a warning
        section, _dot, option = match[1].rpartition(".")
        if section in found:
            found[section][_OTHER_NAMES.get(option, option)] = str(ast.literal_eval(match[2]))
    return {option: value for section in _SECTIONS for option, value in found[section].items()}


def arguments(config: "dict[str, str]", options: "list[str]", target: dict) -> "list[str]":
    """`options`: lines of the list of packages that are no requirements. Raises Unsayable."""
    strange = sorted(set(config) - _SAID - _NO_MATTER)
    if strange:
        raise Unsayable(f"pip is configured to have {', '.join(strange)}, which can not be said to uv")
    words = ["--no-build", "--generate-hashes", "--no-header", "--no-annotate", "--no-config", "--no-cache", "--no-progress"]
    words += ["--color", "never", "--no-python-downloads", *_target(target)]
    # pip takes the best version of all indexes; uv by itself that of the first one that has the package.
    words += ["--index-strategy", "unsafe-best-match", *_places(config, options)]
    for option, word in (("trusted-host", "--allow-insecure-host"), ("constraint", "--constraint")):
        words += _each(word, config.get(option, ""))
    if _is_true(config.get("pre", "")) or "--pre" in options:
        words += ["--prerelease", "allow"]
    keyring = config.get("keyring-provider")
    if keyring is not None and keyring not in _KEYRINGS:
        raise Unsayable(f"pip is configured to have keyring-provider {keyring}, which can not be said to uv")
    return words if keyring is None else [*words, "--keyring-provider", keyring]


def environment(config: "dict[str, str]", own: "dict[str, str]") -> "dict[str, str]":
    """`own`: this process's."""
    env = {name: value for name, value in own.items() if not name.startswith(("PIP_", "UV_"))}
    certificates = [config.get("cert", ""), *(own.get(name, "") for name in _CERTIFICATES)]
    for name, value in (
        ("SSL_CERT_FILE", next(filter(None, certificates), "")),
        ("SSL_CLIENT_CERT", config.get("client-cert", "")),
        *((name, config.get("proxy", "")) for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")),
        ("UV_HTTP_TIMEOUT", config.get("timeout", "")),
        ("UV_HTTP_RETRIES", config.get("retries", "")),
    ):
        if value != "":
            env[name] = value
    return env


def _places(config: "dict[str, str]", options: "list[str]") -> "list[str]":
    """Where it looks: what the list says comes in place of, or to, what pip is configured to, as pip has it."""
    indexes = [config.get("index-url", ""), *config.get("extra-index-url", "").split()]
    links = config.get("find-links", "").split()
    no_index = _is_true(config.get("no-index", ""))
    for line in options:
        name, _space, value = line.partition(" ")
        if name == "--index-url":
            indexes = [value]
        elif name == "--extra-index-url":
            indexes.append(value)
        elif name == "--find-links":
            links.append(value)
        elif name == "--no-index":
            no_index = True
        elif name not in ("--pre", "--prefer-binary", "--only-binary"):
            raise Unsayable(f"the list of packages says {name}, which can not be said to uv")
    words = _each("--find-links", " ".join(links))
    if no_index:
        return ["--no-index", *words]
    first, *others = indexes
    return [*_each("--index-url", first), *_each("--extra-index-url", " ".join(others)), *words]


def _each(word: str, values: str) -> "list[str]":
    return [part for value in values.split() for part in (word, value)]


def _is_true(value: str) -> bool:
    return value.lower() in _TRUE


def _target(target: dict) -> "list[str]":
    words = ["--python", sys.executable]
    if target_tags.is_own(target):
        return words
    machine, libc = target["markers"]["platform_machine"], target["libc"]
    implementation, abi = target["soabi"].split("-")[:2]
    if implementation != "cpython" or not abi.isdigit() or machine not in _MACHINES:
        raise Unsayable(f"packages are for {target['soabi']}, which can not be said to uv")
    platform = f"{machine}-unknown-linux-musl"
    if not libc.startswith("musl"):
        minors = [minor for minor in _GLIBC_MINORS if minor <= int(libc[len("glibc"):].split(".")[1])]
        platform = f"{machine}-manylinux_2_{max(minors, default=_GLIBC_MINORS[0])}"
    return [*words, "--python-version", target["version"], "--python-platform", platform]
