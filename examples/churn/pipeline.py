"""The training pipeline: read, validate, split, train two models, evaluate, and register the better one if it is good enough.

Each component is compiled by the text of its function alone, so each imports what it needs and knows nothing of this
module. `python -m retrigger.cli.churn.pipeline` writes the compiled form, `pipelines/churn.json`.
"""

import json
from pathlib import Path

from google.protobuf import json_format
from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

BASE_IMAGE = "python:3.11-slim"

# One list for every component, so that one environment serves them all. scikit-learn, xgboost and numpy are held to what
# the prebuilt serving images hold (sklearn-cpu.1-5, xgboost-cpu.2-1): a model is served by the release that wrote it.
REQUIREMENTS = [
    "google-cloud-storage>=3,<4",
    "numpy>=1.26,<2",
    "scikit-learn>=1.5,<1.6",
    "xgboost-cpu>=2.1,<2.2",
]


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def read_tables(data: str, table: Output[Dataset]) -> None:
    """Joins every .csv object under the folder `gs://bucket/prefix/`, or takes the one object `gs://bucket/name.csv`."""
    import csv
    from pathlib import Path

    from google.cloud import storage

    bucket, _, name = data.removeprefix("gs://").partition("/")
    if not data.startswith("gs://") or not bucket or not (name.endswith(".csv") or data.endswith("/")):
        raise ValueError(f"data: {data!r} is neither gs://BUCKET/FOLDER/ nor gs://BUCKET/NAME.csv. Name one of them.")
    client = storage.Client()
    if name.endswith(".csv"):
        found = [blob for blob in [client.bucket(bucket).get_blob(name)] if blob]
    else:
        listed = sorted(client.list_blobs(bucket, prefix=name), key=lambda blob: blob.name)
        found = [blob for blob in listed if blob.name.endswith(".csv")]
        for blob in listed:
            if blob not in found:
                print(f"gs://{bucket}/{blob.name}: skipped, not a .csv table")
    if not found:
        raise ValueError(f"{data}: there is no .csv object. Upload one, or name another folder.")

    header: list[str] = []
    rows = 0
    with Path(table.path).open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        for blob in found:
            uri, before = f"gs://{bucket}/{blob.name}", rows
            # The generation holds the read to one version, even if the object is replaced meanwhile.
            with blob.open("r", encoding="utf-8-sig", newline="", if_generation_match=blob.generation) as source:
                part = csv.reader(source)
                columns = next(part, [])
                if not header:
                    header = columns
                    writer.writerow(header)
                if columns != header:
                    differing = ", ".join(sorted(set(columns) ^ set(header))) or "their order"
                    raise ValueError(
                        f"{uri}: its columns are not those of {found[0].name} ({differing}). Export it again."
                    )
                for row in part:
                    writer.writerow(row)
                    rows += 1
            print(f"{uri}: rows {before + 1} to {rows}")
    table.metadata.update({"source": data, "objects": len(found), "rows": rows})


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def validate(table: Input[Dataset], as_of: str, min_rows: int, clean: Output[Dataset]) -> None:
    """Refuses a table that no model should learn from; writes numbers only, the answer (1 is churned) in the last column.

    A text column becomes a column for each of its values, so that every run and every client has the same features. The
    identifier and the two columns that another classifier left behind (they hold the answer) are dropped.
    """
    import csv
    import math
    from datetime import date
    from pathlib import Path

    answer = {"Existing Customer": 0, "Attrited Customer": 1}
    texts = {
        "Gender": ["F", "M"],
        "Education_Level": [
            "Uneducated",
            "High School",
            "College",
            "Graduate",
            "Post-Graduate",
            "Doctorate",
            "Unknown",
        ],
        "Marital_Status": ["Single", "Married", "Divorced", "Unknown"],
        "Income_Category": ["Less than $40K", "$40K - $60K", "$60K - $80K", "$80K - $120K", "$120K +", "Unknown"],
        "Card_Category": ["Blue", "Silver", "Gold", "Platinum"],
    }
    numbers = [
        "Customer_Age",
        "Dependent_count",
        "Months_on_book",
        "Total_Relationship_Count",
        "Months_Inactive_12_mon",
        "Contacts_Count_12_mon",
        "Credit_Limit",
        "Total_Revolving_Bal",
        "Avg_Open_To_Buy",
        "Total_Amt_Chng_Q4_Q1",
        "Total_Trans_Amt",
        "Total_Trans_Ct",
        "Total_Ct_Chng_Q4_Q1",
        "Avg_Utilization_Ratio",
    ]
    expected = {"Attrition_Flag", *texts, *numbers}
    faults: dict[str, list[int]] = {}  # what is wrong -> the first row that has it, the number of rows that have it
    counts = [0, 0]

    def fault(what: str, row: int) -> None:
        faults.setdefault(what, [row, 0])[1] += 1

    def number(column: str, text: str, row: int) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            fault(f"{column} is not a number", row)
        return value

    try:
        date.fromisoformat(as_of)
    except ValueError as error:
        raise ValueError(f"as_of: {as_of!r} is not a date. Give it as YYYY-MM-DD.") from error

    with (
        Path(table.path).open(encoding="utf-8", newline="") as source,
        Path(clean.path).open("w", encoding="utf-8", newline="") as target,
    ):
        reader = csv.reader(source)
        header = next(reader, [])
        dropped = {c for c in header if c == "CLIENTNUM" or c.startswith("Naive_Bayes_Classifier_")}
        problems = [f"column {c} is missing" for c in sorted(expected - set(header))]
        problems += [f"column {c!r} is unknown" for c in sorted(set(header) - expected - dropped)]
        problems += [f"column {c!r} stands there twice" for c in sorted({c for c in header if header.count(c) > 1})]
        if problems:
            raise ValueError(
                f"the table does not have the columns of this pipeline: {'; '.join(problems)}. Mend its export."
            )

        writer = csv.writer(target)
        writer.writerow([*numbers, *(f"{c}={value}" for c, values in texts.items() for value in values), "churned"])
        for at, cells in enumerate(reader, start=1):
            if len(cells) != len(header):
                fault(f"the row has not {len(header)} cells", at)
                continue
            row = dict(zip(header, cells, strict=True))
            features = [number(c, row[c], at) for c in numbers]
            for c, values in texts.items():
                if row[c] not in values:
                    fault(f"{c} is not one of {', '.join(values)}", at)
                features += [int(row[c] == value) for value in values]
            churned = answer.get(row["Attrition_Flag"])
            if churned is None:
                fault(f"Attrition_Flag is not one of {', '.join(answer)}", at)
                continue
            counts[churned] += 1
            writer.writerow([*features, churned])

    # Rows are counted from 1 under the header. A reason names row and column; cells may be personal data.
    problems = [f"row {row}: {what} (so in {count} rows)" for what, (row, count) in faults.items()]
    if len(problems) > 8:
        problems[8:] = [f"and {len(problems) - 8} more"]
    if not problems and sum(counts) < min_rows:
        problems = [f"there are {sum(counts)} rows, at least {min_rows} are needed"]
    if not problems and min(counts) < 10:
        problems = [f"Attrition_Flag: {counts[0]} existing and {counts[1]} attrited, at least 10 of each are needed"]
    if problems:
        raise ValueError(f"the table is not fit for training: {'; '.join(problems)}. Mend its export.")
    clean.metadata.update({"rows": sum(counts), "churned": counts[1]})


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def split(
    clean: Input[Dataset], test_fraction: float, seed: int, train: Output[Dataset], test: Output[Dataset]
) -> None:
    """Puts the same share of both classes on both sides; the same seed gives the same sides."""
    import random
    from pathlib import Path

    header, *rows = Path(clean.path).read_text(encoding="utf-8").splitlines(keepends=True)
    shuffle = random.Random(seed).shuffle
    sides: dict[str, list[str]] = {train.path: [], test.path: []}
    for answer in ("0", "1"):
        members = [row for row in rows if row.rstrip().endswith(f",{answer}")]
        shuffle(members)
        cut = round(len(members) * test_fraction)
        sides[test.path] += members[:cut]
        sides[train.path] += members[cut:]
    for path, side in sides.items():
        shuffle(side)
        Path(path).write_text("".join([header, *side]), encoding="utf-8")


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def train_logreg(train: Input[Dataset], model: Output[Model]) -> None:
    """Logistic regression on standardised features; the model is a folder, as the serving image wants it."""
    import json
    from pathlib import Path

    import joblib
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    header = Path(train.path).read_text(encoding="utf-8").splitlines()[0].split(",")
    table = np.loadtxt(train.path, delimiter=",", skiprows=1, ndmin=2)
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(table[:, :-1], table[:, -1])

    folder = Path(model.path)
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(fitted, folder / "model.joblib")
    (folder / "features.json").write_text(json.dumps(header[:-1]), encoding="utf-8")
    model.metadata["framework"] = "scikit-learn"
    model.metadata["containerSpec"] = {"imageUri": "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"}


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def train_xgb(train: Input[Dataset], seed: int, model: Output[Model]) -> None:
    """Boosted trees; the model is a folder, as the serving image wants it."""
    import json
    from pathlib import Path

    import numpy as np
    import xgboost

    header = Path(train.path).read_text(encoding="utf-8").splitlines()[0].split(",")
    table = np.loadtxt(train.path, delimiter=",", skiprows=1, ndmin=2)
    matrix = xgboost.DMatrix(table[:, :-1], label=table[:, -1], nthread=1)
    settings = {
        "objective": "binary:logistic",
        "max_depth": 4,
        "eta": 0.15,
        "subsample": 0.8,
        "nthread": 1,
        "seed": seed,
    }
    booster = xgboost.train(settings, matrix, num_boost_round=250)

    folder = Path(model.path)
    folder.mkdir(parents=True, exist_ok=True)
    booster.save_model(folder / "model.bst")
    (folder / "features.json").write_text(json.dumps(header[:-1]), encoding="utf-8")
    model.metadata["framework"] = "xgboost"
    model.metadata["containerSpec"] = {"imageUri": "us-docker.pkg.dev/vertex-ai/prediction/xgboost-cpu.2-1:latest"}


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def evaluate(
    test: Input[Dataset], logreg: Input[Model], xgb: Input[Model], metrics: Output[Metrics], best: Output[Model]
) -> float:
    """The area under the ROC curve of both models on rows that neither saw; returns the better one's, and its model."""
    import shutil

    import joblib
    import numpy as np
    import xgboost
    from sklearn.metrics import roc_auc_score

    table = np.loadtxt(test.path, delimiter=",", skiprows=1, ndmin=2)
    features, answers = table[:, :-1], table[:, -1]
    booster = xgboost.Booster(params={"nthread": 1}, model_file=f"{xgb.path}/model.bst")
    auc_logreg = float(roc_auc_score(answers, joblib.load(f"{logreg.path}/model.joblib").predict_proba(features)[:, 1]))
    auc_xgb = float(roc_auc_score(answers, booster.predict(xgboost.DMatrix(features, nthread=1))))

    auc, model = (auc_xgb, xgb) if auc_xgb >= auc_logreg else (auc_logreg, logreg)
    metrics.log_metric("auc", auc)
    metrics.log_metric("auc_logreg", auc_logreg)
    metrics.log_metric("auc_xgb", auc_xgb)
    shutil.copytree(model.path, best.path, dirs_exist_ok=True)
    best.metadata.update(model.metadata)
    print(f"auc: logistic regression {auc_logreg:.4f}, xgboost {auc_xgb:.4f}")
    return auc


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def register_model(
    model: Input[Model], metrics: Input[Metrics], model_name: str, as_of: str, data: str, job: str
) -> str:
    """Makes the model a version of `model_name` in the Vertex AI model registry; returns its resource name.

    The version's alias is the id of the pipeline job, so that a second attempt finds what the first one made, and
    `MODEL@JOB` is the model that the job made. REST: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models
    """
    import os
    import re
    import time

    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    # projects/P/locations/L/pipelineJobs/ID, on Vertex AI
    place = re.fullmatch(r"projects/([^/]+)/locations/([^/]+)/pipelineJobs/([^/]+)", job)
    if place is None:
        raise ValueError(f"job: {job!r} is not projects/P/locations/L/pipelineJobs/ID. Run this in a pipeline job.")
    project, location, job_id = place.groups()
    endpoint = os.environ.get("RETRIGGER_VERTEX_ENDPOINT", f"https://{location}-aiplatform.googleapis.com")
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = AuthorizedSession(credentials)
    parent = f"projects/{project}/locations/{location}"
    wanted = f"{parent}/models/{model_name}"

    def call(method: str, path: str, body: object = None) -> dict:
        response = session.request(method, f"{endpoint}/v1/{path}", json=body, timeout=60)
        if response.status_code == 404 and method == "GET":
            return {}
        if not response.ok:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text[:1000]}")
        return response.json()

    version = call("GET", f"{wanted}@{job_id}")
    if not version:
        upload = {
            "model": {
                "displayName": model_name,
                "description": "Who will close the account soon.",
                "versionAliases": [job_id],
                "versionDescription": f"AUC {metrics.metadata['auc']:.4f}, as of {as_of}, from {data}",
                "artifactUri": model.uri,
                "containerSpec": model.metadata["containerSpec"],
                "labels": {"as-of": as_of, "framework": model.metadata["framework"]},
            },
            **({"parentModel": wanted} if call("GET", wanted) else {"modelId": model_name}),
        }
        operation = call("POST", f"{parent}/models:upload", upload)
        while not operation.get("done"):
            time.sleep(2)
            operation = call("GET", operation["name"])
        if "error" in operation:
            raise RuntimeError(f"{wanted}: the upload failed: {operation['error']}")
        version = {"name": operation["response"]["model"], "versionId": operation["response"]["modelVersionId"]}

    name = f"{version['name'].partition('@')[0]}@{version['versionId']}"
    if not call("GET", f"{name}/evaluations").get("modelEvaluations"):
        evaluation = {
            "displayName": job_id,
            "metricsSchemaUri": "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml",
            "metrics": {"auRoc": metrics.metadata["auc"]},
            "metadata": {k: metrics.metadata[k] for k in ("auc_logreg", "auc_xgb")},
        }
        call("POST", f"{name}/evaluations:import", {"modelEvaluation": evaluation})
    print(f"registered {name}")
    return name


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def report_below_gate(auc: float, min_auc: float) -> None:
    print(f"below the gate: auc {auc:.4f} is less than {min_auc:.4f}, nothing is registered")


