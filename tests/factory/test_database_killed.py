"""The database is killed under workers, and started again."""

from __future__ import annotations

import time

from tests.factory.workers import Shop, until


def test_workers_outlive_their_database_and_every_order_is_published_once(tmp_path, monkeypatch, safe_postgres):
    monkeypatch.setenv("PILOTLINE_DATABASE", safe_postgres.database())
    shop = Shop(tmp_path / "shop", tmp_path / "marks")
    names = [f"p{number}" for number in range(4)]
    for name in names:
        shop.pipeline(name, 3)
    shop.pause(0.3)
    orders = {shop.submit(name): name for name in names}
    workers = [shop.worker(lease=3) for _ in range(2)]
    try:
        for away in (0.0, 5.0):
            until(lambda: shop.ledger.counts()["running"] >= 1, 60)
            time.sleep(1)
            safe_postgres.kill()
            time.sleep(away)
            safe_postgres.start()
        until(lambda: {shop.state(number) for number in orders} == {"done"}, 200, shop.ledger.orders)
        assert [one.poll() for one in workers] == [None, None], "a worker ended with its database"
        assert {name: shop.publishes(name) for name in names} == dict.fromkeys(names, 1)
        assert [shop.computed_twice(number) for number in orders] == [{}] * len(orders)
        assert shop.open_runs() == []
    finally:
        shop.close()
