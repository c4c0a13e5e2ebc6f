"""Two models on the same rows, and the judgement which is better.

(Why the imports stand inside: see prepare.)
"""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

from .requirements import BASE_IMAGE, REQUIREMENTS


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def train_logreg(train: Input[Dataset], model: Output[Model]) -> None:
    """Logistic regression on standardised features; the model is a folder, as the serving image wants it."""
    import csv
    import json
    from pathlib import Path

    import joblib
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with Path(train.path).open(encoding="utf-8", newline="") as source:
        features = next(csv.reader(source))[:-1]
        table = np.loadtxt(source, delimiter=",", ndmin=2)
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(table[:, :-1], table[:, -1])

    folder = Path(model.path)
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(fitted, folder / "model.joblib")
    (folder / "features.json").write_text(json.dumps(features), encoding="utf-8")
    model.metadata["framework"] = "scikit-learn"
    model.metadata["containerSpec"] = {"imageUri": "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"}


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def train_xgb(train: Input[Dataset], seed: int, model: Output[Model]) -> None:
    """Boosted trees; the model is a folder, as the serving image wants it."""
    import csv
    import json
    from pathlib import Path

    import numpy as np
    import xgboost

    with Path(train.path).open(encoding="utf-8", newline="") as source:
        features = next(csv.reader(source))[:-1]
        table = np.loadtxt(source, delimiter=",", ndmin=2)
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
    (folder / "model.bst").write_bytes(booster.save_raw("ubj"))
    (folder / "features.json").write_text(json.dumps(features), encoding="utf-8")
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
