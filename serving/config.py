"""Reads `serving.yaml` of a feature repo: which services, which decisions, and how they are run."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from contract.durations import parse_duration
from serving.experiments.config import ExperimentConfig
from serving.scoring.policy import DecisionPolicy
from serving.yaml_file import Place, YamlError, YamlFile, read_yaml


class ServingConfigError(ValueError):
    """A `serving.yaml` that cannot be used; says which key, and what to write.

    Attributes:
        place: The keys and indexes that lead to what is wrong; empty where the whole is.
    """

    def __init__(self, message: str, place: Place = ()) -> None:
        """Note what is wrong, and where."""
        super().__init__(message)
        self.place = place


class Section(BaseModel):
    """A part of the file: nothing that is unknown, nothing that has to be converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


Whole = Annotated[int, Field(ge=1)]
Duration = Annotated[int, BeforeValidator(lambda given: _microseconds(given))]
"""Written as `5min`, held as microseconds."""
POLICY = "policy"


class HttpConfig(Section):
    """Where the service listens.

    Attributes:
        host: The address; 0.0.0.0 for every interface.
        port: The port; 0 takes a free one.
        max_instances: How many instances, or candidates, one request may hold.
        max_body_bytes: How large one request may be.
        budget_ms: How long an accepted request may take, milliseconds. What could not be answered within it gets 429 at
            once, what was accepted and comes too late after all 503, both with Retry-After.
    """

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    max_instances: Whole = 1000
    max_body_bytes: Whole = 1_000_000
    budget_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1000.0


class AuthConfig(Section):
    """Who may call.

    Attributes:
        keys: The file of keys, beside `serving.yaml`.
    """

    keys: Annotated[str, Field(min_length=1)]


class IdempotencyConfig(Section):
    """Where answers are kept for requests that come again with the same `Idempotency-Key`.

    Attributes:
        redis: The address, `redis://...`; `${NAME}` is taken from the environment.
        keep_s: How long an answer is kept, seconds.
    """

    redis: Annotated[str, Field(min_length=1)]
    keep_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 86_400.0


class BatchConfig(Section):
    """How requests that arrive together are scored together.

    Attributes:
        max_size: Most requests in one lookup and one prediction.
        wait_ms: How long the first one waits for more, milliseconds. 0 takes what has arrived: under load, requests
            gather while the batch before is scored, so waiting only adds latency.
    """

    max_size: Whole = 128
    wait_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class ReplicaConfig(Section):
    """How many replicas there are; they hold no state.

    Attributes:
        min: Fewest.
        max: Most.
        target_ongoing_requests: Requests in flight per replica that autoscaling aims at.
        num_cpus: What one replica reserves in Ray; a scheduling unit, not a limit.
        cache_mb: How many MB of rows each replica may keep, of views with a tag `millrace.cache`; the services share them
            evenly. 0 keeps none.
        cached_predictions: How many scores of exact feature vectors each replica may keep for a service. 0 keeps none.
    """

    min: Whole = 1
    max: Whole = 1
    target_ongoing_requests: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 96.0
    num_cpus: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5
    cache_mb: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    cached_predictions: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _rising(self) -> ReplicaConfig:
        if self.min > self.max:
            raise ValueError(f"min is {self.min}, more than max, {self.max}; raise max")
        return self


