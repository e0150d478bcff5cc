"""A whole real history through the CLI and the functions, against a plain computation of it.

CDNOW: 69,659 orders of 23,570 customers, January 1997 to June 1998, as the package lifetimes
0.11.3 ships them. The wheel is taken as a file; nothing of it is imported or installed. Each run
takes every third customer with all of their orders; a hunt takes them all.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bootstrap import ROOT, VENV, import_paths
from hunting import hunting
from localcloud.cloud import LocalCloud

pytestmark = pytest.mark.slow
WHEELS = VENV / "wheels"
SHA256 = "261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8"
EVERY = 1 if hunting() else 3
MAP = "member=customer_id,paid_at=date,amount=dollar_value"


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data, out of the wheel, which is fetched once and kept: of some customers, whole."""
    if not list(WHEELS.glob("*ifetimes-0.11.3-*.whl")):
        pins = tmp_path_factory.mktemp("pins") / "requirements.txt"
        pins.write_text(f"lifetimes==0.11.3 --hash=sha256:{SHA256}\n")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq"]
        pip += ["--no-deps", "--require-hashes", "-d", str(WHEELS), "-r", str(pins)]
        subprocess.run(pip, check=True)
    [wheel] = WHEELS.glob("*ifetimes-0.11.3-*.whl")
    folder = tmp_path_factory.mktemp("cdnow")
    with zipfile.ZipFile(wheel) as archive:
        archive.extract("lifetimes/datasets/CDNOW_master.txt", folder)
    whole = folder / "lifetimes" / "datasets" / "CDNOW_master.txt"
    head, *lines = whole.read_text().splitlines(keepends=True)
    assert len(lines) == 69_659
    part = folder / "CDNOW_part.txt"
    part.write_text(head + "".join(line for line in lines if int(line.split()[0]) % EVERY == 0))
    return part


@pytest.fixture(scope="module")
def own_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A cloud of its own: other tests' guests would be in the figures."""
    with LocalCloud(Path(tmp_path_factory.mktemp("import"))) as cloud:
        yield cloud


