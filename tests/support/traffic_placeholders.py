"""Replace ids, names and secrets of recorded traffic by placeholders.

The form is that of our recordings of the real service: `{workspace}` in addresses, `<createdBy>` elsewhere.

A value is not kept because it looks harmless, but because it cannot be anything else: an address is kept as far as it
is the API's, a text as far as its words are the contract's, a value under a name or a key not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from contract_words import is_of_contract

MANAGEMENT = "management.azure.com"
_HOSTS = (
    (re.compile(r"[\w-]+\.api\.azureml\.ms"), "{region}.api.azureml.ms"),
    (re.compile(r"[\w-]+\.experiments\.azureml\.net"), "{region}.experiments.azureml.net"),
    (re.compile(r"[\w-]+\.[\w-]+\.inference\.ml\.azure\.com"), "{endpoint}.{region}.inference.ml.azure.com"),
    (re.compile(r"\w+\.(blob|dfs|file|queue|table)\.core\.windows\.net"), r"{account}.\1.core.windows.net"),
    (re.compile(r"(management\.azure\.com|ml\.azure\.com|aka\.ms|azuremlschemas\.azureedge\.net)"), r"\1"),
)
# Path segments whose next segment is a name.
_NAMED = {
    "subscriptions": "{subscription}",
    "resourcegroups": "{rg}",
    "workspaces": "{workspace}",
    "locations": "{location}",
    "registries": "{registry}",
    "onlineendpoints": "{endpoint}",
    "batchendpoints": "{endpoint}",
    "deployments": "{deployment}",
    "datastores": "{datastore}",
    "computes": "{compute}",
    "versions": "{version}",
    "jobs": "{job}",
    **dict.fromkeys(("codes", "components", "data", "environments", "models", "labels"), "{name}"),
    **dict.fromkeys(("experiments", "experimentids", "runs", "operations", "computeoperationsstatus"), "{name}"),
}
_OPERATION = re.compile(r"([a-z]{1,5}):[^:]+:[^:]+")
_VERSION = re.compile(r"v\d\.\d")
_API_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-(preview|dataplanepreview))?")
_QUERY = {"listViewType", "$orderBy", "$top"}
# Parameters of signed URLs.
_SIGNED = frozenset(
    ["t", "c", "s", "h", "sig", "se", "st", "sp", "sr", "sv", "spr", "srt", "ss", "skoid", "sktid", "skt", "ske", "sks"]
)

_HEADERS = (
    *("content-type", "location", "azure-asyncoperation", "retry-after", "x-ms-async-operation-timeout"),
    *("x-ms-response-type", "x-ms-failure-cause", "azureml-model-deployment", "ms-azureml-model-error-statuscode"),
)
_MEDIA_TYPE = re.compile(r"(application|text)/[a-z]{1,12}(; ?charset=utf-8)?")

_NEVER = re.compile(
    r"(?i)\w*(name|by|user|login|mail|upn|owner|principal|account|description|command|location|region|fqdn|host|content"
    r"|keys?|secrets?|tokens?|passwords?|pwd|credentials?|sas|sasuri|signature|connectionstring|etag|tenantid|clientid"
    r"|principalid|objectid|resourceid)"
)
_MESSAGE = re.compile(r"(?i)(error)?message(format)?|title|errors|reasonphrase")
# Dictionaries whose keys users choose; a dictionary `properties` is one inside another of that name.
_USERS = frozenset(
    [
        *("tags", "environmentVariables", "environment_variables", "traffic", "mirrorTraffic", "inputs", "outputs"),
        *("inputData", "outputData", "services", "jobs", "flavors", "userAssignedIdentities", "annotations"),
        *("distribution", "outboundRules"),
    ]
)
_PERCENTAGES = ("traffic", "mirrorTraffic")
_ANY = ("value", "default")
"""Fields in which users write any number."""
_SERVICES_OWN = re.compile(r"(_?azureml\.|AzureAsync|mlflow\.source\.|hash_)[A-Za-z_.]{1,40}(256)?")
_FIELD = re.compile(r"[$_]?[A-Za-z]+\d{0,2}(?:[_.-]?[A-Za-z]+)*\d{0,3}")
_FIELD_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")

_UUID = re.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX = re.compile(r"[0-9a-f]{16,}")
_TIME = re.compile(r"(\d{4})-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(Z|[+-]\d\d:\d\d)?")
_DURATION = re.compile(r"P(?=[\dT])(\d{1,4}D)?(T(?=\d)(\d{1,4}H)?(\d{1,4}M)?(\d{1,5}(\.\d{1,3})?S)?)?")
_VM_SIZE = re.compile(r"(?i)standard_[a-z]{1,3}\d{1,3}[a-z]{0,4}(_v\d)?")
_PLAIN = re.compile(r"[A-Za-z]+(?:[-_.,/'][A-Za-z]+)*")
_ENUMERATION = re.compile(r"[A-Za-z]+(?:[_,][A-Za-z]+)*")
_STORAGE = "core.windows.net"
_COUNT = re.compile(r"\d{1,4}(/\d{1,4})?%?")
_AROUND = "'\"`()[]{},;:.!?"
_NO_TIME = "0001-01-01T00:00:00"  # the service's endTime of a running operation
_LARGEST = 10**6
_LONG = 200  # characters


class Placeholders:
    """Replaces everything that says whose traffic it is.

    Args:
        names: Names of the workspace and its resources, which may be words of the contract too.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._hidden: set[str] = set()
        self._hidden_words: set[str] = set()
        self.hide(names)

    def hide(self, names: Iterable[str]) -> None:
        """Never keep these names, nor in texts a word of them."""
        self._hidden |= {name.lower() for name in names}
        self._hidden_words |= {word.lower() for name in names for word in re.findall(r"[^\W\d_]{2,}", name)}

    def redo(self, value: Any) -> Any:
        """Replace what was hidden since it was recorded: in texts, addresses and fields."""
        if isinstance(value, dict):
            kept: dict[str, Any] = {}
            for key, each in value.items():
                kept[self._numbered(kept) if key.lower() in self._hidden else key] = self.redo(each)
            return kept
        if isinstance(value, list):
            return [self.redo(each) for each in value]
        return self._redo_text(value) if isinstance(value, str) else value

    def _redo_text(self, text: str) -> str:
        if re.fullmatch("<[a-z ]+>", text):
            return text
        if " " in text:
            return self._without_hidden(text)
        if text.lower() in self._hidden:
            return "<text>"
        return re.sub(r"[^/?&=:]+", lambda part: "{name}" if self._is_hidden_name(part[0]) else part[0], text)

    def _is_hidden_name(self, segment: str) -> bool:
        """Return whether a part of an address is a hidden name, and not a word before one."""
        return segment.lower() in self._hidden and segment.lower() not in {*_NAMED, "providers"}

    def host(self, host: str) -> str:
        """Return a host name without region, endpoint and account."""
        for pattern, stand_in in _HOSTS:
            if pattern.fullmatch(host):
                return pattern.sub(stand_in, host)
        return "<host>"

    def path(self, path: str) -> str:
        """Return an address's path with braces instead of names."""
        kept: list[str] = []
        segments = unquote(path).split("/")
        is_resource = False
        while segments:
            segment = segments.pop(0)
            if segment == "paths":
                return "/".join([*kept, segment, "<path>"])
            named = _NAMED.get(segment.lower(), "")
            if segment == "providers":
                is_resource, named = True, "{name}"
            elif is_resource and not named and segments and self._is_plain(segment):
                named = "{operation}" if segment.startswith("mfeOperation") else "{name}"
            is_own = named or segment == "" or _VERSION.fullmatch(segment) or self._is_plain(segment)
            kept.append(segment if is_own else "{name}")
            if named and segments:
                kept.append(self._name_in_path(segment, segments.pop(0), named))
        return "/".join(kept)

    def _name_in_path(self, kind: str, name: str, named: str) -> str:
        if kind == "providers" and self._is_plain(name):
            return name
        operation = _OPERATION.fullmatch(name) if named == "{operation}" else None
        return f"{operation[1]}:{{workspaceId}}:{{operation}}" if operation else named if name else ""

    def query(self, query: str) -> dict[str, str]:
        """Return a query's parameters; few values are the API's own."""
        return {
            (name if name in _SIGNED or self._is_parameter(name) else "<key>"): self._parameter(name, value)
            for name, value in parse_qsl(query, keep_blank_values=True)
        }

    def _is_parameter(self, name: str) -> bool:
        """Return whether a name is a parameter of the API: none has a digit, while a part of a secret may."""
        return self._is_field(name) and not any(map(str.isdigit, name))

    def url(self, address: str) -> str:
        """Return a URL's form."""
        try:
            parts = urlsplit(address)
            host = parts.hostname or ""
        except ValueError:
            return "<url>"
        if parts.scheme == "azureml":
            return self._asset(address)
        if parts.scheme != "https" or not host:
            return "<url>"
        named = self.host(host)
        path = self.path(parts.path) if "account" not in named and named != "<host>" else "/<path>"
        query = "&".join(
            f"{name}={value if value != '<value>' or name == '<key>' else f'<{name}>'}"
            for name, value in self.query(parts.query).items()
        )
        return f"https://{named}{path}{'?' if query else ''}{query}"

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that say something of the API."""
        lower = {name.lower(): value for name, value in headers.items()}
        return {name: self._header(name, lower[name]) for name in _HEADERS if name in lower}

    def body(self, raw: bytes | str | None) -> Any:
        """Return a body's form; None if it is empty."""
        text = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
        if not text:
            return None
        try:
            document = json.loads(text)
            return self.value(document)
        except (ValueError, RecursionError):
            return "<text>"

    def value(self, value: Any, key: str = "", above: str = "") -> Any:
        """Return a JSON value's form.

        Args:
            value: The value.
            key: The field it is in.
            above: The field that the object with this field is in.
        """
        if isinstance(value, dict):
            return self._object(value, key, above)
        if isinstance(value, list):
            return [self.value(each, key, above) for each in value]
        if isinstance(value, str):
            return self._text(key, value)
        if isinstance(value, bool) or value is None:
            return value
        return value if abs(value) < _LARGEST and key not in _ANY and not _NEVER.fullmatch(key) else 0

    def _object(self, value: Mapping[str, Any], key: str, above: str) -> dict[str, Any]:
        is_users = key in _USERS or (key == "properties" and above == "properties")
        kept: dict[str, Any] = {}
        for name, each in value.items():
            own = _SERVICES_OWN.fullmatch(name) if is_users else None
            field = name if own or (not is_users and self._is_field(name)) else self._numbered(kept)
            if is_users and isinstance(each, str):
                kept[field] = self._resource(each) or "<value>"
            else:
                given = _without_numbers(each) if is_users and key not in _PERCENTAGES else each
                # The service's validation errors have texts by field.
                inner = "errors" if key == "errors" else "" if is_users else name
                # The properties of a compute's properties are those of its kind.
                kept[field] = self.value(given, inner, "" if "computeType" in value else key)
        return kept

    def _is_field(self, name: str) -> bool:
        """Return whether a field has a schema's name: of somebody's, half of the words are not the contract's."""
        words = _FIELD_WORDS.findall(name)
        known = sum(map(is_of_contract, words))
        # A host name has more than one of these.
        needed = len(words) if re.search("[.-]", name) else len(words) / 2
        is_regular = name == "" or (bool(_FIELD.fullmatch(name)) and len(name) <= 50)
        return is_regular and known >= needed and name.lower() not in self._hidden

    @staticmethod
    def _numbered(taken: Mapping[str, Any]) -> str:
        count = sum(key.startswith("<key") for key in taken) + 1
        return "<key>" if count == 1 else f"<key{count}>"

    def _text(self, key: str, text: str) -> str:
        if text == "":
            return text
        if resource := self._resource(text):
            return resource
        named = f"<{key}>" if key and self._is_field(key) else "<text>"
        for pattern, form in ((_UUID, "<uuid>"), (_HEX, "<hex>")):
            if pattern.fullmatch(text):
                return named if _NEVER.fullmatch(key) else form
        if _NEVER.fullmatch(key):
            return named
        if _MESSAGE.fullmatch(key):
            return self._message(text)
        if moment := _TIME.fullmatch(text):
            return f"{_NO_TIME if moment[1] == '0001' else '<time>'}{moment[2] or ''}"
        if _DURATION.fullmatch(text) or _VM_SIZE.fullmatch(text):
            return text
        if text == _STORAGE or (self._is_plain(text) and (_ENUMERATION.fullmatch(text) or key == "type")):
            return text
        if _is_json(text):
            return "<json text>"
        if "\n" in text and ":" in text:
            return "<yaml text>"
        return "<text long>" if len(text) > _LONG else "<text>"

    def _resource(self, text: str) -> str:
        """Return the form of a URL or a resource id; empty if the text is neither."""
        if re.match(r"[a-z][a-z+.-]{1,15}://", text):
            return self.url(text)
        if text.startswith("azureml:"):
            return f"azureml:{self._id(text[8:])}" if text.startswith("azureml:/") else "azureml:<name>"
        return self._id(text) if text.lower().startswith("/subscriptions/") else ""

    def _asset(self, address: str) -> str:
        rest = address.removeprefix("azureml://")
        first, slash, others = rest.partition("/")
        if first.lower() in _NAMED:
            return f"azureml://{self.path(rest)}"
        return f"azureml://{self.host(first)}{slash}{self.path(others)}"

    def _id(self, text: str) -> str:
        path, question, query = text.partition("?")
        return self.path(path) + (f"?{'&'.join(self.query(query))}" if question else "")

    def _message(self, text: str) -> str:
        """Return a text for people, with the words of the contract only."""
        if _is_json(text):
            document = json.loads(text)
            return json.dumps(self.value({"message": document})["message"])
        return re.sub(r"\S+", lambda found: self._word(found[0]), text)

    def _word(self, word: str) -> str:
        core = word.strip(_AROUND)
        if not core:
            return word
        before, after = word.split(core, 1)
        return f"{before}{self._core(core)}{after}"

    def _core(self, core: str) -> str:
        if resource := self._resource(core):
            return resource
        if core.startswith("Microsoft.") and "/" in core:
            # A type with names: Microsoft.X/workspaces/NAME/onlineEndpoints/NAME.
            first, *rest = core.split("/")
            kinds = [word if number % 2 == 0 and self._is_plain(word) else "<name>" for number, word in enumerate(rest)]
            return "/".join([first if self._is_plain(first) else "<name>", *kinds])
        for pattern, form in ((_UUID, "<uuid>"), (_TIME, "<time>"), (_HEX, "<hex>")):
            if pattern.fullmatch(core):
                return form
        is_kept = _COUNT.fullmatch(core) or (self._is_plain(core) and core == self._without_hidden(core))
        return core if is_kept else "<name>"

    def _is_plain(self, text: str) -> bool:
        """Return whether a text has the contract's words only, and is not a hidden name."""
        words = re.findall(r"[A-Za-z]+", text)
        is_plain = bool(_PLAIN.fullmatch(text)) and text.lower() not in self._hidden
        return is_plain and all(len(word) <= 40 and is_of_contract(word) for word in words)

    def _without_hidden(self, text: str) -> str:
        hidden = self._hidden_words
        return re.sub(r"[A-Za-z]{2,}", lambda word: "<name>" if word[0].lower() in hidden else word[0], text)

    def _parameter(self, name: str, value: str) -> str:
        if name == "api-version" and _API_VERSION.fullmatch(value):
            return value
        is_own = name in _QUERY and all(_COUNT.fullmatch(part) or self._is_plain(part) for part in value.split())
        return value if is_own and len(value) <= 40 else "<value>"

    def _header(self, name: str, value: str) -> str:
        if name in ("location", "azure-asyncoperation"):
            return self.url(value)
        if name == "content-type":
            return value if _MEDIA_TYPE.fullmatch(value) else "<value>"
        if name == "azureml-model-deployment":
            return "<deployment>"
        is_own = _COUNT.fullmatch(value) or _DURATION.fullmatch(value) or self._is_plain(value)
        return value if is_own else "<value>"


def _without_numbers(value: Any) -> Any:
    """Return a value under a user's key with zeros for numbers; an object in it has the contract's fields again."""
    if isinstance(value, list):
        return [_without_numbers(each) for each in value]
    return 0 if isinstance(value, int | float) and not isinstance(value, bool) else value


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
