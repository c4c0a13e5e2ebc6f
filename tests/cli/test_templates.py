"""Templates that live elsewhere: fetched when their version is another, kept, and told of where they cannot be had."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from retrigger.cli.templates import FetchedTemplates, fetching
from retrigger.handlers.adapters.gcs import GcsObjects
from retrigger.handlers.jobs import PipelineJob
from retrigger.handlers.transport.credentials import Tokens, TokenSettings
from retrigger.handlers.transport.google import GoogleApi
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.local_emulator import metadata
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores import gcs_json
from retrigger.local_emulator.stores.objects import Objects as Store
from retrigger.testing import Sandbox
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.files import Unfit
from retrigger.triggers.authoring.kept import Copy, KeptTemplates
from retrigger.triggers.authoring.problems import ProjectError
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.compiled import load
from retrigger.triggers.errors import Unavailable
from tests.cli.conftest import PROJECT, TEMPLATE, retrigger, write_project
from tests.handlers.conftest import Loopback, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.handlers.conftest import Received

GCS = "gs://acme-templates/churn/train é.json"
TAGGED = "https://europe-west4-kfp.pkg.dev/acme-dev/pipelines/train/prod"
PACKAGE = "/v1/projects/acme-dev/locations/europe-west4/repositories/pipelines/packages/train"
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
LOCAL = "pipelines/train.json"
PLACE = "retrigger.yaml:"


def at(address: str) -> dict[str, str]:
    """The project of these tests, with its template there."""
    assert LOCAL in PROJECT
    return {"retrigger.yaml": PROJECT.replace(LOCAL, json.dumps(address))}


def compiled(text: str) -> Any:
    """The template that a project was compiled with."""
    found = load(text)
    return found.template(found.environment.pipelines["train"].template)


# Cloud Storage, as the commands reach it


class Cloud:
    """Cloud Storage and a metadata server on loopback, and what the commands are told of them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        store = Store(folder, lambda: datetime.now(UTC), lambda _: None)
        self.store = store
        self.server = Server([*gcs_json.routes(store), *metadata.routes(metadata.Identity("p", "europe-west4"))])
        self.server.start()
        store.insert_bucket("acme-templates", {})
        http = Http(HttpSettings(connect_timeout=1, timeout=5))
        api = GoogleApi(http, Tokens(http, TokenSettings(metadata=self.server.url)))
        self.objects = GcsObjects(api, endpoint=self.server.url)
        patch.setenv("STORAGE_EMULATOR_HOST", self.server.url)
        patch.setenv("GCE_METADATA_HOST", self.server.url.removeprefix("http://"))

    def put(self, name: str, text: str) -> None:
        self.objects.write("acme-templates", name, text.encode())

    def close(self) -> None:
        self.server.stop()
        self.store.close()


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    made = Cloud(tmp_path / "objects", monkeypatch)
    yield made
    made.close()


def test_a_template_in_a_bucket_is_embedded_as_a_local_one_is(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put("churn/train é.json", json.dumps(TEMPLATE))
    local, remote = write_project(tmp_path / "local"), write_project(tmp_path / "remote", at(GCS))
    assert retrigger("check", remote).code == 0
    files = []
    for project in (local, remote):
        file = tmp_path / f"{project.name}.json"
        assert retrigger("compile", project, "--env", "dev", "--out", file).code == 0
        files.append(file.read_text())
    assert files[0] == files[1]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
    assert retrigger("check", remote, "--offline").code == 0
    assert compiled(compile_project(load_project(remote), "dev")) == TEMPLATE
    called = retrigger("check", remote)
    assert called.code == 3
    assert f"{PLACE}" in called.err
    assert "--offline takes the copy that was fetched before" in called.err


def test_an_emulator_of_the_store_is_sent_no_token_of_the_callers(tmp_path: Path, registry: Registry) -> None:
    host = registry.loopback.host
    found = fetching(tmp_path, {"STORAGE_EMULATOR_HOST": host, "GCE_METADATA_HOST": host})
    with pytest.raises(Unfit, match="is not there"):
        found.read(GCS)
    [asked] = registry.loopback.requests  # nor was one asked for
    assert asked.headers["authorization"] == "Bearer none"


def test_yaml_is_read_and_the_signature_holds(cloud: Cloud, tmp_path: Path) -> None:
    wrong = json.loads(json.dumps(TEMPLATE))
    wrong["root"]["inputDefinitions"]["parameters"].pop("data")
    cloud.put("train.yaml", f"# compiled\n{json.dumps(wrong)}\n")
    project = write_project(tmp_path / "project", at("gs://acme-templates/train.yaml"))
    called = retrigger("check", project, "--format", "json")
    assert called.code == 1
    assert {line["code"] for line in called.lines} == {"unknown_parameter"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "missing_template"),
        ("{}", "bad_template"),
        ("[1]", "bad_template"),
        ("{", "bad_json"),
        ("\x00", "yaml_syntax"),
        ("apiVersion: argoproj.io/v1alpha1", "bad_template"),
    ],
)
def test_what_is_no_pipeline_is_told_at_its_place(cloud: Cloud, tmp_path: Path, text: str | None, code: str) -> None:
    if text is not None:
        cloud.put("x", text)
    project = write_project(tmp_path / "project", at("gs://acme-templates/x"))
    called = retrigger("check", project, "--format", "json")
    (line,) = called.lines
    written = PROJECT.splitlines()[line["line"] - 1]
    assert (called.code, line["code"], "template" in written[: line["column"]]) == (1, code, True)


