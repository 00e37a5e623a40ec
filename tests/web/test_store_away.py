"""The routes while the store is not there, or is another one, and when it is back."""

from __future__ import annotations

import httpx
from kit.site import Site


def test_routes_of_backups_are_unavailable_without_the_store(site: Site, silver: httpx.Client) -> None:
    backup = site.take()
    link, listed = site.link(backup), f"/v3/apps/{site.app.id}/backups"
    assert silver.get(listed).status_code == 200

    store = site.instance.home / "store"
    store.rename(store.with_name("away"))
    store.mkdir()  # as a mount point without its disk
    site.front.context.store_watch.check()
    for answer in (
        silver.get(listed),
        silver.get(listed, params={"view": "full"}),
        silver.post(listed),
        silver.delete(f"{listed}/{backup.id}"),
        silver.get(link),
        silver.get("/readyz"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE"), answer.url
        assert int(answer.headers["retry-after"]) > 0
        assert str(store) not in answer.text
    assert silver.get("/healthz").status_code == 200
    assert site.queued() == []
    assert not any(store.iterdir())

    store.rmdir()
    store.with_name("away").rename(store)
    site.front.context.store_watch.check()
    assert [one["name"] for one in silver.get(listed).json()["response"]] == [backup.name]
    assert silver.get(link).status_code == silver.get("/readyz").status_code == 200
