# %%
rate = 3
base = 10
# %%
exec("scaled = rate * base")
total = eval("scaled + offset", {"scaled": scaled, "offset": 4})
# %%
globals()["hidden"] = total * 2
names = [name for name in ("rate", "hidden", "nothing") if name in globals()]
# %%
for letter in "abc":
    exec(f"value_{letter} = len(letter) + rate")
# %%
rate = 5
final = hidden + len(names) * 100 + eval("value_a + value_c") + eval("rate") * 1000
