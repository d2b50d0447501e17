# %%
functions = []
for k in range(4):
    functions.append(lambda value: value * k)
early = [function(10) for function in functions]
# %%
k = 7
late = [function(10) for function in functions]
# %%
bound = [lambda value, k=k: value * k for k in range(4)]
# %%
final = sum(early) * 10000 + sum(late) + sum(function(1) for function in bound)
