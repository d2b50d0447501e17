# %%
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

SHIFT = 2.0


class Centre(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X):
        return X - self.mean_ + SHIFT


# %%
X, y = load_diabetes(return_X_y=True)
X = X[:, 2:5]
pipe = Pipeline(
    [("centre", Centre()), ("square", FunctionTransformer(lambda block: np.c_[block, block**2])), ("line", LinearRegression())]
)
# %%
pipe.fit(X[:300], y[:300])
# %%
SHIFT = 3.0
# %%
final = float(pipe.predict(X[300:]).sum())
