"""A stand-in for Slurm: commands that start real processes, one for each task of an array."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

SBATCH = """\
import os, re, subprocess, sys
from pathlib import Path

HERE = Path(__file__).parent
number = 1000 + len(list(HERE.glob("job-*")))
script = Path(sys.argv[-1])
text = script.read_text()
array = re.search(r"#SBATCH --array=(\\d+)-(\\d+)", text)
first, last = array.groups() if array else ("0", "0")
(HERE / f"job-{number}").write_text(text)
for k in range(int(first), int(last) + 1):
    one = number if k == int(first) else f"{number}{k:03d}"
    env = {
        **os.environ,
        "SLURM_JOB_ID": str(one),
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_NTASKS": "1",
        "SLURM_NODEID": "0",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURM_JOB_NODELIST": "localhost",
        "STAND_IN_SCRIPT": str(script.absolute()),
    }
    if array:
        env |= {"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": str(k)}
    task = subprocess.Popen(["bash", str(script)], env=env, start_new_session=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with (HERE / "pids").open("a") as file:
        file.write(f"{task.pid}\\n")
print(f"Submitted batch job {number}")
"""
SRUN = """\
import os, subprocess, sys

words = sys.argv[1:]
job = os.environ.get("SLURM_ARRAY_JOB_ID", os.environ["SLURM_JOB_ID"])
task = os.environ.get("SLURM_ARRAY_TASK_ID", "0")
files = {}
while words[0].startswith("--"):
    name = words.pop(0)
    if name in ("--output", "--error"):
        path = words.pop(0).replace("%A", job).replace("%a", task).replace("%t", "0").replace("%j", job)
        files[name] = open(path, "ab")
os.dup2(files["--output"].fileno(), 1)
os.dup2(files.get("--error", files["--output"]).fileno(), 2)
os.execvp(words[0], words)
"""
SCONTROL = """\
import os, subprocess, sys
from pathlib import Path

# Put back into the queue: it begins again at once, in a process of its own.
assert sys.argv[1] == "requeue", sys.argv
task = subprocess.Popen(["bash", os.environ["STAND_IN_SCRIPT"]], start_new_session=True,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
with (Path(__file__).parent / "pids").open("a") as file:
    file.write(f"{task.pid}\\n")
"""


def stand_in(folder: Path) -> None:
    """Write the commands into a folder that is to come first in PATH."""
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("scontrol", SCONTROL)):
        path = folder / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)


def started(folder: Path) -> list[int]:
    """Processes that the stand-in started."""
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def at_work(folder: Path) -> list[int]:
    """Those that have not ended; ended ones are waited for."""
    return [pid for pid in started(folder) if _lives(pid)]


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    if state == "Z":
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return False
    return True
