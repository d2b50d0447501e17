# %%
lines = open("data/sales.csv", encoding="utf-8")
header = next(lines).strip().split(",")
# %%
position = header.index("units")
early = 0
for line in lines:
    early += int(line.split(",")[position])
    if early > 60:
        break
# %%
late = sum(int(line.split(",")[position]) for line in lines)
lines.close()
# %%
letters = iter("abcdefgh")
pairs = list(zip(letters, letters))
# %%
final = early * 100000 + late * 10 + len(pairs)
