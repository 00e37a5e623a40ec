"""Every operation of the OpenAPI document, asked of a real server with its example, answers as it is described."""

from __future__ import annotations

import io
import json
import re
import socket
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from kit.admin_keys import admin_key
from kit.host_apps import app_folder
from kit.keys import add_named_key
from kit.site import Site

from holdfast.catalog.records import SYSTEM, JobState
from holdfast.service.host.admin_keys import Scope
from holdfast.service.jobs.work import cancel_work
from holdfast.service.registry.trash import delete_backup
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take.request import request_backup
from holdfast.web.api.openapi.components import SHOWN
from holdfast.web.api.openapi.document import document

ENDLESS = {"streamEvents"}
"""`test_events.py` reads it."""

Json = dict[str, Any]


class Things:
    """Things of the account, made for the operation that is asked."""

    def __init__(self, site: Site, silver: httpx.Client) -> None:
        self.site = site
        self.silver = silver
        self.host = site.client(admin_key(site.instance, *Scope))
        self.owner = site.client(add_named_key(site.instance, site.silver.account.id, "owner"))

    def app_id(self, _: str) -> str:
        return self.site.app.id

    def backup(self, operation: str) -> str:
        taken = self.site.take(name="renamed" if operation == "changeBackup" else None)
        if operation == "undeleteBackup":
            assert delete_backup(self.site.instance, taken, SYSTEM).gone_at is not None
        return taken.id

    def job_id(self, operation: str) -> str:
        if operation != "undoJob":
            return request_backup(self.site.instance, self.site.app.id, SYSTEM)[0].id
        backup = self.site.take()
        (self.site.folder / "hello.txt").write_text("other")
        job = request_restore(self.site.instance, backup, self.site.app, Wanted(mode="overlay"), SYSTEM)
        assert run_restore(self.site.instance, job.id).state is JobState.SUCCESSFUL
        return job.id

    def webhook_id(self, _: str) -> str:
        return str(self._made("/v3/webhooks", "NewWebhook")["id"])

    def key_id(self, _: str) -> str:
        return str(self._made("/v3/keys", "NewKey")["id"])

    def member_id(self, _: str) -> str:
        listed = self.silver.get("/v3/members").json()["response"]
        invited = [one["id"] for one in listed if one["state"] == "invited"]
        return str(invited[0] if invited else self._made("/v3/members", "NewMember")["id"])

    def link_id(self, _: str) -> str:
        self._made(f"/v3/apps/{self.site.app.id}/backups/{self.site.take().id}/links", "NewLink")
        return str(self.silver.get("/v3/links").json()["response"][0]["id"])

    def external_id(self, operation: str) -> str:
        if operation.endswith("HostApp"):
            self._host_app(operation)
            return operation
        if operation != "putHostAccount":
            self.host.put(
                f"/v3/admin/accounts/{operation}", json=EXAMPLES["AccountPut"] | {"email": f"{operation}@x.org"}
            )
        return operation

    def file(self, _: str) -> str:
        return self.site.link(self.site.take()).strip("/")

    def _host_app(self, operation: str) -> None:
        """The account that the example names, and an application unless that is to be made."""
        example = EXAMPLES["AppPut"]
        account = EXAMPLES["AccountPut"] | {"email": "customer-1@x.org"}
        assert self.host.put(f"/v3/admin/accounts/{example['account']}", json=account).is_success
        if operation != "putHostApp":
            here = {"path": str(app_folder(self.site.instance, operation)), "name": operation}
            assert self.host.put(f"/v3/admin/apps/{operation}", json=example | here).is_success

    def _made(self, path: str, body: str) -> Json:
        answer = self.silver.post(path, json=EXAMPLES[body])
        assert answer.is_success, answer.text
        made: Json = answer.json()["response"]
        return made


EXAMPLES: dict[str, Json] = {kind.__name__: vars(kind)["EXAMPLE"] for kind in SHOWN if "EXAMPLE" in vars(kind)}


def query_of(operation: Json, site: Site) -> Json:
    """The parameters that the query must have."""
    asked = [one for one in operation["parameters"] if one["in"] == "query" and one.get("required")]
    own: dict[str, Callable[[], str]] = {"with": lambda: site.take().id, "path": lambda: "hello.txt"}
    return {
        one["name"]: one["schema"]["examples"][0] if "examples" in one["schema"] else own[one["name"]]()
        for one in asked
    }


def body_of(operation: Json, site: Site) -> dict[str, Any]:
    """What `httpx` is given to send the example of the body."""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        if kind == "application/octet-stream":
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as file:
                file.writestr("a.txt", "a")
            return {"content": archive.getvalue()}
        if kind == "application/x-ndjson":
            app_line = {**EXAMPLES["AppLine"], "path": str(app_folder(site.instance, "synced"))}
            return {"content": b"\n".join(map(msgspec.json.encode, (EXAMPLES["AccountLine"], app_line)))}
        example = EXAMPLES[content["schema"]["$ref"].split("/")[-1]]
        if "account" in example:
            example = {**example, "path": str(app_folder(site.instance))}
        if example == EXAMPLES["EraseAsked"]:
            example = {"name": site.silver.account.email}
        if "versionId" in example:
            example = {**example, "versionId": site.take(name=example["snapshotId"]).id}
        return {"json": example}
    return {}


def stay_here(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have example.org be this machine, and webhooks may lead to it."""
    known = socket.getaddrinfo

    def found(host: Any, *more: Any, **named: Any) -> Any:
        return known("127.0.0.1" if host == "example.org" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    site.instance.config = msgspec.structs.replace(site.instance.config, notices_allow_private=True)


def test_every_operation_answers_its_example_as_described(
    site: Site, silver: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_here(site, monkeypatch)
    described = document(site.url, site.url)
    schema = schemathesis.openapi.from_dict(described)
    things, asked = Things(site, silver), 0
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if method == "servers" or operation["operationId"] in ENDLESS:
                continue
            for work in site.queued():  # what an earlier request began stands in nobody's way
                cancel_work(site.instance, work, SYSTEM)
            name = operation["operationId"]
            body, query = body_of(operation, site), query_of(operation, site)
            filled = re.sub(r"{(\w+)}", lambda m, name=name: getattr(things, m[1])(name), path)  # type: ignore[misc]
            if "/snapshots" in path and method == "post":
                query["wait"] = 0
            client = things.host if path.startswith("/v3/admin/") else silver
            client = things.owner if path == "/v3/account/erase" else client
            answer = client.request(method, filled, params=query or None, **body)
            assert answer.is_success, (method, filled, answer.text)
            schema[path][method.upper()].validate_response(answer)
            if answer.headers.get("content-type") == "application/x-ndjson":
                assert [json.loads(line)["result"] for line in answer.text.splitlines()] == ["created"] * 2
            asked += 1
    things.host.close()
    things.owner.close()
    assert asked > 50


def test_every_body_has_an_example() -> None:
    described = document("http://a.test", "http://a.test")
    bodies = {
        content["schema"]["$ref"].split("/")[-1]
        for operations in described["paths"].values()
        for operation in operations.values()
        if isinstance(operation, dict)
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" in content["schema"]
    }
    assert bodies <= EXAMPLES.keys()