def huitou(cloud: LocalCloud, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments, "--data", str(cloud.data)],
        cwd=ROOT,
        env={"PYTHONPATH": ":".join(import_paths()), "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )


def told(done: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    assert done.returncode == code, done.stderr + done.stdout
    return dict(json.loads(done.stdout.splitlines()[-1]))


class Plain:
    """The history as a child would add it up."""

    def __init__(self, path: Path) -> None:
        self.orders = []
        for line in path.read_text().splitlines()[1:]:
            customer, day, _, dollars = line.split()
            when = date(int(day[:4]), int(day[4:6]), int(day[6:]))
            self.orders.append((customer, when, int(Decimal(dollars) * 100)))
        self.days = defaultdict(set)
        for customer, when, cents in self.orders:
            if cents:
                self.days[customer].add(when)

    def repurchase(self, day: date) -> tuple[int, int]:
        cohort = repurchased = 0
        for days in self.days.values():
            window = [d for d in days if day - timedelta(59) <= d <= day - timedelta(30)]
            if window:
                cohort += 1
                repurchased += any(0 < (d - min(window)).days <= 30 for d in days)
        return cohort, repurchased

    def points(self) -> Counter[str]:
        points: Counter[str] = Counter()
        for customer, _, cents in self.orders:
            points[customer] += cents // 100
        return points


@pytest.mark.hypothesis  # A hunt takes all customers.
@pytest.mark.timeout(600)
def test_a_real_history_goes_in_and_true_figures_come_out(
    own_cloud: LocalCloud, cdnow: Path
) -> None:
    plain = Plain(cdnow)
    rows, members = len(plain.orders), len({customer for customer, _, _ in plain.orders})
    assert rows > 69_659 / EVERY * 0.9
    done = huitou(own_cloud, "import", "orders", str(cdnow), "--map", MAP, "--json")
    assert told(done) | {"seconds": 0} == {
        "rows": rows,
        "imported": rows,
        "refunded": 0,
        "unchanged": 0,
        "members": members,
        "rejected": 0,
        "rejects_file": None,
        "dry_run": False,
        "seconds": 0,
        "amount_fen": sum(cents for _, _, cents in plain.orders),
        "first_day": "1997-01-01",
        "last_day": "1998-06-30",
    }
    for day in (date(1997, 4, 15), date(1997, 6, 30), date(1998, 3, 31)):
        kpi = told(huitou(own_cloud, "kpi", "--as-of", str(day), "--json"))
        cohort, repurchased = plain.repurchase(day)
        assert cohort > 1_000 / EVERY
        assert (kpi["repurchase_cohort"], kpi["repurchased"]) == (cohort, repurchased)
        assert kpi["repurchase_rate_30d"] == repurchased / cohort
        assert kpi["by_channel"]["import"]["repurchased"] == repurchased
        assert kpi["orders"] == sum(when == day and cents > 0 for _, when, cents in plain.orders)
        assert kpi["revenue_fen"] == sum(cents for _, when, cents in plain.orders if when == day)
        known = len({customer for customer, when, _ in plain.orders if when <= day - timedelta(29)})
        assert (kpi["activity_members"], kpi["activity_rate"]) == (known, 0.0)
        issued = sum(cents // 100 for _, when, cents in plain.orders if when <= day)
        assert (kpi["points_issued"], kpi["points_burn_rate"]) == (issued, 0.0)
    numbers = {
        identity["member_id"]: identity["_id"].removeprefix("till:")
        for identity in own_cloud.database.collection("identities").find({})
    }
    accounts = list(own_cloud.database.collection("accounts").find({}))
    points = plain.points()
    earned: Counter[str] = Counter()
    for entry in own_cloud.database.collection("points_entries").find({}):
        if entry["kind"] == "earn":
            earned[numbers[entry["member_id"]]] += entry["points"]
    assert earned == points
    # Points of 1998 ended with 1999, each member's on the day on which they were told to.
    assert {account["available"] for account in accounts} == {0}
    # Nothing of 1998 lies in the 365 days up to today.
    assert {account.get("tier", {}).get("level", "basic") for account in accounts} == {"basic"}
    reconciled = told(huitou(own_cloud, "reconcile", "--json"))
    assert reconciled["points_issued"] == reconciled["points_expired"] == sum(points.values())
    assert reconciled["points_outstanding"] == 0
    assert reconciled["revenue_fen"] == sum(cents for _, _, cents in plain.orders)


def test_each_kind_of_bad_row_is_rejected_and_the_good_ones_go_in(
    own_cloud: LocalCloud, tmp_path: Path
) -> None:
    lines = [
        "card,when,paid,no,original",
        "c1,2026-01-10 12:00,50.00,A1,",
        ",2026-01-10 12:00,50.00,A2,",
        "c1,10/01/2026,50.00,A3,",
        "c1,2026-01-10 12:00,fifty,A4,",
        "c1,2026-01-10 13:00,51.00,A1,",
        "c1,2026-01-11 12:00,-10.00,A5,",
        "c1,2026-01-11 12:00,-10.00,A6,A1",
        "c1,2026-01-11 12:00,-10.00,A7,Z9",
        "c1,2026-01-10 12:00,1,234.50,A8,",
        "c2,2026-01-12 12:00,0,A9,",
    ]
    path = tmp_path / "till.csv"
    path.write_bytes(
        "\n".join(lines).encode()
        + "\n李四,2026-01-10 12:00,5,B1,\n".encode("gbk")
        + "张三,2026-01-10 12:00,5,B2,\n".encode()
    )
    mapping = ["--map", "member=card,paid_at=when,amount=paid,order=no,refund_of=original"]
    done = huitou(own_cloud, "import", "orders", str(path), *mapping, "--json")
    result = told(done, code=1)
    assert (result["imported"], result["refunded"], result["rejected"]) == (3, 1, 8)
    with open(result["rejects_file"], encoding="utf-8-sig", newline="") as file:
        rejects = [(int(row["line"]), row["field"], row["reason"]) for row in csv.DictReader(file)]
    assert [(line, name) for line, name, _ in sorted(rejects)] == [
        (3, "member"),
        (4, "paid_at"),
        (5, "amount"),
        (6, "order"),
        (7, "amount"),
        (9, "refund_of"),
        (10, "row"),
        (12, "row"),
    ]
    dry = huitou(own_cloud, "import", "orders", str(path), *mapping, "--json", "--dry-run")
    assert told(dry, code=1)["rejected"] == 8
    again = told(huitou(own_cloud, "import", "orders", str(path), *mapping, "--json"), code=1)
    assert (again["imported"], again["refunded"], again["unchanged"]) == (0, 0, 4)
    assert again["rejected"] == 8
    assert told(huitou(own_cloud, "reconcile", "--json"))["reconciled"]


def test_a_wrong_call_says_what_to_do(own_cloud: LocalCloud, tmp_path: Path) -> None:
    path = tmp_path / "till.csv"
    path.write_text("card,when,paid\nc1,2026-01-10,50\n")

    def fails(*options: str) -> str:
        done = huitou(own_cloud, "import", "orders", str(path), *options)
        assert done.returncode in (1, 2, 3)
        return done.stderr

    assert "also needed: paid_at, amount" in fails("--map", "member=card")
    assert "its columns are: card, when, paid" in fails(
        "--map", "member=card,paid_at=when,amount=total"
    )
    mapping = ("--map", "member=card,paid_at=when,amount=paid")
    assert "no such store" in fails(*mapping, "--store", "nowhere")
    assert "no such zone" in fails(*mapping, "--timezone", "Mars/Base")
    assert "FIELD=COLUMN" in fails("--map", "member=card,price=paid")
    assert "given twice" in fails("--map", "member=card, member=when")
    assert "order is needed too" in fails(*mapping, "--map", "refund_of=paid")
    assert "write like" in fails(*mapping, "--date-format", "dd/mm/yyyy")
    assert "the file to be imported" in fails(*mapping, "--rejects", str(path))
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    assert "no rejects file" in fails(*mapping, "--rejects", str(precious))
    assert precious.read_text() == "mine"
    midnight = "card,when,paid\nc1,2026-01-10 00:00:00,50\nc2,2026-01-11 00:00:00,50\n"
    path.write_text(midnight)
    assert "every time is 00:00:00" in fails(*mapping)
    days = ("--date-format", "%Y-%m-%d 00:00:00", "--dry-run", "--json")
    done = huitou(own_cloud, "import", "orders", str(path), *mapping, *days)
    assert told(done)["last_day"] == "2026-01-11"


def test_the_picture_is_drawn_and_the_table_printed_beside_it(
    own_cloud: LocalCloud, tmp_path: Path
) -> None:
    png = tmp_path / "repurchase.png"
    period = ("--from", "1997-01-01", "--to", "1997-03-31")
    done = huitou(own_cloud, "kpi", *period, "--png", str(png))
    assert done.returncode == 0, done.stderr
    assert "1997-03" in done.stdout
    assert "Glyph" not in done.stderr, "a character that the font hasn't got"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.stat().st_size > 20_000
    nothing = huitou(
        own_cloud, "kpi", "--from", "2090-01-01", "--to", "2090-01-02", "--png", str(png)
    )
    assert nothing.returncode == 0, nothing.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--png", "x.png"], "say --from and --to"),
        (["--from", "2026-01-01"], "--from together with --to"),
        (["--from", "2026-01-01", "--to", "2025-01-01"], "last: must be"),
        (["--as-of", "yesterday"], "does not match the format"),
        (["--store", "nowhere"], "STORE_NOT_FOUND"),
        (["--channel", "pigeon"], "channel is not one of the choices"),
    ],
)
def test_a_wrong_question_about_kpis_is_answered_with_what_is_wrong(
    own_cloud: LocalCloud, options: list[str], says: str
) -> None:
    done = huitou(own_cloud, "kpi", *options)
    assert done.returncode != 0
    assert says in done.stderr


def test_a_killed_import_goes_on_where_it_was(own_cloud: LocalCloud, tmp_path: Path) -> None:
    rows = [f"k{n % 500},2025-03-{n % 28 + 1:02},{n % 90 + 1}.50" for n in range(6_000)]
    path = tmp_path / "till.csv"
    path.write_text("card,when,paid\n" + "\n".join(rows) + "\n")
    mapping = ["--map", "member=card,paid_at=when,amount=paid"]
    command = [sys.executable, "-m", "cli", "import", "orders", str(path), *mapping]
    with subprocess.Popen(
        [*command, "--data", str(own_cloud.data)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": ":".join(import_paths()), "PATH": "/usr/bin:/bin"},
    ) as process:
        orders = own_cloud.database.collection("orders")
        first = {
            "business_day": {"$gte": "2025-03-01", "$lt": "2025-04"},
            "_id": {"$gt": ""},
            "origin": "import",
        }
        while not orders.count_documents(first):
            assert process.poll() is None
        process.kill()
    for pid in own_cloud.platform.pool("maintenance").pids():
        os.kill(pid, signal.SIGKILL)
    done = told(huitou(own_cloud, "import", "orders", str(path), *mapping, "--json"))
    assert done["imported"] + done["unchanged"] == 6_000
    assert done["unchanged"] >= 1_000
    assert told(huitou(own_cloud, "reconcile", "--json"))["reconciled"]


def test_orders_of_a_chain_whose_balances_come_apart_earn_nothing(
    own_cloud: LocalCloud, tmp_path: Path
) -> None:
    till = tmp_path / "till.csv"
    till.write_text("card,day,total,no\nspend-only,2026-01-10,50.00,S1\n", encoding="utf-8")
    columns = "member=card,paid_at=day,amount=total,order=no"
    done = huitou(
        own_cloud, "import", "orders", str(till), "--map", columns, "--no-points", "--json"
    )
    assert told(done)["imported"] == 1
    identity = own_cloud.database.collection("identities").find_one({"_id": "till:spend-only"})
    assert identity
    member = {"member_id": identity["member_id"]}
    order = own_cloud.database.collection("orders").find_one(member)
    assert order
    assert (order["payable_fen"], order["terms"]["order_points"]) == (5_000, 0)