@dsl.pipeline(
    name="churn-training", description="Trains two churn models and registers the better one if it is good enough."
)
def churn_training(
    data: str,
    as_of: str,
    min_auc: float = 0.9,
    model_name: str = "churn",
    min_rows: int = 1000,
    test_fraction: float = 0.25,
    seed: int = 7,
) -> None:
    tables = read_tables(data=data).set_cpu_limit("1").set_memory_limit("2G")
    valid = validate(table=tables.outputs["table"], as_of=as_of, min_rows=min_rows)
    valid.set_cpu_limit("1").set_memory_limit("2G")
    sides = split(clean=valid.outputs["clean"], test_fraction=test_fraction, seed=seed)
    sides.set_cpu_limit("1").set_memory_limit("4G")
    logreg = train_logreg(train=sides.outputs["train"]).set_cpu_limit("1").set_memory_limit("4G")
    xgb = train_xgb(train=sides.outputs["train"], seed=seed).set_cpu_limit("1").set_memory_limit("4G")
    evaluation = evaluate(test=sides.outputs["test"], logreg=logreg.outputs["model"], xgb=xgb.outputs["model"])
    evaluation.set_cpu_limit("1").set_memory_limit("4G")
    with dsl.If(evaluation.outputs["Output"] >= min_auc, name="good-enough"):
        registered = register_model(
            model=evaluation.outputs["best"],
            metrics=evaluation.outputs["metrics"],
            model_name=model_name,
            as_of=as_of,
            data=data,
            job=dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER,
        )
        registered.set_cpu_limit("1").set_memory_limit("2G").set_retry(num_retries=2, backoff_duration="5s")
    with dsl.Else(name="below-the-gate"):
        report_below_gate(auc=evaluation.outputs["Output"], min_auc=min_auc).set_cpu_limit("1").set_memory_limit("1G")


def compiled() -> str:
    """The pipeline as Vertex AI takes it: JSON, which a function parses hundreds of times faster than YAML."""
    spec = json_format.MessageToDict(churn_training.pipeline_spec)
    return json.dumps(spec, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    (Path(__file__).resolve().parent / "pipelines" / "churn.json").write_text(compiled(), encoding="utf-8")
