"""A made-up bank: customer tables to try the pipeline on, the same ones from the same seed.

The columns, their types and values are those of the BankChurners table that churn tutorials use; no customer is real.
Whether one leaves follows from rules that cross several columns (`_leaves`): trees find them, a linear model cannot.
"""

from __future__ import annotations

import csv
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_EDUCATION = {
    "Graduate": 31,
    "High School": 20,
    "Unknown": 15,
    "Uneducated": 15,
    "College": 10,
    "Post-Graduate": 5,
    "Doctorate": 4,
}
_MARITAL = {"Married": 64, "Single": 21, "Unknown": 8, "Divorced": 7}
_INCOME = {
    "Less than $40K": 35,
    "$40K - $60K": 18,
    "$80K - $120K": 15,
    "$60K - $80K": 14,
    "Unknown": 11,
    "$120K +": 7,
}
_CARD = {"Blue": 932, "Silver": 55, "Gold": 11, "Platinum": 2}
_USUAL_LIMIT = {
    "Less than $40K": 2_600,
    "$40K - $60K": 3_700,
    "$60K - $80K": 7_500,
    "$80K - $120K": 12_500,
    "$120K +": 15_500,
    "Unknown": 6_200,
}
_LEAK = "Naive_Bayes_Classifier_Attrition_Flag_Card_Category_Contacts_Count_12_mon_Dependent_count_Education_Level_"
_UNFORESEEN = 0.004  # the share of customers who do the opposite of what the rules say


def rows(seed: int, count: int) -> Iterator[dict[str, str | int | float]]:
    """`count` customers, made one at a time; the first ones are the same whatever `count` is."""
    random = Random(seed)
    for number in range(count):
        identifier = 700_000_000 + 100 * number + random.randrange(100)
        customer = _customer(random)
        leaves = _leaves(customer) != (random.random() < _UNFORESEEN)
        guess = random.uniform(0.985, 0.9996) if leaves else 10 ** random.uniform(-5.1, -3.2)
        yield {
            "CLIENTNUM": identifier,
            "Attrition_Flag": "Attrited Customer" if leaves else "Existing Customer",
            **customer,
            f"{_LEAK}Months_Inactive_12_mon_1": round(guess, 8),
            f"{_LEAK}Months_Inactive_12_mon_2": round(1 - guess, 8),
        }


def write(path: Path, *, seed: int, count: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        for number, row in enumerate(rows(seed, count)):
            if number == 0:
                writer.writerow(row)
            writer.writerow(row.values())


def split(source: Path, parts: int, into: Path) -> list[Path]:
    """Cuts a table into `part-00000.csv` and so on, in order, each with the header and an even share of the rows.

    Raises ValueError if there are fewer rows than parts.
    """
    with source.open(encoding="utf-8", newline="") as table:
        count = max(sum(1 for _ in csv.reader(table)) - 1, 0)
    if not 1 <= parts <= count:
        raise ValueError(f"{count} rows under the header cannot be cut into {parts} parts; at least {parts} are needed")
    paths = [into / f"part-{number:05}.csv" for number in range(parts)]
    with source.open(encoding="utf-8", newline="") as table:
        reader = csv.reader(table)
        header = next(reader)
        for number, path in enumerate(paths):
            share = count * (number + 1) // parts - count * number // parts
            with path.open("w", encoding="utf-8", newline="") as target:
                writer = csv.writer(target, lineterminator="\n")
                writer.writerow(header)
                writer.writerows(islice(reader, share))
    return paths


def with_description_row(source: Path, target: Path) -> None:
    """The table as some exports have it: under the header a row that describes the columns, which makes all text."""
    with (
        source.open(encoding="utf-8", newline="") as table,
        target.open("w", encoding="utf-8", newline="") as described,
    ):
        reader, writer = csv.reader(table), csv.writer(described, lineterminator="\n")
        header = next(reader)
        writer.writerow(header)
        writer.writerow(f"{column.replace('_', ' ').lower()} of the customer" for column in header)
        writer.writerows(reader)


def _customer(random: Random) -> dict[str, str | int | float]:
    age = _whole(random.gauss(46.3, 8), 26, 73)
    months = 36 if random.random() < 0.24 else _whole(age - 10 + random.gauss(0, 4.5), 13, 56)
    income = _pick(random, _INCOME)
    card = _pick(random, _CARD)
    generosity = random.lognormvariate(0, 0.6) * (1 if card == "Blue" else 2.8)
    limit = round(min(max(_USUAL_LIMIT[income] * generosity, 1438.3), 34_516), 1)
    owed = min(0 if random.random() < 0.25 else _whole(random.gauss(1_500, 550), 100, 2_517), int(limit))
    payments = _whole(random.choice([random.gauss(38, 9), random.gauss(72, 10), random.gauss(76, 10)]), 10, 139)
    spent = _whole(payments * random.lognormvariate(4.05, 0.4), 510, 18_484)
    return {
        "Customer_Age": age,
        "Gender": random.choice("FFFFFFFFFMMMMMMMM"),
        "Dependent_count": _whole(random.gauss(2.07, 1.5), 0, 5),
        "Education_Level": _pick(random, _EDUCATION),
        "Marital_Status": _pick(random, _MARITAL),
        "Income_Category": income,
        "Card_Category": card,
        "Months_on_book": months,
        "Total_Relationship_Count": random.choice([1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6]),
        "Months_Inactive_12_mon": _whole(random.gauss(2.34, 1), 0, 6),
        "Contacts_Count_12_mon": _whole(random.gauss(2.45, 1.1), 0, 6),
        "Credit_Limit": limit,
        "Total_Revolving_Bal": owed,
        "Avg_Open_To_Buy": round(limit - owed, 1),
        "Total_Amt_Chng_Q4_Q1": round(max(random.gauss(0.76, 0.21), 0.0), 3),
        "Total_Trans_Amt": spent,
        "Total_Trans_Ct": payments,
        "Total_Ct_Chng_Q4_Q1": round(max(random.gauss(0.71, 0.22), 0.0), 3),
        "Avg_Utilization_Ratio": round(owed / limit, 3),
    }


def _leaves(customer: Mapping[str, str | int | float]) -> bool:
    n = {name: value for name, value in customer.items() if not isinstance(value, str)}
    rarely = n["Total_Trans_Ct"] < 50
    idle = rarely and n["Total_Revolving_Bal"] < 400
    fading = rarely and n["Total_Ct_Chng_Q4_Q1"] < 0.55 and n["Total_Relationship_Count"] <= 4
    moving_out = not rarely and n["Total_Trans_Amt"] > 7_500 and n["Total_Relationship_Count"] <= 2
    annoyed = n["Contacts_Count_12_mon"] >= 4 and n["Months_Inactive_12_mon"] >= 4
    return idle or fading or moving_out or annoyed


def _pick(random: Random, weights: Mapping[str, int]) -> str:
    return random.choices(list(weights), list(weights.values()))[0]


def _whole(value: float, low: int, high: int) -> int:
    return min(max(round(value), low), high)
