"""A class whose arguments depend on which rows are of one call."""

import ekiben
import pandas as pd


class Frames(ekiben.Runnable):
    @ekiben.Runnable.method(batchable=True)
    def said(self, x: pd.DataFrame) -> list[str]:
        return [f"{list(x.columns)} {row}" for row in x.values.tolist()]

    @ekiben.Runnable.method(batchable=True)
    def values(self, x: pd.DataFrame):
        return x.values
