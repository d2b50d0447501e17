"""A plain script: no cell marks at all."""
import sys
import pandas as pd


def main(path, factor=2):
    sales = pd.read_csv(path)
    return int(sales["units"].sum()) * factor


if __name__ == "__main__":
    final = main("data/sales.csv")
    arguments = len(sys.argv)
    final += min(arguments, 1)
