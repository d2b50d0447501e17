# %%
rate = 2.5
unit = "kg"
count = 4
# %%
label = f"{count * rate:.1f} {unit}"
# %%
other = "%(count)d x %(unit)s" % globals()
third = "{unit}{rate}".format_map(vars())
# %%
unit = "a much longer unit"
width = 12
padded = f"{label:>{width}}"
# %%
final = f"{label}|{other}|{third}|{padded}"
