# %%
import urllib.request

page = urllib.request.urlopen("http://127.0.0.1:9/prices.csv", timeout=2).read()
# %%
final = len(page)