class TracesConfig(Section):
    """Traces by OpenTelemetry.

    Attributes:
        share: Which part of the requests is traced whose caller says nothing of it, from 0 to 1.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 1.0


class ServingConfig(Section):
    """Everything `serving.yaml` says.

    Attributes:
        services: The feature services to serve, the default first; each model has its service's name.
        policy: From a score to a decision; None where nothing is decided.
        http: Where it listens.
        auth: Who may call; None for all, which only a loopback address allows.
        batch: How requests are batched.
        replicas: How many replicas there are.
        idempotency: Where answers are kept for repeated requests; None keeps none.
        max_feature_age: By view, up to how long ago its values must be known to hold, such as `5min`. An answer on older ones
            is degraded and names the view.
        logs: `text`, or `json` for lines of JSON, one for each request as well, in `logs/` of the data folder.
        traces: Whether and which requests are traced; None for none.
        files: What it was read from; policy and models are read again when they change.
        experiments: By service, which models share its requests and what is measured. The file gives one experiment, which
            is the default service's, or one under the name of each service.
    """

    services: Annotated[tuple[str, ...], Field(alias="service", min_length=1)]
    policy: DecisionPolicy | None = None
    http: HttpConfig = HttpConfig()
    auth: AuthConfig | None = None
    batch: BatchConfig = BatchConfig()
    replicas: ReplicaConfig = ReplicaConfig()
    idempotency: IdempotencyConfig | None = None
    max_feature_age: dict[str, Duration] = Field(default_factory=dict)
    logs: Literal["text", "json"] = "text"
    traces: TracesConfig | None = None
    files: Annotated[tuple[Path, ...], Field(exclude=True, init=False)] = ()
    experiments: Annotated[dict[str, ExperimentConfig], Field(alias="experiment")] = {}

    @model_validator(mode="before")
    @classmethod
    def _one_experiment_is_of_the_default(cls, given: Any) -> Any:
        if (
            isinstance(given, dict)
            and isinstance(given.get("experiment"), dict)
            and {"unit", "arms"} & set(given["experiment"])
        ):
            services = given.get("service")
            default = services[0] if isinstance(services, list) and services else services
            return {**given, "experiment": {default: given["experiment"]}}
        return given

    @model_validator(mode="after")
    def _experiments_are_of_services(self) -> ServingConfig:
        for service in self.experiments:
            if service not in self.services:
                raise ValueError(
                    f"experiment.{service}: is not served; write the name of one of {', '.join(self.services)}, and under it"
                    " unit and arms"
                )
        return self

    @field_validator("services", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list) or not names or not all(isinstance(one, str) and one for one in names):
            raise ValueError(f"expected the name of a feature service, or a list of names, got {given!r}")
        return tuple(names)

    @model_validator(mode="after")
    def _keys_beyond_this_machine(self) -> ServingConfig:
        if self.auth is None and not is_loopback(self.http.host):
            raise ValueError(
                f"http.host {self.http.host} can be reached from other machines, so callers need keys; write"
                " 'auth: {keys: keys.yaml}' and into that file the line that `make key NAME=... SCOPES=score` prints, or"
                " 'host: 127.0.0.1'"
            )
        return self

    @property
    def key_file(self) -> Path | None:
        """Return the file of keys; None where callers need none."""
        if self.auth is None:
            return None
        return self.files[0].parent / self.auth.keys if self.files else Path(self.auth.keys)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach an address.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.1", "scoring.example")]
    [True, True, True, False, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _microseconds(given: object) -> int:
    if not isinstance(given, str):
        raise ValueError(f"expected a duration such as 5min, got {given!r}")
    return parse_duration(given)


def load_config(path: Path) -> ServingConfig:
    """Read `serving.yaml`, and the file of its policy where it names one.

    Raises:
        ServingConfigError: It is not there, or a key is unknown, missing, of the wrong type or out of bounds, or the
            policy does not give every score one decision. It names the line.
    """
    given = _read(path)
    if isinstance(given.data, dict) and isinstance(given.data.get(POLICY), str):
        other = path.parent / given.data[POLICY]
        data = dict(given.data)
        del data[POLICY]
        config = _checked(data, given)
        nested = _read(other)
        policy = _checked({"service": "of its own", POLICY: nested.data}, nested, skip=1).policy
        return config.model_copy(update={"policy": policy, "files": (path, other)})
    return _checked(given.data, given).model_copy(update={"files": (path,)})


def parse_config(given: object) -> ServingConfig:
    """Check a parsed `serving.yaml`.

    Raises:
        ServingConfigError: A key is unknown, missing, of the wrong type or out of bounds, or the policy does not give every
            score one decision.
    """
    if not isinstance(given, dict):
        raise ServingConfigError(f"expected keys such as 'service:', got {type(given).__name__}.")
    try:
        return ServingConfig.model_validate(given)
    except ValidationError as error:
        raise ServingConfigError(_told(error), error.errors(include_url=False)[0]["loc"]) from None


def _read(path: Path) -> YamlFile:
    try:
        return read_yaml(path)
    except FileNotFoundError:
        raise ServingConfigError(
            f"{path}: does not exist; write at least 'service: <feature service>' there."
        ) from None
    except YamlError as error:
        raise ServingConfigError(str(error)) from None


def _checked(data: object, file: YamlFile, skip: int = 0) -> ServingConfig:
    """Check what a file says; `skip` keys of a place in it are not the file's."""
    try:
        return parse_config(_with_lines(data, file, skip) if isinstance(data, dict) else data)
    except ServingConfigError as error:
        line = f":{file.line_of(error.place[skip:])}" if error.place else ""
        raise ServingConfigError(f"{file.path}{line}: {error}", error.place) from None


def _with_lines(data: dict[str, Any], file: YamlFile, skip: int) -> dict[str, Any]:
    """Note in each rule where it stands, for errors that are found later."""
    policy = data.get(POLICY)
    if not isinstance(policy, dict) or not isinstance(policy.get("rules"), list):
        return data
    place = (POLICY, "rules")[skip:]
    noted = [
        {**rule, "line": file.line_of((*place, index))} if isinstance(rule, dict) else rule
        for index, rule in enumerate(policy["rules"])
    ]
    return {**data, POLICY: {**policy, "rules": noted}}


def _told(error: ValidationError) -> str:
    """Say the first thing that is wrong: the key, what is expected, and what was given."""
    first = error.errors(include_url=False)[0]
    key = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in first["loc"]).lstrip(".")
    if first["type"] == "extra_forbidden":
        section: Any = ServingConfig
        for one in first["loc"][:-1]:
            section = _inside(section, one)
        known = ", ".join(field.alias or name for name, field in getattr(section, "model_fields", {}).items())
        return f"{key}: is not known" + (f"; write one of {known}." if known else ".")
    if first["type"] == "missing":
        example = ", such as 'service: <feature service>'" if key == "service" else ""
        return f"{key}: is missing; write it{example}."
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] != "value_error":
        return f"{key}: {message}, got {first['input']!r}."
    return f"{key}: {message}." if key else f"{message}."


def _inside(section: Any, key: int | str) -> Any:
    """Return what stands under a key of a section: another section, or None."""
    fields = {field.alias or name: field.annotation for name, field in getattr(section, "model_fields", {}).items()}
    if fields:
        return fields.get(str(key))
    return next((one for one in get_args(section) if hasattr(one, "model_fields")), None)  # one of many
