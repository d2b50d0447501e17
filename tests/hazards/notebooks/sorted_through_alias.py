# %%
import numpy as np

scores = [5, 3, 9, 1]
ranking = scores
grid = np.array([[3, 1, 2], [9, 7, 8]])
# %%
ranking.sort()
lowest = scores[0]
# %%
scores.reverse()
row = grid[1]
row.sort()
# %%
flipped = grid.T
flipped[0] = -1
# %%
final = ranking[0] * 1000 + lowest * 100 + int(grid.sum())
