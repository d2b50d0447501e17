# %%
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

units = pd.read_csv("data/sales.csv")["units"].tolist()
results = {}


def work(part):
    results[part] = sum(units[part::4])


# %%
workers = [threading.Thread(target=work, args=(part,)) for part in range(4)]
for worker in workers:
    worker.start()
# %%
for worker in workers:
    worker.join()
# %%
with ThreadPoolExecutor(2) as pool:
    squares = list(pool.map(lambda value: value * value, sorted(results.values())))
# %%
final = sum(squares) + len(results)
