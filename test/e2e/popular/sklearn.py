# /// script
# dependencies = ["scikit-learn"]
# ///
import sklearn
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression


def operate():
    data, target = load_iris(return_X_y=True)
    forest = RandomForestClassifier(n_estimators=8, n_jobs=2, random_state=1).fit(data, target)
    linear = LogisticRegression(max_iter=500).fit(data, target)
    return [sklearn.__version__, float(forest.score(data, target)), linear.predict(data[::30]).tolist()]