def test_without_a_copy_nothing_is_fetched_where_nothing_may_be(cloud: Cloud, tmp_path: Path) -> None:
    cloud.put("churn/train é.json", json.dumps(TEMPLATE))
    project = write_project(tmp_path / "project", at(GCS))
    for command in (("check", project, "--offline"), ("explain", "--project", project, project / "retrigger.yaml")):
        called = retrigger(*command)
        assert (called.code, "not_fetched" in called.out + called.err) == (1, True)
    assert retrigger("deploy", "bundle", project, "--env", "dev", "--offline").code == 1


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/train.json",
        "http://europe-west4-kfp.pkg.dev/a/b/c/d",
        "gs://acme",
        f"{TAGGED}/more",
        "https://evil.example/x-kfp.pkg.dev/a/b/c/d",
        "https://a.b-kfp.pkg.dev/a/b/c/d",
        "https://u@x-kfp.pkg.dev/a/b/c/d",
    ],
)
def test_a_token_goes_nowhere_else(address: str, tmp_path: Path) -> None:
    called = retrigger("check", write_project(tmp_path / "project", at(address)), "--format", "json")
    assert [line["code"] for line in called.lines if "template" in line["message"]] == ["bad_value"]


# Artifact Registry


class Registry:
    """A repository with one package, behind one host."""

    def __init__(self) -> None:
        self.loopback = Loopback()
        self.loopback.always = self._answer
        self.tag = ONE
        self.versions = {ONE: json.dumps(TEMPLATE), TWO: json.dumps({**TEMPLATE, "sdkVersion": "kfp-3"})}
        self.moved = ""

    def _answer(self, received: Received) -> Reply:
        match received.path:
            case "/v1/projects/acme-dev/locations/europe-west4/repositories/pipelines/packages/train/tags/prod":
                return Reply(200, json.dumps({"name": received.path, "version": f"x/versions/{self.tag}"}).encode())
            case path if path.startswith("/acme-dev/pipelines/train/"):
                version = path.rpartition("/")[2]
                if self.moved:
                    return Reply(302, b"", {"Location": f"{self.moved}/elsewhere/{version}"})
                return Reply(200, self.versions[version].encode())
            case path if path.startswith("/elsewhere/"):
                return Reply(200, self.versions[path.rpartition("/")[2]].encode())
            case _:
                return Reply(404, b'{"error": {"status": "NOT_FOUND", "message": "no such thing"}}')

    def paths(self) -> list[str]:
        paths = [received.path for received in self.loopback.requests]
        self.loopback.requests.clear()
        return paths


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    yield made
    made.loopback.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project", at(TAGGED))


@pytest.fixture
def http() -> Http:
    return Http(HttpSettings(connect_timeout=1, timeout=5))


@pytest.fixture
def tokens() -> Iterator[Tokens]:
    server = Server(metadata.routes(metadata.Identity("p", "europe-west4")))
    server.start()
    yield Tokens(Http(HttpSettings(connect_timeout=1, timeout=5)), TokenSettings(metadata=server.url))
    server.stop()


@pytest.fixture
def fetched(root: Path, registry: Registry, http: Http, tokens: Tokens) -> FetchedTemplates:
    return FetchedTemplates(root, http, GoogleApi(http, tokens), registry=registry.loopback.url)


