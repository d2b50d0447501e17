# %%
import subprocess

answer = subprocess.run(["echo", "17"], capture_output=True, text=True, check=True)
# %%
final = int(answer.stdout) * 2
