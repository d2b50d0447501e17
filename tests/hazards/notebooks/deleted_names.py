# %%
rows = [4, 8, 15, 16, 23, 42]
top = max(rows)
# %%
small = [half for row in rows if (half := row // 2) > 5]
# %%
del rows[0], top
rows = rows + [half]
# %%
top = rows[-1]
*rows, last = rows
del half
# %%
final = sum(rows) * 1000 + top + last + len(small) + ("half" in globals())