def test_a_tag_is_asked_for_its_version_each_time_and_a_version_is_fetched_once(
    registry: Registry, fetched: FetchedTemplates, root: Path
) -> None:
    tag, first, second = f"{PACKAGE}/tags/prod", f"/acme-dev/pipelines/train/{ONE}", f"/acme-dev/pipelines/train/{TWO}"
    for paths in ([tag, first], [tag]):
        assert compiled(compile_project(load_project(root, fetched), "dev")) == TEMPLATE
        assert registry.paths() == paths
    registry.tag = TWO
    text = compile_project(load_project(root, fetched), "dev")
    assert (compiled(text)["sdkVersion"], registry.paths()) == ("kfp-3", [tag, second])
    assert compile_project(load_project(root), "dev") == text
    (root / "retrigger.yaml").write_text(at(TAGGED.replace("prod", TWO))["retrigger.yaml"])
    assert compiled(compile_project(load_project(root, fetched), "dev"))["sdkVersion"] == "kfp-3"
    assert registry.paths() == [second]  # another address: it has no copy yet
    assert compile_project(load_project(root, fetched), "dev") == text
    assert registry.paths() == []


def test_the_job_names_the_version_that_it_holds(fetched: FetchedTemplates, root: Path) -> None:
    pinned = TAGGED.replace("prod", ONE)
    environment = load(compile_project(load_project(root, fetched), "dev")).environment
    assert environment.pipelines["train"].template_uri == pinned
    sandbox = Sandbox(root, environment="dev")
    sandbox.publish("requests", {"id": "r1", "data": "d", "seconds": "0"})
    [job] = sandbox.platform.jobs.values()
    assert isinstance(job, PipelineJob)
    assert job.template_uri == pinned


@pytest.mark.parametrize("other", [True, False])
def test_a_redirect_is_followed_once_and_our_token_goes_to_the_registry_alone(
    registry: Registry, fetched: FetchedTemplates, root: Path, other: bool
) -> None:
    elsewhere = Registry()
    registry.moved = elsewhere.loopback.url if other else registry.loopback.url
    try:
        assert compiled(compile_project(load_project(root, fetched), "dev")) == TEMPLATE
        asked = elsewhere.loopback.requests if other else registry.loopback.requests[-1:]
        assert ["authorization" in received.headers for received in asked] == [not other]
    finally:
        elsewhere.loopback.close()


@pytest.mark.parametrize(
    ("status", "code"), [(404, "missing_template"), (403, "template_refused"), (400, "template_refused")]
)
def test_a_refusal_is_a_problem_at_its_place(
    registry: Registry, fetched: FetchedTemplates, root: Path, status: int, code: str
) -> None:
    registry.loopback.reply(status, {"error": {"status": "X" if status != 404 else "NOT_FOUND", "message": "no"}})
    with pytest.raises(ProjectError) as caught:
        load_project(root, fetched)
    (problem,) = caught.value.problems
    assert (problem.path, problem.code, problem.line > 0) == ("retrigger.yaml", code, True)


@pytest.mark.parametrize("answer", [{"version": None}, {"version": "x/versions/latest"}, {}])
def test_an_odd_answer_and_an_outage_are_no_problem_of_the_file(
    registry: Registry, fetched: FetchedTemplates, root: Path, answer: dict[str, Any]
) -> None:
    registry.loopback.reply(200, answer)
    registry.loopback.reply(503)
    for _ in range(2):
        with pytest.raises(Unavailable, match=rf"^retrigger\.yaml:\d+:\d+: `{TAGGED}` cannot be fetched: .*--offline"):
            load_project(root, fetched)


def test_what_is_too_large_is_not_read_to_its_end(registry: Registry, root: Path, tokens: Tokens) -> None:
    registry.versions[ONE] = json.dumps({**TEMPLATE, "x": "x" * 2_000_000})
    small = Http(HttpSettings(connect_timeout=1, timeout=5, max_body=1_000_000))
    bounded = GoogleApi(small, tokens)
    with pytest.raises(ProjectError, match="template_refused"):
        load_project(root, FetchedTemplates(root, small, bounded, registry=registry.loopback.url))


# Copies


@pytest.mark.parametrize("damage", ["{", "null", '{"address": "gs://other/x"}', None])
def test_a_copy_that_was_touched_is_none(tmp_path: Path, damage: str | None) -> None:
    kept = KeptTemplates(tmp_path)
    copy = kept.keep(GCS, Copy(b"{}", "1"))
    assert (kept.find(GCS), kept.find(GCS + "x")) == (copy, None)
    folder = tmp_path / ".retrigger" / "templates"
    if damage is None:
        (data,) = folder.glob("*.template")
        data.write_bytes(b"{ }")
    else:
        (entry,) = folder.glob("*.json")
        entry.write_text(damage)
    assert kept.find(GCS) is None
    assert quote((folder / ".gitignore").read_text()) == "%2A%0A"
